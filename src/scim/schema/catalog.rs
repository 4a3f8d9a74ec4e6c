//! What can be given to people, to be read only: roles and entitlements as Okta's entitlement management discovers them
//! (developer.okta.com, "Build a SCIM 2.0 server with entitlements").

use super::Schema;
use super::attribute::Attribute;
use crate::scim::urn;

const DISPLAY_NAME: Attribute = Attribute::text("displayName", "Name for people").read_only();
const DESCRIPTION: Attribute =
    Attribute::text("description", "What it gives; 1000 characters at most").read_only();

pub(super) static ROLE: Schema = Schema {
    id: urn::OKTA_ROLE,
    name: "Role",
    description: "A role of an administrator",
    attributes: &[DISPLAY_NAME, DESCRIPTION],
};

pub(super) static ENTITLEMENT: Schema = Schema {
    id: urn::OKTA_ENTITLEMENT,
    name: "Entitlement",
    description: "Something that a person can be given",
    attributes: &[
        DISPLAY_NAME,
        Attribute::text("type", "Name of the resource type").exact().read_only(),
        DESCRIPTION,
    ],
};
