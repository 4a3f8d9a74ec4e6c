//! The enterprise extension (RFC 7643 §4.3, §8.7.1).

use super::Schema;
use super::attribute::Attribute;
use crate::scim::urn;

pub(super) static SCHEMA: Schema = Schema {
    id: urn::ENTERPRISE_USER,
    name: "EnterpriseUser",
    description: "Enterprise user",
    attributes: &[
        Attribute::text("employeeNumber", "Number assigned by the organisation"),
        Attribute::text("costCenter", "Cost centre"),
        Attribute::text("organization", "Organisation"),
        Attribute::text("division", "Division"),
        Attribute::text("department", "Department"),
        Attribute::complex(
            "manager",
            &[
                Attribute::text("value", "Id of the manager").exact(),
                Attribute::reference("$ref", &["User"], "Where the manager is"),
                // Read-only in the RFC, which lets the server look it up; the manager need not be here, so the client's name
                // is kept instead.
                Attribute::text("displayName", "Name of the manager"),
            ],
            "The manager in the directory; no supervisor of the contact centre follows from it",
        ),
    ],
};
