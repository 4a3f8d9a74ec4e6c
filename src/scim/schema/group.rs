//! The core group (RFC 7643 §4.2, §8.7.1).

use super::Schema;
use super::attribute::{Attribute, Storage};
use crate::scim::urn;

pub(super) static SCHEMA: Schema = Schema {
    id: urn::GROUP,
    name: "Group",
    description: "Group",
    attributes: &[
        // Optional in RFC 7643, but clients find groups by it and mappings name it.
        Attribute::text("displayName", "Name of the group").required().unique(),
        Attribute::complex(
            "members",
            &[
                Attribute::text("value", "Id of the member").exact().immutable(),
                Attribute::reference("$ref", &["User", "Group"], "Where the member is").immutable(),
                Attribute::text("display", "Name of the member").immutable(),
                Attribute::text("type", "User or Group").canonical(&["User", "Group"]).immutable(),
            ],
            "Members of the group",
        )
        .many()
        // Membership is rows, not part of the resource: one change must not rewrite a group of 100,000.
        .stored(Storage::Joined),
    ],
};
