//! What a tenant decides: the settings `[tenant.NAME.policy]` and `[[tenant.NAME.group]]`.
//!
//! Each field says what it does and its default; [`Policy::check`] names what cannot be true together.

pub mod agent_defaults;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fold;
use crate::clock::Span;
pub use agent_defaults::AgentDefaults;
pub use words::*;

/// The settings of one tenant that decide what people get.
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own, on or off")]
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The agent group of people whom no mapped group places; left out: they wait, `held`, until one does.
    pub default_agent_group: Option<String>,
    /// What people without a deciding group or attribute become; default `agent` with a default agent group, else `none`.
    pub default_persona: Option<Persona>,
    /// How a new agent's user name is made: `{userName}`, `{local}`, `{domain}`, `{accountId}` are filled in.
    pub username_template: String,
    /// What happens to an agent's login name when the identity provider renames the person.
    pub rename_policy: Rename,
    /// The same for administrators.
    pub admin_rename_policy: Rename,
    /// Where `externalAgentId` comes from; left out: decided once at first contact, `none` when RingCX already has some.
    pub external_agent_id_source: Option<ExternalIdSource>,
    /// What becomes of a password that the identity provider sends. Only `ignore` exists.
    pub password_policy: PasswordPolicy,
    /// Whether a PUT of an agent carries the password that RingCX showed; left out: learned, else careful.
    pub password_on_put: Option<PasswordOnPut>,
    /// Whether a create takes over an account that RingCX already has.
    pub link_existing: bool,
    /// Whether an administrator found in RingCX may be taken over on create; one with privileged roles never is.
    pub adopt_admins: bool,
    /// Whether an equal e-mail address is worth naming as a candidate.
    pub trust_email: bool,
    /// Whether agents are tied to RingCentral extensions.
    pub link_rc_extension: LinkExtension,
    /// The states of an extension in which agents are tied to it. Default `Enabled`; what RingCX does with others is not documented.
    pub link_rc_statuses: BTreeSet<String>,
    /// Whether agents that are created with an extension are maintained by RingCentral from then on.
    pub sync_with_office: bool,
    /// Whether people whom `office import` makes agents may log in: the first of the four permissions of RingCX's own "Import
    /// Office users". The defaults are those of a new agent in RingCX.
    pub import_login: bool,
    /// Whether they are supervisors.
    pub import_supervisor: bool,
    /// Whether they take inbound calls.
    pub import_inbound: bool,
    /// Whether they make outbound calls.
    pub import_outbound: bool,
    /// Whether administrators are created for single sign-on; otherwise they get a mail with which they choose a password.
    pub admin_sso: bool,
    /// The page to which that mail leads back; needed where `admin_sso` is false.
    pub admin_reset_return_path: Option<String>,
    /// The URI that RingCX calls back when it takes in a new administrator (`returnUri`); left out: none.
    pub admin_return_uri: Option<String>,
    /// `regionalSettings` of new administrators, such as `{ timezoneName = "US/Eastern" }`: RingCX documents a name and a number
    /// for the time zone, so it is sent as it stands here. Empty: RingCX decides.
    pub admin_regional_settings: Map<String, Value>,
    /// Who wins when somebody is switched off in RingCX by hand.
    pub drift_policy: DriftPolicy,
    /// What is done about agents, and roles that the bridge gave, that somebody changed in RingCX by hand; default `repair`.
    /// Whoever the identity provider has switched off is switched off again in any case.
    pub on_drift: OnDrift,
    /// How often everybody is compared with RingCX's lists; 0 s: never. Default 6 h.
    pub reconcile_every: Span,
    /// Whether RingCX's audit log is read for changes by others, five minutes late.
    pub audit_feed: bool,
    /// What DELETE does to the accounts in RingCX.
    pub on_delete: OnDelete,
    /// Whether somebody who was created and deleted within ten minutes, and whose agent has never signed in, is deleted in RingCX as
    /// well: the test users of some identity providers.
    pub purge_short_lived: bool,
    /// What becomes of the direct line of somebody who is switched off.
    pub on_deactivate_direct_line: DirectLine,
    /// Whether a create is answered before RingCX has agreed.
    pub async_create: bool,
    /// Whether an unknown attribute in a request is an error.
    pub strict_paths: bool,
    /// Whether a disable in a PATCH that fails is carried out all the same; default true under `compatibility = "entra"`.
    pub disable_survives_bad_patch: Option<bool>,
    /// Whether this tenant owns the administrators of its RingCX main account; exactly one tenant may. Off: those it has made
    /// stay as they are until their people leave.
    pub manage_admins: bool,
    /// Roles that the identity provider may give by the `roles` attribute. Those named by a group mapping are allowed too.
    pub allowed_roles: BTreeSet<String>,
    /// Rights documents that it may give by `entitlements`. Those named by a group mapping are allowed too.
    pub allowed_rights_docs: BTreeSet<i64>,
    /// Whether every rights document that the bridge's account sees may be given, also those that no setting names.
    pub all_rights_docs: bool,
    /// Whether master documents, which apply to the whole main account, may be given; naming one is not enough.
    pub master_rights_docs: bool,
    /// Roles whose holder can gain more, opted into one by one.
    pub privileged_roles: BTreeSet<String>,
    /// Other names for roles, such as `"Contact Centre Admin" = "MANAGE_USERS"`.
    pub role_aliases: BTreeMap<String, String>,
    /// Role values that mean no role at all, for mappings that cannot be left empty.
    pub no_role_keywords: BTreeSet<String>,
    /// Accounts that are never touched: user names or ids of RingCX agents and administrators.
    pub protected: BTreeSet<String>,
    /// Whether a group that no mapping knows makes an agent group of its name.
    pub auto_create_agent_groups: bool,
    /// A group named with this prefix and a role gives that role, if `allowed_roles`, `privileged_roles` or a mapping names it;
    /// left out: no group does.
    pub role_group_prefix: Option<String>,
    /// A group named with this prefix and a rights document's name gives that document, if it may be given; left out: no group
    /// does.
    pub rights_doc_group_prefix: Option<String>,
    /// What membership of groups in groups means: `ignore` nothing, `expand` that their people are in the outer group as well. Okta and
    /// Entra send no groups as members.
    pub nested_groups: NestedGroups,
    /// How an agent is moved to another agent group.
    pub move_strategy: MoveStrategy,
    /// Whether a rights document's assignment call replaces the list of those who have it.
    pub assignment_mode: AssignmentMode,
    /// How dial group and queue are written on an agent; left out: not at all, and a write that names one is refused.
    pub assignment_shape: Option<AssignmentShape>,
    /// Where an agent's login destinations come from.
    pub default_login_destination_source: DestinationSource,
    /// Where an agent's location comes from when the extension does not say it.
    pub location_source: ProfileSource,
    /// Where an agent's team comes from when the extension does not say it.
    pub team_source: ProfileSource,
    /// Whether `phoneLoginPin` is taken. Off: it is dropped unread, since every administrator of the identity provider can
    /// read what stands in a profile there.
    pub phone_login_pin: bool,
    /// The administrator under whom new ones are created; default: the bridge's own account.
    pub admin_parent_user_id: Option<i64>,
    /// The administrator who takes over what a deleted one has created.
    pub admin_reassign_user_id: Option<i64>,
    /// The most agents that this tenant may own; more are refused.
    pub max_agents: Option<u64>,
    /// The most accounts that may be created within an hour; more wait.
    pub max_new_per_hour: Option<u64>,
    /// Whether changes stop when too many people would lose access at once; default `on`.
    pub mass_change: MassChange,
    /// The most people who may lose access within an hour; left out: 5 % of those active, at least 5 and at most 25.
    pub mass_change_per_hour: Option<u64>,
    /// The most people who may lose access within a day; left out: 10 % of those active, at least 5.
    pub mass_change_per_day: Option<u64>,
    /// Groups of this size and more may not lose more than half within an hour. Default 6.
    pub mass_change_group: u64,
    /// Groups of this size and more may not be emptied by a list without members. Default 3.
    pub mass_change_empty: u64,
    /// Whether upstream changes are made (`live`), or planned and written down (`dry_run`). What a dry run has planned waits for
    /// `ringcx-scim tenant release` when this becomes `live`.
    pub mode: Mode,
}

impl Default for Policy {
    #[expect(clippy::too_many_lines, reason = "a line for each setting")]
    fn default() -> Self {
        Self {
            default_agent_group: None,
            default_persona: None,
            username_template: "{userName}".to_owned(),
            rename_policy: Rename::Keep,
            admin_rename_policy: Rename::Keep,
            external_agent_id_source: None,
            password_policy: PasswordPolicy::Ignore,
            password_on_put: None,
            link_existing: true,
            adopt_admins: false,
            trust_email: true,
            link_rc_extension: LinkExtension::IfFound,
            link_rc_statuses: BTreeSet::from(["Enabled".to_owned()]),
            sync_with_office: false,
            import_login: true,
            import_supervisor: false,
            import_inbound: true,
            import_outbound: false,
            admin_sso: true,
            admin_reset_return_path: None,
            admin_return_uri: None,
            admin_regional_settings: Map::new(),
            drift_policy: DriftPolicy::LocalDisableWins,
            on_drift: OnDrift::Repair,
            reconcile_every: Span::secs(6 * 3600),
            audit_feed: false,
            on_delete: OnDelete::Disable,
            purge_short_lived: false,
            on_deactivate_direct_line: DirectLine::Report,
            async_create: false,
            strict_paths: false,
            disable_survives_bad_patch: None,
            manage_admins: true,
            allowed_roles: BTreeSet::new(),
            allowed_rights_docs: BTreeSet::new(),
            all_rights_docs: false,
            master_rights_docs: false,
            privileged_roles: BTreeSet::new(),
            role_aliases: BTreeMap::new(),
            no_role_keywords: BTreeSet::from(["none".to_owned()]),
            protected: BTreeSet::new(),
            auto_create_agent_groups: false,
            role_group_prefix: None,
            rights_doc_group_prefix: None,
            nested_groups: NestedGroups::Ignore,
            move_strategy: MoveStrategy::Auto,
            assignment_mode: AssignmentMode::Auto,
            assignment_shape: None,
            default_login_destination_source: DestinationSource::Extension,
            location_source: ProfileSource::Extension,
            team_source: ProfileSource::Extension,
            phone_login_pin: false,
            admin_parent_user_id: None,
            admin_reassign_user_id: None,
            max_agents: None,
            max_new_per_hour: None,
            mass_change: MassChange::On,
            mass_change_per_hour: None,
            mass_change_per_day: None,
            mass_change_group: 6,
            mass_change_empty: 3,
            mode: Mode::Live,
        }
    }
}

impl Policy {
    /// What people become whom neither a group nor an attribute decides.
    pub fn persona_by_default(&self) -> Persona {
        self.default_persona.unwrap_or(if self.default_agent_group.is_some() {
            Persona::Agent
        } else {
            Persona::None
        })
    }

    /// Whether the setting `protected` names the account of RingCX with this id or this login name.
    pub fn protects(&self, id: i64, login: &str) -> bool {
        let (id, login) = (id.to_string(), fold(login));
        self.protected.iter().map(|it| fold(it.trim())).any(|it| it == id || it == login)
    }

    /// Complaints about values that cannot work: the key and one sentence each.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let unfilled = ["{userName}", "{local}", "{domain}", "{accountId}"]
            .iter()
            .fold(self.username_template.clone(), |text, name| text.replace(name, ""));
        if unfilled.contains(['{', '}']) || self.username_template.trim().is_empty() {
            found.push((
                "username_template",
                "knows only {userName}, {local}, {domain} and {accountId}, and must not be empty".to_owned(),
            ));
        }
        if !self.admin_sso
            && self.admin_reset_return_path.as_deref().is_none_or(|path| path.trim().is_empty())
        {
            found.push((
                "admin_reset_return_path",
                "is missing, and admin_sso = false mails new administrators a link that leads there; set it"
                    .to_owned(),
            ));
        }
        let smallest = [
            ("mass_change_group", self.mass_change_group, 2),
            ("mass_change_empty", self.mass_change_empty, 1),
        ];
        for (key, value, least) in smallest {
            if value < least {
                found.push((
                    key,
                    format!("must be at least {least}; mass_change = \"off\" switches the guard off"),
                ));
            }
        }
        if self.default_agent_group.as_deref().is_some_and(|name| name.trim().is_empty()) {
            found.push((
                "default_agent_group",
                "is empty; name an agent group or leave the key out".to_owned(),
            ));
        }
        if self.link_rc_statuses.is_empty() {
            found.push((
                "link_rc_statuses",
                "is empty, so no extension would be tied; set link_rc_extension = \"off\" for that"
                    .to_owned(),
            ));
        }
        found
    }
}

/// What membership of one identity provider group gives.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupMapping {
    /// The group: its `displayName`, `externalId` or SCIM id, in any case.
    #[serde(rename = "match")]
    pub matches: String,
    /// The agent group that its members belong to.
    #[serde(default)]
    pub agent_group: Option<String>,
    /// Which mapping decides for members of several groups: the lowest number wins.
    #[serde(default = "default_priority")]
    pub priority: i64,
    /// The kind of agent that its members are: `AGENT` or `SUPERVISOR`.
    #[serde(default)]
    pub agent_type: Option<MappedAgentType>,
    /// The roles that its members get.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// The ids of the rights documents that its members get.
    #[serde(default)]
    pub rights_docs: BTreeSet<i64>,
}

/// The priority of a mapping that names none.
pub const fn default_priority() -> i64 {
    100
}

/// The priority of a group that is linked to an agent group by nothing but its name.
pub const LINKED_BY_NAME: i64 = 1000;

impl GroupMapping {
    /// Whether this mapping speaks of the group with this name, external id and SCIM id.
    pub fn speaks_of(&self, display_name: &str, external_id: Option<&str>, id: &str) -> bool {
        let wanted = fold(&self.matches);
        wanted == fold(display_name) || external_id.is_some_and(|it| wanted == fold(it)) || wanted == fold(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_policy_holds_people_until_a_group_places_them() {
        let mut policy = Policy::default();
        assert_eq!(policy.persona_by_default(), Persona::None);
        policy.default_agent_group = Some("Default".to_owned());
        assert_eq!(policy.persona_by_default(), Persona::Agent);
        assert!(policy.check().is_empty());
    }

    #[test]
    fn a_template_with_an_unknown_placeholder_is_named() {
        let policy = Policy { username_template: "{user}@x".to_owned(), ..Policy::default() };
        assert_eq!(policy.check()[0].0, "username_template");
    }

    #[test]
    fn a_mapping_matches_by_name_external_id_or_id_in_any_case() {
        let mapping: GroupMapping = serde_json::from_str(r#"{"match":"Agents UK"}"#).unwrap();
        assert_eq!(mapping.priority, 100);
        assert!(mapping.speaks_of("AGENTS uk", None, "1"));
        assert!(mapping.speaks_of("x", Some("agents uk"), "1"));
        assert!(!mapping.speaks_of("Agents UK 2", None, "1"));
    }
}
