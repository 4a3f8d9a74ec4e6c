//! The words that settings take, one type for each setting.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The word as it stands in configurations and resources.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value of a word, in any case.
            pub fn parse(word: &str) -> Option<Self> {
                $(if word.eq_ignore_ascii_case($word) { return Some(Self::$variant); })+
                None
            }
        }
    };
}

words! {
    /// What a person is in RingCX.
    Persona {
        /// Takes calls.
        Agent = "agent",
        /// Administers.
        Admin = "admin",
        /// Does both.
        Both = "both",
        /// Is only on record.
        None = "none",
    }
}
words! {
    /// What a rename in the identity provider does to a login name.
    Rename {
        /// The login name stays.
        Keep = "keep",
        /// The login name follows.
        Follow = "follow",
        /// The rename is refused.
        Reject = "reject",
    }
}
words! {
    /// Where `externalAgentId` comes from.
    ExternalIdSource {
        /// Nowhere: the field is left alone.
        None = "none",
        /// From `externalId`.
        ExternalId = "externalId",
        /// From the enterprise extension's `employeeNumber`.
        EmployeeNumber = "employeeNumber",
    }
}
words! {
    /// What becomes of passwords that clients send.
    PasswordPolicy {
        /// They are dropped.
        Ignore = "ignore",
    }
}
words! {
    /// Whether a PUT of an agent carries a password.
    PasswordOnPut {
        /// It leaves the field out.
        Omit = "omit",
        /// It sends back what the GET showed.
        Echo = "echo",
    }
}
words! {
    /// Whether agents are tied to RingCentral extensions.
    LinkExtension {
        /// Never.
        Off = "off",
        /// When exactly one extension fits.
        IfFound = "if_found",
        /// Always: without one the create is refused.
        Required = "required",
    }
}
words! {
    /// Who wins when somebody is switched off in RingCX by hand.
    DriftPolicy {
        /// RingCX: only a write that takes `active` from false to true switches them on again.
        LocalDisableWins = "local_disable_wins",
        /// The identity provider: the next write switches them on again.
        IdpWins = "idp_wins",
    }
}
words! {
    /// What is done about agents that somebody changed in RingCX by hand.
    OnDrift {
        /// They are reported.
        Report = "report",
        /// They are brought back in line.
        Repair = "repair",
        /// They stay until the identity provider writes the next time.
        Adopt = "adopt",
    }
}
words! {
    /// What DELETE does to the accounts in RingCX.
    OnDelete {
        /// They are switched off and kept.
        Disable = "disable",
        /// They are deleted.
        Delete = "delete",
    }
}
words! {
    /// What becomes of the direct line of somebody who is switched off.
    DirectLine {
        /// It stays and is reported.
        Report = "report",
        /// It stays.
        Keep = "keep",
        /// It is emptied, after the agent is switched off.
        Clear = "clear",
    }
}
words! {
    /// What membership of groups in groups means.
    NestedGroups {
        /// Nothing.
        Ignore = "ignore",
        /// Whoever is in a group is in every group in which it is.
        Expand = "expand",
    }
}
words! {
    /// How an agent is moved: RingCX documents no call for it, so each way is verified by a GET.
    MoveStrategy {
        /// Whatever has worked for this tenant before, else each in turn.
        Auto = "auto",
        /// PUT under the old group with the new one in the body.
        Body = "body",
        /// PUT under the new group.
        Path = "path",
        /// PUT of a list under the new group.
        Bulk = "bulk",
    }
}
words! {
    /// What the assignment call of rights documents does with those who have one already.
    AssignmentMode {
        /// Unknown: who else has the document is read before and after, and repaired.
        Auto = "auto",
        /// It adds.
        Add = "add",
        /// It replaces the list, so the whole list is sent.
        Replace = "replace",
    }
}
words! {
    /// How dial group and queue are written on an agent.
    AssignmentShape {
        /// As bare ids.
        Ids = "ids",
        /// As objects with an `id`.
        Objects = "objects",
    }
}
words! {
    /// Where an agent's login destinations come from; a number of the directory never becomes one by itself.
    DestinationSource {
        /// From the extension's `defaultLoginDestination`.
        Extension = "extension",
        /// From there, else from the work number in `phoneNumbers`.
        WorkPhone = "phoneNumbers.work",
        /// From nowhere: what RingCX has stays.
        None = "none",
    }
}
words! {
    /// Where an agent's location or team comes from when the extension does not say it.
    ProfileSource {
        /// From nowhere else.
        Extension = "extension",
        /// From the town of the work address.
        Locality = "addresses.work.locality",
        /// From the enterprise extension.
        Department = "department",
        /// From the enterprise extension.
        Division = "division",
        /// From the enterprise extension.
        Organization = "organization",
        /// From the enterprise extension.
        CostCenter = "costCenter",
    }
}
words! {
    /// Whether changes stop when too many people would lose access at once.
    MassChange {
        /// They are blocked until a person releases or rejects them.
        On = "on",
        /// They go through.
        Off = "off",
    }
}
words! {
    /// Whether upstream changes are made.
    Mode {
        /// They are.
        Live = "live",
        /// They are planned and written down.
        DryRun = "dry_run",
    }
}
words! {
    /// The kinds of agent that a mapping can give.
    MappedAgentType {
        /// An agent.
        Agent = "AGENT",
        /// A supervisor.
        Supervisor = "SUPERVISOR",
    }
}
