//! The look inside: what the simulator holds, which calls it saw, and trouble on request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::faults::{Chaos, Fault};
use crate::knobs::Knobs;
use crate::seed::SERVICE;
use crate::world::{Group, World};

/// One call that the simulator saw.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Its place in the order of calls.
    pub seq: usize,
    /// When it was answered, in milliseconds since 1970.
    pub at: i64,
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query, as sent.
    pub query: String,
    /// Its name, as in [`crate::operations`].
    pub operation: String,
    /// The status of the answer; 0 when the connection was dropped.
    pub status: u16,
    /// The body, without secrets.
    pub body: Value,
    /// Whether it did what it was to do.
    pub applied: bool,
}

/// A handle to the state of a running simulator. Cheap to clone.
#[derive(Clone)]
pub struct Control(Arc<Mutex<World>>);

impl Control {
    pub(crate) fn new(world: Arc<Mutex<World>>) -> Self {
        Self(world)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agents that are there, whole, with `agentGroupId`.
    pub fn agents(&self) -> Vec<Value> {
        self.world().agents.values().filter(|agent| !agent.deleted).map(crate::world::Agent::whole).collect()
    }

    /// The agents that were deleted and left something.
    pub fn deleted_agents(&self) -> Vec<Value> {
        self.world().agents.values().filter(|agent| agent.deleted).map(crate::world::Agent::whole).collect()
    }

    /// One agent.
    pub fn agent(&self, id: i64) -> Option<Value> {
        self.world().agents.get(&id).filter(|agent| !agent.deleted).map(crate::world::Agent::whole)
    }

    /// The password with which an agent logs in.
    pub fn password(&self, id: i64) -> Option<String> {
        self.world().agents.get(&id)?.password.clone()
    }

    /// The names of the agent groups by id.
    pub fn agent_groups(&self) -> Vec<(i64, String)> {
        self.world().groups.iter().map(|(id, group)| (*id, group.name.clone())).collect()
    }

    /// The administrators, whole.
    pub fn admins(&self) -> Vec<Value> {
        self.world().admins.values().cloned().map(Value::Object).collect()
    }

    /// The administrator of a login name.
    pub fn admin_named(&self, user_name: &str) -> Option<Value> {
        let named = |admin: &Value| {
            admin.get("userName").and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case(user_name))
        };
        self.admins().into_iter().find(named)
    }

    /// Who has a rights document.
    pub fn assignments(&self, doc: i64) -> Vec<i64> {
        self.world().docs.get(&doc).map(|doc| doc.holders.iter().copied().collect()).unwrap_or_default()
    }

    /// Queue, dial-group and skill membership of an agent.
    pub fn associations(&self, agent: i64) -> Value {
        self.world()
            .agents
            .get(&agent)
            .map(|agent| Value::Object(agent.associations.clone()))
            .unwrap_or_default()
    }

    /// What updates of agents have changed of their queues, dial groups, skills and accesses: `agentId`, `before`, `after`.
    pub fn membership_changes(&self) -> Vec<Value> {
        self.world().membership_changes.clone()
    }

    /// Gives an agent a queue, a dial group or a skill, as a floor manager would.
    pub fn associate(&self, agent: i64, field: &str, value: Value) {
        if let Some(agent) = self.world().agents.get_mut(&agent) {
            agent.associations.insert(field.to_owned(), value);
        }
    }

    /// Changes an agent by hand.
    pub fn edit_agent(&self, id: i64, edit: impl FnOnce(&mut Map<String, Value>)) {
        if let Some(agent) = self.world().agents.get_mut(&id) {
            edit(&mut agent.fields);
        }
    }

    /// Hides agents and administrators for so long from now on, as if they were not there.
    pub fn hide(&self, ids: &[i64], length: Duration) {
        let mut world = self.world();
        let until = world.now() + i64::try_from(length.as_millis()).unwrap_or_default();
        world.newborn.extend(ids.iter().map(|id| (*id, until)));
    }

    /// Makes an agent by hand; its id.
    pub fn add_agent(&self, group: i64, fields: Value) -> i64 {
        let mut world = self.world();
        let id = world.fresh_id();
        let associations = world.usual_associations();
        let mut made = crate::world::World::usual_agent(id);
        made.extend(crate::seed::object(fields));
        world.agents.insert(
            id,
            crate::world::Agent { group, fields: made, associations, password: None, deleted: false },
        );
        id
    }

    /// Writes into the audit log that an administrator has changed an agent.
    pub fn audit(&self, user: i64, agent: i64) {
        self.world().record_by(user, "UPDATE", "Agent", agent);
    }

    /// Makes an agent group by hand.
    pub fn add_group(&self, id: i64, name: &str) {
        let group = crate::world::Group { name: name.to_owned(), is_default: false };
        self.world().groups.insert(id, group);
    }

    /// Adds a RingCentral extension; it shows in the list after the knob `extension_delay_s`.
    ///
    /// # Errors
    /// When another one has the e-mail address as its login name: only then addresses are unique.
    pub fn add_extension(&self, fields: Value) -> Result<(), String> {
        let mut world = self.world();
        let new = crate::seed::usual_extension(fields, 101 + world.extensions.len());
        let is_login = |it: &Value| it.pointer("/contact/emailAsLoginName") == Some(&Value::Bool(true));
        let email = |it: &Value| {
            let email = it.pointer("/contact/email").and_then(Value::as_str);
            email.unwrap_or_default().to_ascii_lowercase()
        };
        if world.extensions.iter().any(|(_, it)| is_login(it) && is_login(&new) && email(it) == email(&new)) {
            return Err("is the login name of another extension".to_owned());
        }
        let delay = i64::try_from(Knobs::number(&world.knobs.extension_delay_s)).unwrap_or_default();
        let from = world.now() + delay * 1000;
        world.extensions.push((from, new));
        Ok(())
    }

    /// Changes a RingCentral extension by hand.
    pub fn edit_extension(&self, id: i64, edit: impl FnOnce(&mut Value)) {
        if let Some((_, extension)) = self
            .world()
            .extensions
            .iter_mut()
            .find(|(_, it)| it.get("id").and_then(Value::as_i64) == Some(id))
        {
            edit(extension);
        }
    }

    /// Moves an agent to another group by hand.
    pub fn move_agent(&self, id: i64, group: i64) {
        if let Some(agent) = self.world().agents.get_mut(&id) {
            agent.group = group;
        }
    }

    /// Makes an agent group by hand.
    pub fn make_group(&self, id: i64, name: &str) {
        self.world().groups.insert(id, Group { name: name.to_owned(), is_default: false });
    }

    /// Takes an agent group out by hand.
    pub fn remove_group(&self, id: i64) {
        self.world().groups.remove(&id);
    }

    /// Takes an agent away by hand.
    pub fn remove_agent(&self, id: i64) {
        self.world().agents.remove(&id);
    }

    /// Changes an administrator by hand.
    pub fn edit_admin(&self, id: i64, edit: impl FnOnce(&mut Map<String, Value>)) {
        if let Some(admin) = self.world().admins.get_mut(&id) {
            edit(admin);
        }
    }

    /// Gives somebody a rights document by hand.
    pub fn assign(&self, doc: i64, user: i64) {
        if let Some(doc) = self.world().docs.get_mut(&doc) {
            doc.holders.insert(user);
        }
    }

    /// Makes an administrator by hand; its id.
    pub fn add_admin(&self, fields: Value) -> i64 {
        let mut world = self.world();
        let mut admin = crate::seed::object(fields);
        let id = admin.get("userId").and_then(Value::as_i64).unwrap_or_else(|| world.fresh_id());
        admin.insert("userId".to_owned(), id.into());
        for (name, usual) in
            [("enabled", true.into()), ("roles", Value::Array(Vec::new())), ("rootUser", false.into())]
        {
            admin.entry(name).or_insert(usual);
        }
        admin.entry("parentPath").or_insert(format!("{SERVICE}.{id}").into());
        world.admins.insert(id, admin);
        id
    }

    /// Gives a rights document to another owner, with these permissions.
    pub fn edit_doc(&self, doc: i64, owner: i64, permissions: Value) {
        if let Some(doc) = self.world().docs.get_mut(&doc) {
            doc.owner = owner;
            doc.permissions.extend(crate::seed::object(permissions));
        }
    }

    /// Makes a rights document by hand, in place of one with this id.
    pub fn add_doc(&self, id: i64, name: &str, is_master: bool) {
        self.world().docs.insert(id, crate::world::Doc { is_master, ..crate::world::Doc::new(name) });
    }

    /// Takes a rights document away by hand.
    pub fn remove_doc(&self, doc: i64) {
        self.world().docs.remove(&doc);
    }

    /// The ids of the rights documents that are there.
    pub fn docs(&self) -> Vec<i64> {
        self.world().docs.keys().copied().collect()
    }

    /// Administrators to whom a mail with a link to choose a password has gone.
    pub fn reset_mails(&self) -> Vec<i64> {
        self.world().reset_mails.clone()
    }

    /// Takes a permission from the service administrator: every operation with this name is refused with 403.
    pub fn forbid(&self, operation: &str) {
        self.world().forbidden.insert(operation.to_owned());
    }

    /// Gives back what [`Control::forbid`] took.
    pub fn permit(&self, operation: &str) {
        self.world().forbidden.remove(operation);
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.world().calls.clone()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.world().calls.clear();
    }

    /// How many calls of an operation there were.
    pub fn count(&self, operation: &str) -> usize {
        self.world().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.world().faults.push(fault);
    }

    /// How many faults still wait for their calls.
    pub fn faults_left(&self) -> usize {
        self.world().faults.len()
    }

    /// Lets things go wrong at random.
    pub fn chaos(&self, chaos: Chaos) {
        self.world().chaos = chaos;
    }

    /// Lets nothing go wrong any more.
    pub fn clear_faults(&self) {
        self.world().faults.clear();
        self.world().chaos = Chaos::default();
    }

    /// Changes an answer to an open question.
    ///
    /// # Errors
    /// A sentence that names the knob, or the answers that it takes.
    pub fn set(&self, knob: &str, value: &str) -> Result<(), String> {
        self.world().knobs.set(knob, value)
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.world().clock_ahead_ms += i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
    }

    /// The permanent tokens of the service administrator.
    pub fn api_tokens(&self) -> Vec<String> {
        let world = self.world();
        let own = world.api_tokens.iter().filter(|(_, whose)| **whose == SERVICE);
        own.map(|(token, _)| token.clone()).collect()
    }

    /// Gives an administrator a permanent token, as the portal does.
    pub fn give_api_token(&self, user: i64, token: &str) {
        self.world().api_tokens.insert(token.to_owned(), user);
    }

    /// Lets every token expire.
    pub fn expire_tokens(&self) {
        self.world().access.clear();
    }

    /// Everything that is not a secret, as one object.
    pub fn state(&self) -> Value {
        self.world().view()
    }
}
