//! Fingerprints of what a person ought to have: when one is the same as at the last success, RingCX need not be asked.

use sha2::{Digest, Sha256};

use crate::domain::desired::Desired;
use crate::domain::link::Link;
use crate::domain::policy::{Policy, Rename};
use crate::hex::hex;

/// The fingerprints of the two personas; none where there is nothing to do and nothing to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) agent: Option<String>,
    pub(super) admin: Option<String>,
}

/// The fingerprints of `desired` for a person with these accounts.
pub(super) fn of(desired: &Desired, link: &Link, policy: &Policy) -> Digests {
    let agent = desired.agent.as_ref().filter(|_| desired.active);
    let agent = match (agent, &link.agent) {
        (None, None) => None,
        (None, Some(_)) => Some(off(desired)),
        // Held: without a group there is nothing to create.
        (Some(wanted), None) if wanted.group.is_none() => None,
        (Some(wanted), linked) => {
            let mut wanted = wanted.clone();
            if let Some(linked) = linked {
                // Without a group that decides, an agent stays where it is.
                wanted.group = wanted.group.or(Some(linked.id.group));
                // Whoever waits for an extension is looked at when it appears, and a login name that is kept does not matter any
                // more.
                wanted.lookup_email = None;
                // An agent that is not ours to change keeps its key; the client's is stored.
                if linked.found.read_only.is_some() {
                    wanted.external_agent_id = None;
                }
                if policy.rename_policy != Rename::Follow {
                    wanted.login.clear();
                }
            }
            Some(sum(&format!("{wanted:?}")))
        }
    };
    let admin = match (desired.admin.as_ref().filter(|_| desired.active), &link.admin) {
        (None, None) => None,
        // Not ours to switch off while its person may work; whoever leaves is another matter.
        (None, Some(linked)) if desired.active && !(linked.ours && policy.manage_admins) => {
            Some("left".to_owned())
        }
        (None, Some(_)) => Some(off(desired)),
        (Some(wanted), linked) => {
            let mut wanted = wanted.clone();
            if linked.is_some() && policy.admin_rename_policy != Rename::Follow {
                wanted.user_name.clear();
            }
            Some(sum(&format!("{wanted:?}")))
        }
    };
    Digests { agent, admin }
}

fn off(desired: &Desired) -> String {
    if desired.deleted { "deleted" } else { "off" }.to_owned()
}

/// Sixteen bytes in hex: personal data must not be readable from it, and two wishes must not collide.
fn sum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).first_chunk::<16>().map(|bytes| hex(bytes)).unwrap_or_default()
}
