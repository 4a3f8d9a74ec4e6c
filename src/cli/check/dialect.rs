//! What is known of how this RingCX speaks: the questions that its documents leave open, and the answers so far.

use super::{Patient, Report};
use crate::store::facts;

/// The questions: the fact under which an answer is remembered, what is asked, and what the bridge does without an answer.
pub(super) const QUESTIONS: [(&str, &str, &str); 11] = [
    (
        "move_strategy",
        "how an agent is moved to another group",
        "each way in turn, each looked at afterwards",
    ),
    (
        "assignment_mode",
        "whether assigning a rights document replaces its holders",
        "holders are read before and after",
    ),
    ("wfo_access", "whether the integration listing can be read", "it is tried once"),
    ("put_mode", "whether a PUT clears what it leaves out", "the whole object is sent back"),
    ("password_echo", "whether a GET shows a password", "passwords are cut out of what is sent back"),
    ("agent_conflict", "how a taken login name is refused", "any status that names the login name counts"),
    ("username_rewrite", "whether login names are rewritten", "what RingCX answers is kept"),
    ("list_includes_inactive", "whether lists show who is switched off", "absence from a list means nothing"),
    ("list_fields", "what lists show of an agent", "nothing but names, group and state is taken from lists"),
    (
        "group_path_check",
        "whether the group in an agent's path must be its own",
        "other groups are tried before \"gone\"",
    ),
    ("delete_missing", "how deleting what is gone is answered", "a look decides"),
];

/// What only use finds out.
const USED: [&str; 3] = ["move_strategy", "assignment_mode", "wfo_access"];

/// A line for each question, and one that says how those without an answer get one.
pub(super) async fn report(patient: &Patient<'_>, report: &mut Report) {
    let policy = &patient.settings.policy;
    let mut open = Vec::new();
    for (fact, question, otherwise) in QUESTIONS {
        let chosen = match fact {
            "move_strategy" => Some(policy.move_strategy.as_str()).filter(|word| *word != "auto"),
            "assignment_mode" => Some(policy.assignment_mode.as_str()).filter(|word| *word != "auto"),
            _ => None,
        };
        let of = patient.id.clone();
        let learned = patient.store.read(move |tx| facts::get(tx, &of, fact)).await.ok().flatten();
        let detail = match (chosen, learned) {
            (Some(word), _) => format!("{question}: {word}, as configured"),
            (None, Some(word)) => format!("{question}: {word}, as learned"),
            (None, None) => {
                open.push(fact);
                format!("{question}: not known yet; {otherwise}")
            }
        };
        report.ok("dialect", detail);
    }
    // How agents move and what documents do takes a second group and holders of a document: only use finds out.
    let (by_use, by_probe): (Vec<&str>, Vec<&str>) = open.into_iter().partition(|fact| USED.contains(fact));
    if !by_probe.is_empty() {
        report.warn(
            "dialect",
            format!(
                "how this RingCX speaks is not known in {} points ({}), so the bridge is careful there; `check --probe-group NAME` \
                 finds out with a throw-away agent, and use does too",
                by_probe.len(),
                by_probe.join(", ")
            ),
        );
    }
    if !by_use.is_empty() {
        report.ok("dialect", format!("the first use finds out {}, each time looked at", by_use.join(", ")));
    }
    if policy.password_on_put.is_none() {
        let detail = "policy.password_on_put is not set, so agents that the bridge did not create and that sign in with a password are \
                      only switched off; set it to \"omit\" or \"echo\" when you know what RingCX does";
        report.warn("dialect", detail);
    }
}
