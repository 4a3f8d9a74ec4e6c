//! Attributes that every resource has (RFC 7643 §3, §3.1); they belong to no schema and are not published.

use super::attribute::{Attribute, Storage};

/// `schemas`, `id`, `externalId`, `meta`.
pub(super) static ATTRIBUTES: &[Attribute] = &[
    Attribute::reference("schemas", &["uri"], "URNs of the schemas present")
        .many()
        .always()
        // Clients echo it or leave it out; what is shown follows from the resource.
        .stored(Storage::Dropped),
    Attribute::text("id", "Identifier issued by the service provider")
        .exact()
        .read_only()
        .always()
        .stored(Storage::Joined),
    Attribute::text("externalId", "Identifier issued by the client")
        .exact()
        .unique()
        // rauthy and Okta leave it out of a PUT; null unlinks.
        .stored(Storage::KeptThroughPut),
    Attribute::complex(
        "meta",
        &[
            Attribute::text("resourceType", "Name of the resource type").exact().read_only(),
            Attribute::date_time("created", "When it was created").read_only(),
            Attribute::date_time("lastModified", "When it last changed").read_only(),
            Attribute::reference("location", &["uri"], "Where it lives").read_only(),
            Attribute::text("version", "Its entity tag").exact().read_only(),
        ],
        "What the service provider knows about the resource",
    )
    .read_only()
    .stored(Storage::Joined),
];
