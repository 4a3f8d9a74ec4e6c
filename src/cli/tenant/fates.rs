//! What a rejection makes of each person, shown before it is done.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{columns, say};
use crate::domain::PersonId;
use crate::reconcile::{Passed, Rejection};

/// Everybody whom a rejection is about.
pub(super) struct Fates<'a> {
    /// Whose change is dropped.
    blocked: Vec<&'a PersonId>,
    /// Who gets access back.
    restored: Vec<&'a Passed>,
    /// Whose deletion was confirmed, and who is not named.
    deleted: Vec<&'a Passed>,
    /// Who is left as they are.
    left_out: Vec<&'a PersonId>,
}

impl<'a> Fates<'a> {
    /// Whether one person is `named` decides about the deleted.
    pub(super) fn of(rejection: &'a Rejection, named: bool, except: &BTreeSet<PersonId>) -> Self {
        let (mut restored, mut deleted) = (Vec::new(), Vec::new());
        for passed in rejection.passed.iter().filter(|it| !except.contains(&it.person)) {
            if passed.deleted && !named { deleted.push(passed) } else { restored.push(passed) }
        }
        let all = rejection.blocked.iter().chain(rejection.passed.iter().map(|it| &it.person));
        Self {
            blocked: rejection.blocked.iter().filter(|id| !except.contains(id)).collect(),
            restored,
            deleted,
            left_out: all.filter(|id| except.contains(id)).collect(),
        }
    }

    /// Whether there is anything to do.
    pub(super) fn any(&self) -> bool {
        !self.blocked.is_empty() || !self.restored.is_empty()
    }

    /// For who reads JSON.
    pub(super) fn report(&self) -> Value {
        let passed = |all: &[&Passed]| -> Value {
            all.iter().map(|it| json!({"person": it.person, "lost_at": it.at.to_string()})).collect()
        };
        json!({
            "dry_run": true, "rejected": self.blocked, "restored": passed(&self.restored),
            "stays_deleted": passed(&self.deleted), "except": self.left_out,
        })
    }

    /// One line for each person.
    pub(super) fn tell(&self) {
        let mut table = columns(["person", "lost access", "what is done"]);
        for id in &self.blocked {
            table.add_row([id.as_str(), "not yet", "the change is dropped"]);
        }
        for it in &self.restored {
            table.add_row([it.person.as_str(), &it.at.to_string(), "gets access back"]);
        }
        for it in &self.deleted {
            let what = "is deleted and stays so; `--person` gives it back";
            table.add_row([it.person.as_str(), &it.at.to_string(), what]);
        }
        for id in &self.left_out {
            table.add_row([id.as_str(), "", "is left as it is"]);
        }
        if !table.is_empty() {
            say(&table.to_string());
        }
    }
}
