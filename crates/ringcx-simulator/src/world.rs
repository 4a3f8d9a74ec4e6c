//! The state: accounts as RingCX holds them, under one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::control::Call;
use crate::faults::{Chaos, Fault};
use crate::knobs::Knobs;
use crate::limits::{Groups, Window};
use crate::seed::{SERVICE, Seed};

/// Collections of an agent that live beside it: a GET may show them as `null` although there is something in them.
pub(crate) const ASSOCIATIONS: [&str; 13] = [
    "dialGroupAssignments",
    "gateAssignments",
    "chatQueueAssignments",
    "agentAccountAccess",
    "agentGateAccess",
    "agentGateGroupAccess",
    "agentChatGroupAccess",
    "agentDialGroupMembers",
    "agentChatQueueAccesses",
    "accountAccess",
    "agentSkillProfiles",
    "agentLoadBalance",
    "agentLoadBalanceMembers",
];

/// Texts of an agent that are empty unless set.
const EMPTY: [&str; 20] = [
    "firstName",
    "lastName",
    "username",
    "defaultLoginDest",
    "manualOutboundDefaultCallerId",
    "email",
    "externalAgentId",
    "location",
    "team",
    "rcUserId",
    "parentAgentId",
    "altDefaultLoginDest",
    "directAgentExtension",
    "phoneLoginPin",
    "allowFromIpAddresses",
    "transientDeleteDate",
    "whereSupervisor",
    "manualOutboundDefaultGate",
    "phoneLoginDialGroup",
    "lastLoginDate",
];

/// Fields of an agent that are `null` unless set.
const UNSET: [&str; 22] = [
    "allowOutbound",
    "allowBlended",
    "allowChat",
    "allowExternalChat",
    "allowChatVoiceConcurrent",
    "allowOffHook",
    "allowManualIntlTransfer",
    "allowSelfAgentStats",
    "allowAgentReports",
    "allowManualIntlCalls",
    "allowInboundIntlTransfer",
    "allowLeadInserts",
    "allowAutoAnswer",
    "allowManualOutboundGates",
    "gatesControlAgentVisibility",
    "disableSupervisorMonitoring",
    "multiAccountAgent",
    "enableSoftphone",
    "transientAgent",
    "transientDelete",
    "loadBalanceEnabled",
    "userManagedByRC",
];

/// Flags of an agent that are off unless set.
const OFF: [&str; 21] = [
    "isActive",
    "active",
    "allowInbound",
    "allowLoginControl",
    "allowLoginUpdates",
    "allowCallControl",
    "allowHold",
    "allowTransfer",
    "allowHangup",
    "allowRequeue",
    "allowCrossGateRequeue",
    "allowCampStats",
    "allowGateStats",
    "allowAgentStats",
    "allowChatStats",
    "allowManualCalls",
    "defaultAutoAnswerOn",
    "showLeadHistory",
    "allowManualPass",
    "allowEndcallforeveryone",
    "allowHistoricalDialing",
];

/// One agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Agent {
    pub(crate) group: i64,
    pub(crate) fields: Map<String, Value>,
    pub(crate) associations: Map<String, Value>,
    pub(crate) password: Option<String>,
    pub(crate) deleted: bool,
}

impl Agent {
    /// The agent with its group, as tests look at it.
    pub(crate) fn whole(&self) -> Value {
        let mut whole = self.fields.clone();
        whole.insert("agentGroupId".to_owned(), json!(self.group));
        whole.extend(self.associations.clone());
        Value::Object(whole)
    }

    pub(crate) fn text(&self, field: &str) -> &str {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default()
    }
}

/// One agent group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) is_default: bool,
}

/// One rights document.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Doc {
    pub(crate) name: String,
    pub(crate) holders: BTreeSet<i64>,
    /// The administrator who has made it.
    #[serde(default = "service")]
    pub(crate) owner: i64,
    /// `accountPermissions`, `productPermissions` and `resourcePermissions`.
    #[serde(default)]
    pub(crate) permissions: Map<String, Value>,
    /// Whether it applies to the main account.
    #[serde(default)]
    pub(crate) is_master: bool,
}

/// The service administrator.
fn service() -> i64 {
    SERVICE
}

impl Doc {
    /// A document that lets its holders read agents.
    pub(crate) fn new(name: &str) -> Self {
        let permissions = json!({
            "accountPermissions": ["READ"], "resourcePermissions": [],
            "productPermissions": [{"product": "AGENT", "permissions": ["READ"], "cascade": false}],
        });
        Self {
            name: name.to_owned(),
            holders: BTreeSet::new(),
            owner: service(),
            permissions: crate::seed::object(permissions),
            is_master: false,
        }
    }
}

/// A token and its end, in milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) token: String,
    pub(crate) ends: i64,
}

/// Everything.
pub(crate) struct World {
    pub(crate) knobs: Knobs,
    pub(crate) seed: Seed,
    pub(crate) groups: BTreeMap<i64, Group>,
    pub(crate) agents: BTreeMap<i64, Agent>,
    pub(crate) admins: BTreeMap<i64, Map<String, Value>>,
    pub(crate) docs: BTreeMap<i64, Doc>,
    /// What a GET still shows of an agent, and until when.
    pub(crate) stale: BTreeMap<i64, (i64, Agent)>,
    /// From when on a new agent or administrator shows.
    pub(crate) newborn: BTreeMap<i64, i64>,
    pub(crate) penalty_until: i64,
    pub(crate) audit: Vec<(i64, Value)>,
    pub(crate) next_id: i64,
    pub(crate) platform: Vec<Token>,
    pub(crate) access: Vec<Token>,
    pub(crate) refresh: Vec<Token>,
    /// Permanent tokens, and the administrator whose they are.
    pub(crate) api_tokens: BTreeMap<String, i64>,
    /// The calls of the admin API that still count; under one name, or by token.
    pub(crate) admin_windows: BTreeMap<String, Window>,
    pub(crate) auth_window: Window,
    pub(crate) usage: Groups,
    /// RingCentral extensions, with the time from which the list shows them.
    pub(crate) extensions: Vec<(i64, Value)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) chaos: Chaos,
    pub(crate) forbidden: BTreeSet<String>,
    pub(crate) calls: Vec<Call>,
    /// What updates of agents have changed of their queues, dial groups, skills and accesses.
    pub(crate) membership_changes: Vec<Value>,
    /// Administrators to whom a mail with a link to choose a password has gone.
    pub(crate) reset_mails: Vec<i64>,
    pub(crate) clock_ahead_ms: i64,
    state_file: Option<PathBuf>,
}

/// What outlives the process.
#[derive(Serialize, Deserialize)]
struct Kept {
    groups: BTreeMap<i64, Group>,
    agents: BTreeMap<i64, Agent>,
    admins: BTreeMap<i64, Map<String, Value>>,
    docs: BTreeMap<i64, Doc>,
    next_id: i64,
}

impl World {
    pub(crate) fn new(knobs: Knobs, seed: Seed, state_file: Option<PathBuf>) -> std::io::Result<Self> {
        let mut world = Self {
            knobs,
            groups: BTreeMap::new(),
            agents: BTreeMap::new(),
            admins: BTreeMap::new(),
            docs: BTreeMap::new(),
            stale: BTreeMap::new(),
            newborn: BTreeMap::new(),
            penalty_until: 0,
            audit: Vec::new(),
            next_id: 20_000,
            platform: Vec::new(),
            access: Vec::new(),
            refresh: Vec::new(),
            api_tokens: BTreeMap::from([(seed.api_token.clone(), SERVICE)]),
            admin_windows: BTreeMap::new(),
            auth_window: Window::default(),
            usage: Groups::default(),
            extensions: seed.extensions.iter().map(|it| (0, it.clone())).collect(),
            faults: Vec::new(),
            chaos: Chaos::default(),
            forbidden: BTreeSet::new(),
            calls: Vec::new(),
            membership_changes: Vec::new(),
            reset_mails: Vec::new(),
            clock_ahead_ms: 0,
            state_file,
            seed,
        };
        match world.state_file.as_ref().filter(|path| path.exists()) {
            Some(path) => {
                let kept: Kept = serde_json::from_slice(&std::fs::read(path)?)?;
                (world.groups, world.agents, world.admins) = (kept.groups, kept.agents, kept.admins);
                (world.docs, world.next_id) = (kept.docs, kept.next_id);
            }
            None => world.sow(),
        }
        Ok(world)
    }

    /// Notes that an agent or administrator was made now.
    pub(crate) fn born(&mut self, id: i64) {
        let delay = i64::try_from(Knobs::number(&self.knobs.creation_delay_ms)).unwrap_or_default();
        self.newborn.insert(id, self.now() + delay);
    }

    /// Whether an agent or administrator shows yet.
    pub(crate) fn shows(&self, id: i64) -> bool {
        self.newborn.get(&id).is_none_or(|from| self.now() >= *from)
    }

    fn sow(&mut self) {
        let seed = self.seed.clone();
        for (id, name, is_default) in seed.groups {
            self.groups.insert(id, Group { name, is_default });
        }
        for (group, fields) in seed.agents {
            let id = fields.get("agentId").and_then(Value::as_i64).unwrap_or_else(|| self.fresh_id());
            let mut whole = Self::usual_agent(id);
            whole.extend(fields);
            self.agents.insert(
                id,
                Agent {
                    group,
                    fields: whole,
                    associations: self.usual_associations(),
                    password: Some("set-by-hand".to_owned()),
                    deleted: false,
                },
            );
        }
        for mut admin in seed.admins {
            let id = admin.get("userId").and_then(Value::as_i64).unwrap_or_else(|| self.fresh_id());
            admin.insert("userId".to_owned(), json!(id));
            admin.entry("enabled").or_insert(json!(true));
            admin.entry("roles").or_insert(json!([]));
            admin.entry("rootUser").or_insert(json!(false));
            admin.entry("parentPath").or_insert(json!(format!("100.{id}")));
            self.admins.insert(id, admin);
        }
        for (id, name, is_master) in seed.docs {
            self.docs.insert(id, Doc { is_master, ..Doc::new(&name) });
        }
    }

    /// Writes the state where it outlives the process.
    pub(crate) fn keep(&self) {
        let Some(path) = &self.state_file else { return };
        let kept = Kept {
            groups: self.groups.clone(),
            agents: self.agents.clone(),
            admins: self.admins.clone(),
            docs: self.docs.clone(),
            next_id: self.next_id,
        };
        // A laptop's tool: when the disk is full, the next start begins with the seed.
        let Ok(text) = serde_json::to_vec(&kept) else { return };
        let beside = path.with_extension("new");
        if std::fs::write(&beside, text).is_ok() {
            drop(std::fs::rename(&beside, path));
        }
    }

    /// The time in milliseconds, on a clock that tests move.
    pub(crate) fn now(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the simulator has a clock of its own")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or_default() + self.clock_ahead_ms
    }

    /// The header `Date`, where the clock of this RingCX is another one than the machine's.
    pub(crate) fn date(&self) -> Option<String> {
        let now = jiff::Timestamp::from_millisecond(self.now()).ok().filter(|_| self.clock_ahead_ms != 0)?;
        jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()
    }

    /// A date as an answer has it.
    pub(crate) fn date_value(&self, date: &Value) -> Value {
        let Some(text) = date.as_str().filter(|_| self.knobs.dates == "joda") else { return date.clone() };
        let at = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", text).and_then(|it| it.to_timestamp());
        at.map_or_else(|_| date.clone(), |at| json!({"millis": at.as_millisecond(), "zone": {"id": "UTC"}}))
    }

    pub(crate) fn fresh_id(&mut self) -> i64 {
        self.next_id += 1;
        self.next_id
    }

    /// The default group, in which the portal would put somebody.
    pub(crate) fn aux_states() -> Vec<(i64, &'static str, &'static str, bool)> {
        vec![
            (11786, "AVAILABLE", "AVAILABLE", true),
            (11787, "LUNCH", "AWAY", true),
            (11788, "TRAINING", "AWAY", true),
            (11789, "RETIRED", "AWAY", false),
        ]
    }

    /// Every field of an agent with its usual value.
    pub(crate) fn usual_agent(id: i64) -> Map<String, Value> {
        let mut agent = Map::new();
        let mut set = |name: &str, value: Value| agent.insert(name.to_owned(), value);
        set("agentId", json!(id));
        for name in EMPTY {
            set(name, Value::Null);
        }
        for name in UNSET {
            set(name, json!(false));
        }
        for name in OFF {
            set(name, json!(true));
        }
        set("agentType", json!("AGENT"));
        set("agentRank", json!(0));
        set("maxChats", json!(5));
        set("softphoneId", json!(0));
        set("initLoginBaseState", json!("AVAILABLE"));
        set("initLoginBaseStateId", json!(11786));
        set("ghostRnaAction", json!("AVAILABLE"));
        set("allowDirectAgentTransfer", json!("DIRECT_TRANSFER_DISABLED"));
        set("whereSupervisee", json!([]));
        set("permissions", json!([]));
        set("createdOn", json!("2026-01-01T00:00:00.000+0000"));
        agent
    }

    /// Where a new agent belongs from the start.
    pub(crate) fn usual_associations(&self) -> Map<String, Value> {
        let usual =
            json!({"gateAssignments": [8101], "dialGroupAssignments": [7001], "agentSkillProfiles": [3]});
        if self.knobs.agents_in_queues == "yes" { crate::seed::object(usual) } else { Map::new() }
    }

    /// Writes an audit record, visible after its delay.
    pub(crate) fn record(&mut self, action: &str, class: &str, id: i64) {
        self.record_by(SERVICE, action, class, id);
    }

    /// Writes an audit record of what somebody did.
    pub(crate) fn record_by(&mut self, user: i64, action: &str, class: &str, id: i64) {
        let at = self.now();
        self.audit.push((at, json!({
            "id": format!("{at}-{id}-{}", self.audit.len()), "actionType": action, "auditedClass": format!("com.virtualacd.{class}"),
            "auditedEntityId": id.to_string(), "accountId": self.seed.account_id, "createTime": at,
            "authUser": {"userId": user}, "auditLogResultList": [],
        })));
    }

    /// Everything that is not a secret.
    pub(crate) fn view(&self) -> Value {
        let agents: Vec<Value> = self
            .agents
            .values()
            .map(|agent| {
                let mut whole = agent.whole();
                if let Some(object) = whole.as_object_mut() {
                    let group = self.groups.get(&agent.group).map(|group| group.name.clone());
                    object.insert("agentGroupName".to_owned(), json!(group));
                    object.insert("deleted".to_owned(), json!(agent.deleted));
                }
                whole
            })
            .collect();
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|(id, group)| json!({"agentGroupId": id, "groupName": group.name, "isDefault": group.is_default}))
            .collect();
        let docs: Vec<Value> = self
            .docs
            .iter()
            .map(|(id, doc)| json!({"rightsDocId": id, "rightsDocName": doc.name, "ownerId": doc.owner, "userIds": doc.holders}))
            .collect();
        let admins: Vec<Value> = self.admins.values().cloned().map(Value::Object).collect();
        json!({
            "account_id": self.seed.account_id, "agent_groups": groups, "agents": agents, "admins": admins, "rights_docs": docs,
        })
    }
}
