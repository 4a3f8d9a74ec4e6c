//! The rows of agents.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AccountRef, Action, AgentAccount, Choice, Class, Facts, Person, Row, Target, keep_buried, leave_out,
    refuse_elsewhere, refuse_shared_people,
};
use crate::domain::found::read_only;
use crate::domain::person::{self, is_address};
use crate::domain::{PersonId, fold};
use crate::upstream::model::AgentId;

/// By what a person was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Extension,
    ExternalId,
    Name,
    Email,
}

impl Key {
    const fn words(self) -> &'static str {
        match self {
            Self::Extension => "the same RingCentral extension (rcUserId)",
            Self::ExternalId => "externalAgentId equal to externalId",
            Self::Name => "the same user name",
            Self::Email => "the same e-mail address and another user name",
        }
    }
}

/// People by everything that an agent can have in common with them.
struct People<'a> {
    by_id: BTreeMap<&'a PersonId, &'a Person>,
    by_agent: BTreeMap<AgentId, &'a Person>,
    by_extension: BTreeMap<i64, Vec<&'a Person>>,
    by_external_id: BTreeMap<&'a str, Vec<&'a Person>>,
    by_login: BTreeMap<String, Vec<&'a Person>>,
    by_email: BTreeMap<String, Vec<&'a Person>>,
    names: BTreeMap<String, &'a Person>,
}

impl<'a> People<'a> {
    fn of(facts: &Facts<'a>) -> Self {
        let mut all = Self {
            by_id: BTreeMap::new(),
            by_agent: BTreeMap::new(),
            by_extension: BTreeMap::new(),
            by_external_id: BTreeMap::new(),
            by_login: BTreeMap::new(),
            by_email: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        for person in facts.people {
            all.by_id.insert(&person.id, person);
            if let Some(agent) = person.agent {
                all.by_agent.insert(agent, person);
            }
            if let Some(extension) = person.extension {
                all.by_extension.entry(extension).or_default().push(person);
            }
            if let Some(external_id) = &person.external_id {
                all.by_external_id.entry(external_id).or_default().push(person);
            }
            let name = fold(&person.user_name);
            let login =
                person::login_name(&facts.policy.username_template, &person.user_name, facts.account_id);
            let logins = BTreeSet::from([name.clone(), fold(&login)]);
            for login in logins {
                all.by_login.entry(login).or_default().push(person);
            }
            let emails: BTreeSet<String> = person.emails.iter().cloned().chain([name.clone()]).collect();
            for email in emails {
                all.by_email.entry(email).or_default().push(person);
            }
            all.names.insert(name, person);
        }
        all
    }

    /// Whom the first key that hits anybody hits. Those who share nothing but an address with an agent of somebody else's are
    /// no candidates.
    fn candidates(&self, account: &AgentAccount, account_id: &str) -> Option<(Key, Vec<&'a Person>)> {
        let agent = &account.agent;
        let extension = agent.rc_user_id().and_then(|id| self.by_extension.get(&id.0));
        let external = agent.external_agent_id().filter(|id| !id.is_empty());
        let external = external.and_then(|id| self.by_external_id.get(id));
        let login = agent.username().unwrap_or_default();
        let original = person::original_login(login, account_id);
        let named = [Some(login), original.as_deref()].into_iter().flatten();
        let named = named.filter_map(|name| self.by_login.get(&fold(name))).flatten();
        let mut named: Vec<&Person> = named.copied().collect();
        named.sort_by(|left, right| left.id.cmp(&right.id));
        named.dedup_by(|left, right| left.id == right.id);
        let email = agent.email().and_then(|email| self.by_email.get(&fold(email)));
        let email: Vec<&Person> =
            email.into_iter().flatten().filter(|person| person.agent.is_none()).copied().collect();
        let steps = [
            (Key::Extension, extension.cloned().unwrap_or_default()),
            (Key::ExternalId, external.cloned().unwrap_or_default()),
            (Key::Name, named),
            (Key::Email, email),
        ];
        steps.into_iter().find(|(_, found)| !found.is_empty())
    }
}

/// One row for each agent, by id.
pub(super) fn rows(facts: &Facts<'_>) -> Vec<Row> {
    let people = People::of(facts);
    let addresses = addresses(facts);
    let mut accounts: Vec<&AgentAccount> = facts.agents.iter().collect();
    accounts.sort_by_key(|account| account.id);
    let mut rows: Vec<Row> =
        accounts.iter().map(|account| row(facts, &people, &addresses, account)).collect();
    refuse_shared_people(&mut rows, "agents");
    refuse_equal_names(&mut rows);
    rows
}

/// How many agents show an address. An agent without one shows its login name where that is an address.
fn addresses(facts: &Facts<'_>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for account in facts.agents {
        if let Some(address) = crate::domain::found::address_of(&account.agent) {
            *counts.entry(fold(address)).or_default() += 1;
        }
    }
    counts
}

fn row(
    facts: &Facts<'_>,
    people: &People<'_>,
    addresses: &BTreeMap<String, usize>,
    account: &AgentAccount,
) -> Row {
    let agent = &account.agent;
    let login = agent.username().unwrap_or_default().to_owned();
    let mut row = Row {
        account: AccountRef::Agent(account.id),
        login,
        group: Some(account.group),
        active: agent.is_active(),
        class: Class::New,
        action: Action::Nothing,
        people: Vec::new(),
        decided: false,
        why: String::new(),
    };
    if let Some(owner) = people.by_agent.get(&account.id) {
        row.class = Class::Linked;
        row.people = vec![Target::Person(owner.id.clone())];
        row.why = format!("belongs to person {}", owner.id);
        return row;
    }
    if facts.policy.protects(account.id.0, &row.login) {
        row.class = Class::Protected;
        "named in the setting protected".clone_into(&mut row.why);
        return row;
    }
    if let Some(owner) = facts.graves.get(&row.account) {
        keep_buried(&mut row, owner);
        return row;
    }
    if facts.elsewhere.contains(&row.account) {
        refuse_elsewhere(facts, &mut row);
        return row;
    }
    match people.candidates(account, facts.account_id) {
        Some((key, found)) => match_people(&mut row, key, &found),
        None => make(&mut row, people, addresses, account),
    }
    decide(&mut row, facts, people, addresses, account);
    row
}

/// People here could be the owner.
fn match_people(row: &mut Row, key: Key, found: &[&Person]) {
    row.people = found.iter().map(|person| Target::Person(person.id.clone())).collect();
    row.action = Action::Ask;
    row.class = Class::Conflict;
    let [person] = found else {
        row.why = format!("several people have {}", key.words());
        return;
    };
    if let Some(other) = person.agent {
        row.why = format!("person {} has {}, and agent {other} already", person.id, key.words());
        return;
    }
    row.class = Class::Candidate;
    row.why = format!("person {} has {}", person.id, key.words());
    if key == Key::Email {
        row.why.push_str("; that alone is no proof");
    } else if row.active {
        row.action = Action::Link(Target::Person(person.id.clone()));
    } else {
        row.why.push_str("; the agent is switched off");
    }
}

/// Nobody is: the account becomes a person.
fn make(row: &mut Row, people: &People<'_>, addresses: &BTreeMap<String, usize>, account: &AgentAccount) {
    let agent = &account.agent;
    let (name, mut why) = user_name(agent.email(), &row.login, people, addresses);
    if let Some(reason) = read_only(agent) {
        row.class = Class::ReadOnly;
        why = reason;
    } else if agent.user_managed_by_rc() {
        row.class = Class::ManagedByRingcentral;
        "RingCentral maintains its name, address and login".clone_into(&mut why);
    } else {
        row.class = Class::New;
    }
    row.why = why;
    if name.is_empty() {
        row.class = Class::Conflict;
        row.action = Action::Ask;
        "has neither a login name nor an address of its own".clone_into(&mut row.why);
    } else if let Some(holder) = people.names.get(&fold(&name)) {
        row.class = Class::Conflict;
        row.action = Action::Ask;
        row.people = vec![Target::Person(holder.id.clone())];
        row.why = format!("person {} has the user name {name}, and another agent or none", holder.id);
    } else {
        row.action = Action::Create { user_name: name };
    }
}

/// The e-mail address where it is one and nobody else's, else the login name, so that a client that matches by the name of its
/// directory finds the person. With the reason.
fn user_name(
    email: Option<&str>,
    login: &str,
    people: &People<'_>,
    addresses: &BTreeMap<String, usize>,
) -> (String, String) {
    let Some(email) = email.map(str::trim).filter(|email| !email.is_empty()) else {
        return (login.to_owned(), String::new());
    };
    let key = fold(email);
    let why = if !is_address(email) {
        "its e-mail is no address, so its login name is the user name"
    } else if addresses.get(&key).is_some_and(|count| *count > 1) || people.names.contains_key(&key) {
        "shares its e-mail address, so its login name is the user name"
    } else {
        return (email.to_owned(), String::new());
    };
    (login.to_owned(), why.to_owned())
}

/// What a person has decided takes the place of what the rules say.
fn decide(
    row: &mut Row,
    facts: &Facts<'_>,
    people: &People<'_>,
    addresses: &BTreeMap<String, usize>,
    account: &AgentAccount,
) {
    let Some(decision) = facts.decisions.get(&row.account) else { return };
    match &decision.choice {
        Choice::Ask => return,
        Choice::Skip => leave_out(row),
        Choice::New => {
            make(row, people, addresses, account);
            if row.action == Action::Ask {
                // It cannot become one: the name has been taken since.
                return;
            }
            let reason = if row.why.is_empty() { String::new() } else { format!("; {}", row.why) };
            row.why = format!("becomes a person by decision{reason}");
        }
        Choice::Link(target) => {
            let free = match target {
                Target::Person(id) => people.by_id.get(id).is_some_and(|person| person.agent.is_none()),
                Target::OwnerOf(_) => false,
            };
            if !free {
                // Decided in an earlier run, and the person is gone or has another agent by now.
                return;
            }
            row.class = Class::Candidate;
            row.people = vec![target.clone()];
            row.action = Action::Link(target.clone());
            row.why = format!("linked to {target} by decision");
        }
    }
    row.decided = true;
}

/// User names are unique, in any case: of several agents with one name none is imported until a person decides.
fn refuse_equal_names(rows: &mut [Row]) {
    let mut named: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let Action::Create { user_name } = &row.action {
            named.entry(fold(user_name)).or_default().push(at);
        }
    }
    for places in named.into_values().filter(|places| places.len() > 1) {
        let decided = places.iter().filter(|at| rows.get(**at).is_some_and(|row| row.decided)).count();
        let ids: Vec<String> =
            places.iter().filter_map(|at| rows.get(*at)).map(|row| row.account.to_string()).collect();
        for at in places {
            let Some(row) = rows.get_mut(at).filter(|row| decided != 1 || !row.decided) else { continue };
            row.class = Class::Conflict;
            row.action = Action::Ask;
            row.why = format!("{} would have one user name (case does not count)", ids.join(", "));
        }
    }
}
