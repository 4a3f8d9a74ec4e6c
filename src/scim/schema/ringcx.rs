//! The contact-centre extension: flat scalars only, since custom attributes of Entra can be neither complex nor many-valued.

use super::Schema;
use super::attribute::{Attribute, Constraint};
use crate::scim::urn;

pub(super) static SCHEMA: Schema = Schema {
    id: urn::RINGCX_USER,
    name: "RingCXUser",
    description: "RingCX agent and administrator",
    attributes: &[
        Attribute::text("agentType", "Kind of agent").words(&["AGENT", "SUPERVISOR"]),
        Attribute::integer("agentRank", "Rank in routing: 0 low, 12 medium, 24 high")
            .must_be(Constraint::Range { min: 0, max: Some(24) }),
        Attribute::text("location", "Location of the agent"),
        Attribute::text("team", "Team of the agent"),
        Attribute::text("agentGroupName", "Agent group, by name; wins over group mappings"),
        Attribute::text("initialState", "State after login, by label"),
        Attribute::text("ghostRnaAction", "State after a call that was not answered, by label"),
        Attribute::integer("maxChats", "Chats at the same time")
            .must_be(Constraint::Range { min: 0, max: None }),
        Attribute::boolean("enableSoftphone", "Whether the softphone is enabled"),
        Attribute::text("defaultLoginDestination", "Where calls go: number, extension or softphone")
            .must_be(Constraint::Destination),
        Attribute::text("altDefaultLoginDestination", "Where calls go otherwise")
            .must_be(Constraint::Destination),
        Attribute::text("directExtension", "Direct extension of the agent").must_be(Constraint::Digits),
        Attribute::text("manualOutboundCallerId", "Caller id of manual calls, E.164")
            .must_be(Constraint::Phone),
        Attribute::text("phoneLoginPin", "PIN for login by phone; never shown")
            .exact()
            .write_only()
            .must_be(Constraint::Digits),
        Attribute::boolean("allowInbound", "Whether inbound calls are allowed"),
        Attribute::boolean("allowOutbound", "Whether outbound calls are allowed"),
        Attribute::boolean("allowChat", "Whether chats are allowed"),
        Attribute::boolean("allowLoginUpdates", "Whether the agent may change login settings"),
        Attribute::text("defaultDialGroup", "Dial group, by name or id"),
        Attribute::text("manualOutboundQueue", "Queue of manual calls, by name or id"),
        Attribute::text("persona", "What the user is in RingCX").words(&["agent", "admin", "both", "none"]),
        // 64 bits: text, so that no client rounds it.
        Attribute::text("rcExtensionId", "Id of the RingCentral extension")
            .exact()
            .must_be(Constraint::Digits),
        Attribute::boolean("syncWithOffice", "Whether RingCentral maintains the agent from its link on"),
        Attribute::text("rcLinkState", "Whether the agent is tied to a RingCentral extension, or why not")
            .canonical(&["linked", "not_found", "ambiguous", "unusable", "unreadable"])
            .read_only(),
        Attribute::text("ringcxUsername", "What the agent types at login").read_only(),
        Attribute::text("agentId", "Id of the agent in RingCX").exact().read_only(),
        Attribute::text("adminUserId", "Id of the administrator in RingCX").exact().read_only(),
        Attribute::text("provisioningState", "Where provisioning stands")
            .canonical(&["active", "disabled", "held", "pending", "suspended", "blocked", "error"])
            .read_only(),
        Attribute::text("lastError", "Last refusal by RingCX, gone after success").read_only(),
    ],
};
