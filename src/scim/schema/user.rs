//! The core user (RFC 7643 §4.1, §8.7.1).

use super::Schema;
use super::attribute::{Attribute, Storage};
use crate::scim::urn;

const DISPLAY: Attribute = Attribute::text("display", "Name for people");
const PRIMARY: Attribute = Attribute::boolean("primary", "Whether this is the preferred one; at most one is");

const fn kind_of(values: &'static [&'static str]) -> Attribute {
    Attribute::text("type", "What it is used for").canonical(values)
}

pub(super) static SCHEMA: Schema = Schema {
    id: urn::USER,
    name: "User",
    description: "User account",
    attributes: &[
        Attribute::text("userName", "Name that identifies the user to the client, usually an address")
            .required()
            .unique(),
        NAME,
        Attribute::text("displayName", "Name shown to people"),
        Attribute::text("nickName", "Casual name"),
        Attribute::reference("profileUrl", &["external"], "Page about the user"),
        Attribute::text("title", "Job title"),
        Attribute::text("userType", "Relation to the organisation"),
        Attribute::text("preferredLanguage", "Preferred languages, as in Accept-Language"),
        Attribute::text("locale", "Locale for numbers, dates and currency"),
        Attribute::text("timezone", "Time zone, for example America/Los_Angeles"),
        // A PUT that says nothing about `active` must neither enable nor disable anybody.
        Attribute::boolean("active", "Whether the user may work").stored(Storage::KeptThroughPut),
        // Okta always sends a placeholder. People sign in by SSO, so it is neither kept nor announced.
        Attribute::text("password", "Accepted and discarded")
            .exact()
            .write_only()
            .stored(Storage::Dropped)
            .unpublished(),
        EMAILS,
        PHONE_NUMBERS,
        IMS,
        PHOTOS,
        ADDRESSES,
        GROUPS,
        ENTITLEMENTS,
        ROLES,
        CERTIFICATES,
    ],
};

const NAME: Attribute = Attribute::complex(
    "name",
    &[
        Attribute::text("formatted", "Full name as displayed"),
        Attribute::text("familyName", "Last name"),
        Attribute::text("givenName", "First name"),
        Attribute::text("middleName", "Middle names"),
        Attribute::text("honorificPrefix", "Title before the name"),
        Attribute::text("honorificSuffix", "Suffix after the name"),
    ],
    "Components of the name",
);

const EMAILS: Attribute = Attribute::complex(
    "emails",
    &[
        Attribute::text("value", "Address"),
        // Entra's schema test stops at a published `emails.display`; it is accepted and shown all the same.
        DISPLAY.unpublished(),
        kind_of(&["work", "home", "other"]),
        PRIMARY,
    ],
    "E-mail addresses",
)
.many();

const PHONE_NUMBERS: Attribute = Attribute::complex(
    "phoneNumbers",
    &[
        Attribute::text("value", "Number, as the client writes it"),
        DISPLAY,
        kind_of(&["work", "home", "mobile", "fax", "pager", "other"]),
        PRIMARY,
    ],
    "Telephone numbers; never used as login destinations unless the tenant says so",
)
.many();

const IMS: Attribute = Attribute::complex(
    "ims",
    &[
        Attribute::text("value", "Address"),
        DISPLAY,
        kind_of(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
        PRIMARY,
    ],
    "Instant messaging addresses",
)
.many();

const PHOTOS: Attribute = Attribute::complex(
    "photos",
    &[
        Attribute::reference("value", &["external"], "Where the image is"),
        DISPLAY,
        kind_of(&["photo", "thumbnail"]),
        PRIMARY,
    ],
    "Photos",
)
.many();

const ADDRESSES: Attribute = Attribute::complex(
    "addresses",
    &[
        Attribute::text("formatted", "Full address as displayed"),
        Attribute::text("streetAddress", "Street and house"),
        Attribute::text("locality", "City"),
        Attribute::text("region", "State or region"),
        Attribute::text("postalCode", "Postal code"),
        Attribute::text("country", "Country"),
        kind_of(&["work", "home", "other"]),
        PRIMARY,
    ],
    "Postal addresses",
)
.many();

const GROUPS: Attribute = Attribute::complex(
    "groups",
    &[
        Attribute::text("value", "Id of the group").exact().read_only(),
        Attribute::reference("$ref", &["Group"], "Where the group is").read_only(),
        Attribute::text("display", "Name of the group").read_only(),
        Attribute::text("type", "direct or indirect").canonical(&["direct", "indirect"]).read_only(),
    ],
    "Groups that the user is a member of; change the group to change them",
)
.many()
.read_only()
.stored(Storage::Joined);

// Most clients build a PUT from their own model and know nothing of roles and entitlements: absent means unchanged.
const ENTITLEMENTS: Attribute = Attribute::complex(
    "entitlements",
    &[
        Attribute::text("value", "Id of the rights document"),
        DISPLAY,
        Attribute::text("type", "Entitlement"),
        PRIMARY,
    ],
    "Rights documents of an administrator",
)
.many()
.stored(Storage::KeptThroughPut);

// Without canonical types: Entra then offers `roles[primary eq "True"]` instead of one attribute per type.
const ROLES: Attribute = Attribute::complex(
    "roles",
    &[
        Attribute::text("value", "Name of the role"),
        DISPLAY,
        Attribute::text("type", "What kind of role"),
        PRIMARY,
    ],
    "Roles of an administrator",
)
.many()
.stored(Storage::KeptThroughPut);

const CERTIFICATES: Attribute = Attribute::complex(
    "x509Certificates",
    &[
        Attribute::binary("value", "Certificate, DER in base64"),
        DISPLAY,
        Attribute::text("type", "What it is used for"),
        PRIMARY,
    ],
    "Certificates",
)
.many();
