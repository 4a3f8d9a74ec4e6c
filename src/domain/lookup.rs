//! What a client or a tenant calls by name and RingCX by id: the states of agents, dial groups, queues.

use super::desired::{Assignables, Directory};
use super::fold;
use super::policy::Policy;
use crate::upstream::model::AuxState;

/// How many names a refusal lists.
const SHOWN: usize = 20;

/// An attribute whose value names something that agents are assigned to.
#[derive(Clone, Copy)]
pub(super) struct Assigned {
    /// The attribute of the RingCX extension.
    pub(super) attribute: &'static str,
    /// The field of RingCX's agent.
    pub(super) field: &'static str,
    kind: &'static str,
    list: &'static str,
}

/// The two attributes of that kind.
pub(super) const ASSIGNED: [Assigned; 2] = [
    Assigned {
        attribute: "defaultDialGroup",
        field: "phoneLoginDialGroup",
        kind: "dial group",
        list: "dial-groups",
    },
    Assigned {
        attribute: "manualOutboundQueue",
        field: "manualOutboundDefaultGate",
        kind: "queue",
        list: "queues",
    },
];

impl Assigned {
    /// The id that a name or an id means in this account.
    ///
    /// # Errors
    /// A sentence that says why there is none, beginning with `subject`.
    pub(super) fn id(
        self,
        subject: &str,
        text: &str,
        policy: &Policy,
        directory: &Directory,
    ) -> Result<i64, String> {
        let Self { kind, list, .. } = self;
        if policy.assignment_shape.is_none() {
            return Err(format!(
                "{subject} is not written by this tenant, since RingCX does not document how; set assignment_shape to \
                 \"objects\" or \"ids\" in the tenant's policy first."
            ));
        }
        let nothing = Assignables::default();
        let known = directory.assignables.as_ref().unwrap_or(&nothing);
        let all: Vec<(i64, &str)> = if self.field == "phoneLoginDialGroup" {
            known.dial_groups.iter().map(|group| (group.id, group.name.as_str())).collect()
        } else {
            known.queues.iter().map(|queue| (queue.id, queue.name.as_str())).collect()
        };
        let wanted = fold(text);
        let mut named = all.iter().filter(|(_, name)| fold(name) == wanted);
        match (named.next(), named.next()) {
            (Some((id, _)), None) => Ok(*id),
            (Some(_), Some(_)) => Err(format!(
                "{subject} \"{text}\" names more than one {kind} of this RingCX account; use its id, as \
                 `ringcx-scim list {list}` shows it."
            )),
            (None, _) => {
                let id = text.trim().parse().ok().filter(|id| all.iter().any(|(each, _)| each == id));
                id.ok_or_else(|| {
                    let shown = all.iter().take(SHOWN).map(|(id, name)| format!("{name} ({id})"));
                    let choice = choice(&shown.collect::<Vec<_>>(), all.len(), list);
                    format!("{subject} \"{text}\" is not a {kind} of this RingCX account; {choice}")
                })
            }
        }
    }
}

/// The state of the account that a label means, in any case.
///
/// # Errors
/// A sentence that names the labels that there are, beginning with `subject`.
pub(super) fn state<'a>(subject: &str, label: &str, states: &'a [AuxState]) -> Result<&'a AuxState, String> {
    super::mapping::aux_state(label, states).ok_or_else(|| {
        let known: Vec<String> =
            states.iter().filter(|it| it.active).map(|it| it.name.clone()).take(SHOWN).collect();
        let choice = choice(&known, states.iter().filter(|it| it.active).count(), "aux-states");
        format!("{subject} \"{label}\" is not a state of this RingCX account; {choice}")
    })
}

fn choice(shown: &[String], all: usize, list: &str) -> String {
    match all.saturating_sub(shown.len()) {
        0 if shown.is_empty() => "the bridge's account can read none.".to_owned(),
        0 => format!("use one of {}.", shown.join(", ")),
        more => format!(
            "use one of {} and {more} more, as `ringcx-scim list {list}` shows them.",
            shown.join(", ")
        ),
    }
}
