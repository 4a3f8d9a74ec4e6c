//! The answers to the questions that RingCX's public documents leave open.

use std::str::FromStr;

/// Named sets of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Every doubt in the client's favour.
    Friendly,
    /// Every doubt against it.
    Hostile,
    /// To the letter of the published interface description.
    Spec,
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "friendly" => Ok(Self::Friendly),
            "hostile" => Ok(Self::Hostile),
            "spec" => Ok(Self::Spec),
            _ => Err(format!("profile \"{text}\" is unknown; use friendly, hostile or spec")),
        }
    }
}

macro_rules! knobs {
    ($($(#[$doc:meta])* $name:ident: $friendly:literal, $hostile:literal, $spec:literal, [$($value:literal),*];)+) => {
        /// One answer to each open question, as text; numbers are digits.
        #[derive(Clone, Debug)]
        pub struct Knobs { $($(#[$doc])* pub $name: String,)+ }

        impl Knobs {
            /// The answers of a profile.
            pub fn profile(profile: Profile) -> Self {
                let pick = |friendly: &str, hostile: &str, spec: &str| match profile {
                    Profile::Friendly => friendly.to_owned(),
                    Profile::Hostile => hostile.to_owned(),
                    Profile::Spec => spec.to_owned(),
                };
                Self { $($name: pick($friendly, $hostile, $spec),)+ }
            }

            /// Sets one answer.
            ///
            /// # Errors
            /// A sentence that names the knob, or the answers that it takes.
            pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
                match name {
                    $(stringify!($name) => {
                        let allowed: &[&str] = &[$($value),*];
                        let fits = if allowed.is_empty() { value.parse::<u64>().is_ok() } else { allowed.contains(&value) };
                        if !fits {
                            let what = if allowed.is_empty() { "a number".to_owned() } else { allowed.join(", ") };
                            return Err(format!("knob {name} cannot be \"{value}\"; it takes {what}"));
                        }
                        self.$name = value.to_owned();
                        Ok(())
                    })+
                    _ => Err(format!("knob \"{name}\" is unknown; there are {}", Self::names().join(", "))),
                }
            }

            /// The names of all knobs.
            pub fn names() -> Vec<&'static str> {
                vec![$(stringify!($name)),+]
            }
        }
    };
}

knobs! {
    /// Where the token exchange takes its parameters from.
    exchange_params: "both", "body", "both", ["both", "body", "query"];
    /// Seconds that a RingCX token lives.
    token_ttl_s: "300", "300", "300", [];
    /// Whether a RingCX token can be read.
    token_shape: "jwt", "jwt", "jwt", ["jwt", "opaque"];
    /// Whether a refresh token works twice.
    refresh_reuse: "reject", "reject", "accept", ["reject", "accept"];
    /// Seconds that a refresh token lives.
    refresh_ttl_s: "86400", "600", "86400", [];
    /// Whether refreshes count against the limit of exchanges.
    refresh_counts_as_auth: "no", "yes", "no", ["yes", "no"];
    /// What a 401 looks like.
    unauthorized_body: "text", "text", "text", ["text", "json", "empty"];
    /// Calls of the admin API in a window.
    rate_limit: "120", "10", "120", [];
    /// Seconds of that window.
    rate_window_s: "60", "5", "60", [];
    /// Whose calls are counted together: those for the account, or those with one token.
    rate_scope: "account", "account", "account", ["account", "token"];
    /// Exchanges in a window.
    auth_limit: "5", "5", "5", [];
    /// Seconds that a client is told to wait after the limit.
    penalty_s: "2", "1", "2", [];
    /// What a 429 carries.
    rate_headers: "retry_after", "retry_after", "x_rate_limit", ["none", "retry_after", "x_rate_limit"];
    /// What its body is.
    rate_body: "json", "text", "json", ["text", "json"];
    /// What a PUT does with fields that it leaves out.
    put_mode: "merge", "replace", "replace", ["merge", "replace"];
    /// What a GET shows of an agent's password.
    password_echo: "mask", "real", "absent", ["mask", "absent", "real"];
    /// What a PUT does with the password: a mask is not one, it is one, or there must be one.
    put_masked_password: "ignored", "ignored", "ignored", ["ignored", "literal", "required"];
    /// What moves an agent.
    move_mode: "body_agentgroup_id", "path", "body_groupid",
        ["body_agentgroup_id", "body_groupid", "path", "bulk", "unsupported"];
    /// Whether the group in the path of an agent must be its own.
    group_path_check: "strict", "strict", "strict", ["strict", "ignored"];
    /// What a PUT of a list does.
    bulk_put: "per_item", "atomic", "per_item", ["atomic", "per_item", "replace_membership", "501"];
    /// Whose login names RingCX makes itself.
    username_rewrite: "never", "linked_only", "linked_only", ["never", "linked_only", "always"];
    /// What a PUT of another login name does.
    username_update: "allow", "ignore", "allow", ["allow", "ignore", "reject400"];
    /// Whether a new agent needs a password.
    password_required: "yes", "yes", "yes", ["yes", "unless_linked", "no"];
    /// Which of the two flags counts.
    active_field: "isActive", "isActive", "isActive", ["isActive", "active", "both_must_match"];
    /// What a DELETE of an agent leaves.
    delete_mode: "hard", "soft_keeps_username", "hard", ["hard", "soft_keeps_username"];
    /// What lists of agents show.
    list_fields: "basic", "basic", "full", ["basic", "docs", "full"];
    /// Whether lists show agents that are switched off.
    list_includes_inactive: "yes", "no", "yes", ["yes", "no"];
    /// What the deletion of a group with agents does.
    delete_nonempty_group: "409", "false", "409", ["409", "400", "false", "cascade"];
    /// Whether agent groups can be deleted at all: the operation is marked as deprecated.
    group_delete: "on", "off", "on", ["on", "off"];
    /// Whether two groups may have one name.
    group_name_unique: "yes", "yes", "no", ["yes", "no"];
    /// How an administrator's object shows roles, if it does.
    roles_shape: "strings", "strings", "objects", ["objects", "strings", "absent"];
    /// How the list of roles shows them.
    getroles_shape: "strings", "objects", "strings", ["objects", "strings"];
    /// What a PUT of an administrator without roles does.
    put_without_roles: "keep", "clear", "keep", ["keep", "clear"];
    /// What giving a role twice answers.
    role_add_existing: "true", "409", "true", ["true", "409"];
    /// What taking a role that is not held answers.
    role_remove_missing: "true", "404", "true", ["true", "false", "404"];
    /// The most agents that one page of a list shows; 0: all of them.
    max_rows_cap: "0", "0", "0", [];
    /// The number of the first page.
    page_base: "0", "0", "1", ["0", "1"];
    /// Milliseconds until a GET shows what was changed.
    visibility_delay_ms: "0", "0", "0", [];
    /// Milliseconds until a new agent or administrator shows in a GET or a list.
    creation_delay_ms: "0", "0", "0", [];
    /// What a call during a penalty does: it begins it again, or nothing.
    penalty_resets: "no", "no", "yes", ["yes", "no"];
    /// What the creation of an administrator answers.
    create_user_status: "200", "201_empty", "200", ["200", "201_body", "201_empty"];
    /// Whom `setIsActive` serves: everybody, or only who asks ("authenticated user").
    set_is_active: "on", "self_only", "on", ["on", "self_only"];
    /// What a hand-over of an administrator's people does with the rights documents that the administrator owns.
    reassign_moves_docs: "yes", "no", "yes", ["yes", "no"];
    /// What the merged rights documents of an administrator show: all that is assigned, or only the account's part.
    aggregate: "all", "all", "all", ["all", "account_only"];
    /// What assigning a rights document does with others who have it.
    assign_mode: "add", "replace", "add", ["add", "replace"];
    /// What assigning it twice answers.
    assign_existing: "true", "true", "409", ["true", "409"];
    /// What a taken login name answers.
    agent_conflict: "409", "500", "400_validation", ["409", "400_validation", "500"];
    /// How dates look: texts, or objects with `millis` as the schema has them.
    dates: "string", "joda", "string", ["string", "joda"];
    /// Which filter the list of states obeys: `active=1`, `activeOnly=true`, either, or none.
    aux_states_filter: "either", "none", "active", ["either", "active", "active_only", "none"];
    /// What `flatten` leaves of the tree of administrators: one list, or the tree as it was.
    flatten: "flat", "tree", "flat", ["flat", "tree"];
    /// The keys of the maps of rights documents: the account, or something that nobody can read.
    rights_keys: "account", "opaque", "account", ["account", "opaque"];
    /// How ids look.
    ids: "number", "string", "number", ["number", "string"];
    /// Whether a body may have texts for ids that are numbers.
    ids_in: "lenient", "strict", "strict", ["lenient", "strict"];
    /// Whether a new agent's group must also stand in the body.
    require_body_group: "no", "yes", "no", ["no", "yes"];
    /// What RingCX's own list of extensions is.
    rc_extensions: "array", "404", "404", ["array", "records", "404"];
    /// Whether the rank of an agent is checked.
    rank_check: "on", "on", "off", ["on", "off"];
    /// Calls of RingCentral's usage group Light in a window.
    light_limit: "50", "50", "50", [];
    /// Calls of the group Medium.
    medium_limit: "40", "40", "40", [];
    /// Calls of the group Heavy.
    heavy_limit: "10", "10", "10", [];
    /// Seconds of their window.
    platform_window_s: "60", "60", "60", [];
    /// Seconds that a group is closed after its limit; each call meanwhile begins them again.
    platform_penalty_s: "60", "60", "60", [];
    /// Whether RingCentral's 429 says how long.
    retry_after: "on", "off", "on", ["on", "off"];
    /// The usage group of the list of extensions.
    extension_list_group: "medium", "medium", "medium", ["light", "medium", "heavy"];
    /// The most extensions that a page shows, whatever is asked.
    extension_page_max: "1000", "100", "1000", [];
    /// Whether pages say how many there are in all.
    extension_totals: "yes", "no", "yes", ["yes", "no"];
    /// Whether pages say where the others are.
    extension_navigation: "yes", "yes", "yes", ["yes", "no"];
    /// Seconds until a new extension shows in the list.
    extension_delay_s: "0", "0", "0", [];
    /// Seconds that a RingCentral token lives.
    expires_in: "3600", "7200", "3600", [];
    /// Whether only extensions that are enabled can be tied to agents.
    link_requires_enabled: "no", "yes", "no", ["yes", "no"];
    /// Whether an extension can be tied to one agent only.
    rc_user_unique: "account", "account", "account", ["account", "none"];
    /// Whether agents must be tied to extensions.
    rc_link: "optional", "optional", "optional", ["optional", "required", "disabled"];
    /// What writes to fields that RingCentral maintains do.
    managed_fields: "ignore", "reject400", "ignore", ["ignore", "reject400", "accept"];
    /// Whether API tokens work.
    api_token: "on", "on", "on", ["on", "off"];
    /// What a permanent token of an administrator who is switched off is answered, or whether it goes on working.
    disabled_token: "lives", "lives", "401", ["lives", "401", "403"];
    /// What a password must be: eight characters of three classes, or twenty of all four.
    password_policy: "usual", "strict", "usual", ["usual", "strict"];
    /// What ending an API token answers.
    token_delete: "true", "204", "true", ["true", "204"];
    /// What the deletion of something that is not there answers.
    delete_missing: "404", "false", "404", ["404", "false", "403"];
    /// Whether a GET shows queue, dial group and skill membership as `null` although there is some.
    null_on_get: "yes", "yes", "yes", ["yes", "no"];
    /// Whether such a `null` in a PUT clears the membership.
    null_put_clears: "no", "yes", "yes", ["yes", "no"];
    /// Whether every agent is in a queue and a dial group and has a skill from the start, as a supervisor leaves it.
    agents_in_queues: "no", "no", "no", ["yes", "no"];
    /// Seconds until a change shows in the audit log.
    audit_delay_s: "300", "300", "300", [];
    /// The most records that one answer of the audit log has; 0: all of them.
    audit_cap: "0", "100", "0", [];
    /// Whether paths outside the API serve the web application.
    html_shell: "on", "on", "on", ["on", "off"];
}

impl Knobs {
    /// A numeric knob.
    pub(crate) fn number(text: &str) -> u64 {
        text.parse().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knobs_take_only_their_answers() {
        let mut knobs = Knobs::profile(Profile::Friendly);
        assert!(knobs.set("put_mode", "replace").is_ok());
        assert!(knobs.set("put_mode", "both").unwrap_err().contains("merge, replace"));
        assert!(knobs.set("rate_limit", "many").unwrap_err().contains("a number"));
        assert!(knobs.set("nothing", "x").unwrap_err().contains("put_mode"));
        assert_eq!(knobs.put_mode, "replace");
    }
}
