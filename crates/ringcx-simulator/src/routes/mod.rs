//! The table of routes: every path that is served, with the name of its operation.

mod admins;
mod agents;
pub(crate) mod auth;
mod groups;
mod lookups;
mod rights;

use serde_json::Value;

use crate::answer::Answer;
use crate::world::World;

/// Which limit and which credential a call is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// RingCX, with a RingCX token.
    Admin,
    /// The exchange of a RingCentral token.
    Exchange,
    /// The refresh of a RingCX token.
    Refresh,
    /// The RingCentral platform, with a token of its own.
    Platform,
    /// No credential.
    Open,
}

/// One request, taken apart.
pub(crate) struct Req {
    pub(crate) method: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) authorization: Option<String>,
    pub(crate) api_token: Option<String>,
}

impl Req {
    /// A parameter of the path.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.iter().find(|(param, _)| *param == name).map_or("", |(_, value)| value.as_str())
    }

    /// A numeric parameter of the path; one that is none names nothing.
    pub(crate) fn id(&self, name: &str) -> i64 {
        self.param(name).parse().unwrap_or(-1)
    }

    /// The first value of a parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a field of the form.
    pub(crate) fn form(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// One line of the table.
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) family: Family,
    pub(crate) run: fn(&mut World, &Req) -> Answer,
}

/// A route and the parameters of its path.
pub(crate) struct Found {
    pub(crate) route: &'static Route,
    pub(crate) params: Vec<(&'static str, String)>,
}

macro_rules! routes {
    ($($method:literal $path:literal $operation:literal $family:ident $run:path;)+) => {
        const ROUTES: &[Route] = &[$(Route {
            method: $method, path: $path, operation: $operation, family: Family::$family, run: $run,
        }),+];
    };
}

routes! {
    "POST" "/restapi/oauth/token" "getToken" Open auth::platform_token;
    "POST" "/restapi/oauth/revoke" "revokeToken" Open auth::revoke;
    "GET" "/restapi/v1.0/account/~" "getRcAccount" Platform lookups::rc_account;
    "GET" "/restapi/v1.0/account/~/extension" "listExtensions" Platform lookups::extensions;
    "POST" "/api/auth/login/rc/accesstoken" "exchangeToken" Exchange auth::exchange;
    "POST" "/api/auth/token/refresh" "refreshToken" Refresh auth::refresh;
    "GET" "/api/auth/token/validate" "validateToken" Admin auth::validate;
    "GET" "/voice/api/v1/admin/auth" "getAuth" Admin auth::who_am_i;
    "GET" "/voice/api/v1/userDetail/self" "getSelf" Admin auth::own_detail;
    "GET" "/voice/api/v1/admin/token" "listApiTokens" Admin auth::api_tokens;
    "POST" "/voice/api/v1/admin/token" "createApiToken" Admin auth::create_api_token;
    "DELETE" "/voice/api/v1/admin/token/{token}" "deleteApiToken" Admin auth::delete_api_token;
    "GET" "/voice/api/v1/admin/accounts" "listAccounts" Admin lookups::accounts;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/agentGroups" "listAgentGroups" Admin groups::list;
    "POST" "/voice/api/v1/admin/accounts/{accountId}/agentGroups" "createAgentGroup" Admin groups::create;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}" "getAgentGroup" Admin groups::get;
    "PUT" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}" "updateAgentGroup" Admin groups::update;
    "DELETE" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}" "deleteAgentGroup" Admin groups::delete;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}/agents" "listAgents" Admin agents::list;
    "POST" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}/agents" "createAgent" Admin agents::create;
    "PUT" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}/agents" "updateAgents" Admin agents::update_many;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}/agents/{agentId}" "getAgent" Admin agents::get;
    "PUT" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}/agents/{agentId}" "updateAgent" Admin agents::update;
    "DELETE" "/voice/api/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}/agents/{agentId}" "deleteAgent" Admin agents::delete;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/auxStates" "listAuxStates" Admin lookups::aux_states;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/dialGroups" "listDialGroups" Admin lookups::dial_groups;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/gateGroups/withChildren" "listGateGroups" Admin lookups::gate_groups;
    "GET" "/voice/api/v1/admin/accounts/{accountId}/ringcentral/extensions" "listRcExtensions" Admin lookups::rc_extensions;
    "GET" "/voice/api/integration/v1/admin/accounts/{accountId}/agentGroups" "integrationAgentGroups" Admin groups::integration;
    "GET" "/voice/api/integration/v1/admin/accounts/{accountId}/agentGroups/{agentGroupId}/agents" "integrationAgents" Admin agents::integration;
    "GET" "/voice/api/v1/admin/users" "listUsers" Admin admins::list;
    "POST" "/voice/api/v1/admin/users" "createUser" Admin admins::create;
    "GET" "/voice/api/v1/admin/users/availableUserNames" "availableUserNames" Admin admins::available;
    "PUT" "/voice/api/v1/admin/users/reassign" "reassignUsers" Admin admins::reassign;
    "GET" "/voice/api/v1/admin/users/{userId}" "getUser" Admin admins::get;
    "PUT" "/voice/api/v1/admin/users/{userId}" "updateUser" Admin admins::update;
    "DELETE" "/voice/api/v1/admin/users/{userId}" "deleteUser" Admin admins::delete;
    "PUT" "/voice/api/v1/admin/users/{userId}/setIsActive" "setIsActive" Admin admins::set_is_active;
    "POST" "/voice/api/v1/admin/users/{userId}/passwordReset" "sendPasswordReset" Admin admins::send_reset;
    "GET" "/voice/api/v1/admin/users/{userId}/children" "getChildren" Admin admins::children;
    "GET" "/voice/api/v1/admin/users/{userId}/roles" "getRoles" Admin admins::roles;
    "POST" "/voice/api/v1/admin/users/{userId}/roles/{roleType}" "addRole" Admin admins::add_role;
    "DELETE" "/voice/api/v1/admin/users/{userId}/roles/{roleType}" "removeRole" Admin admins::remove_role;
    "GET" "/voice/api/v1/admin/users/{userId}/rightsDocs" "getRightsDocs" Admin rights::all;
    "GET" "/voice/api/v1/admin/users/{userId}/assignedRightsDocs" "getAssignedRightsDocs" Admin rights::assigned;
    "GET" "/voice/api/v1/admin/users/{userId}/ownedRightsDocs" "getOwnedRightsDocs" Admin rights::owned;
    "GET" "/voice/api/v1/admin/users/{userId}/ownedMasterRightsDocs" "getOwnedMasterRightsDocs" Admin rights::owned_master;
    "GET" "/voice/api/v1/admin/users/{userId}/aggregatedRightsDocs" "getAggregatedRightsDocs" Admin rights::aggregated;
    "GET" "/voice/api/v1/admin/rightsDocs/{rightsDocId}/assignments" "getAssignments" Admin rights::holders;
    "POST" "/voice/api/v1/admin/rightsDocs/{rightsDocId}/assignments" "assignRightsDoc" Admin rights::assign;
    "DELETE" "/voice/api/v1/admin/rightsDocs/{rightsDocId}/assignments/{userId}" "unassignRightsDoc" Admin rights::unassign;
    "GET" "/voice/api/v1/admin/auditLogs/auditable" "listAuditable" Admin lookups::auditable;
    "PUT" "/voice/api/v1/admin/auditLogs/search" "searchAuditLogs" Admin lookups::audit;
}

/// Every operation that is served: method, path, name.
pub fn operations() -> Vec<(&'static str, &'static str, &'static str)> {
    ROUTES.iter().map(|route| (route.method, route.path, route.operation)).collect()
}

/// The route of a path; fixed segments go before parameters because the table has them first.
pub(crate) fn find(method: &str, path: &str) -> Option<Found> {
    let path = path.trim_end_matches('/');
    ROUTES.iter().filter(|route| route.method == method).find_map(|route| {
        let (wanted, given) = (route.path.split('/'), path.split('/'));
        if wanted.clone().count() != given.clone().count() {
            return None;
        }
        let mut params = Vec::new();
        for (wanted, given) in wanted.zip(given) {
            match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => params.push((name, decode(given))),
                None if wanted == given => {}
                None => return None,
            }
        }
        Some(Found { route, params })
    })
}

/// The pairs of a query string or a form.
pub(crate) fn pairs(bytes: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(bytes);
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(&name.replace('+', " ")), decode(&value.replace('+', " ")))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        match (hex(rest.next()), hex(rest.next())) {
            (Some(high), Some(low)) => bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?')),
            _ => bytes.push(b'%'),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
