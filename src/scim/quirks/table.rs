//! The names of the tolerated deviations, where each is on, and why.

use super::super::Compatibility;

/// Where a deviation is tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Everywhere but under `strict`: the RFCs do not say otherwise.
    Tolerant,
    /// Only under this setting, because it contradicts the RFCs.
    Only(Compatibility),
}

/// Declares the deviations: variant, name in metrics and documents, where it is on, who needs it.
macro_rules! quirks {
    ($($variant:ident, $name:literal, $place:expr, $reason:literal;)*) => {
        /// A deviation from the RFCs that some client needs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Quirk { $(#[doc = $reason] $variant,)* }

        impl Quirk {
            /// Every deviation, in the order of the table.
            pub const ALL: &'static [Quirk] = &[$(Self::$variant),*];

            /// The name in metrics and documents.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Where it is on.
            pub fn place(self) -> Where {
                match self { $(Self::$variant => $place,)* }
            }

            /// Who needs it, and what would happen otherwise.
            pub fn reason(self) -> &'static str {
                match self { $(Self::$variant => $reason,)* }
            }
        }
    };
}

use Where::{Only, Tolerant};

quirks! {
    BooleanText, "boolean_text", Tolerant, "Entra sends `\"False\"` and OneLogin makes every boolean a string; ignored, access would stay open.";
    NumberText, "number_text", Tolerant, "Template clients send numbers as text.";
    ScalarAsText, "scalar_as_text", Tolerant, "Okta's samples carry numbers in `externalId`, `employeeNumber` and `postalCode`.";
    ListAsSingle, "list_as_single", Tolerant, "Entra sends `manager` as a list of one.";
    SingleAsList, "single_as_list", Tolerant, "OneLogin sends `emails` as an object; validators send one member or one operation without a list.";
    ScalarAsObject, "scalar_as_object", Tolerant, "Entra sends `manager`, and validators send members, as the bare id; templates send roles as names.";
    SubAttributeAlias, "sub_attribute_alias", Tolerant, "Entra's roles say `displayName` for `display`; OneLogin's manager is `{managerId, displayName}`.";
    RoleInText, "role_in_text", Tolerant, "Entra's role expressions put a JSON document into the text of a role's `value`.";
    SingleRoleAdded, "single_role_added", Tolerant, "Entra's expression for a single role adds the new one and means it instead of the old one; kept, roles would pile up.";
    KeyAsPath, "key_as_path", Tolerant, "Entra's newer PATCH shape has keys such as `name.givenName` and URN keys; stored as names they would be lost.";
    UnqualifiedExtension, "unqualified_extension", Tolerant, "Entra writes `manager` without the URN of the enterprise extension.";
    LooseSchemas, "loose_schemas", Tolerant, "Validators leave `schemas` out, OneLogin lists 1.0 URNs, Entra adds its own.";
    UnknownAttribute, "unknown_attribute", Tolerant, "Every client has attributes of its own; a refusal would lose the person.";
    EmptyText, "empty_text", Tolerant, "Entra clears a manager, and its validator every attribute, with an empty text.";
    SeveralPrimaries, "several_primaries", Tolerant, "Validators set a second primary without unsetting the first; the last one wins.";
    ReadOnlyInValue, "read_only_in_value", Tolerant, "Okta's rename of a group carries its `id`.";
    CapitalisedOp, "capitalised_op", Tolerant, "Entra writes `Add`, `Replace`, `Remove`.";
    AddCreatesElement, "add_creates_element", Tolerant, "Entra adds to `phoneNumbers[type eq \"mobile\"].value` of somebody without one.";
    ReplaceCreatesElement, "replace_creates_element", Only(Compatibility::Entra), "Entra replaces an address that was never there; RFC 7644 section 3.5.2.3 wants `noTarget`.";
    RemoveOfNothing, "remove_of_nothing", Tolerant, "A failed removal of what is not there loses the rest of the request.";
    RemoveByValue, "remove_by_value", Tolerant, "Entra, rauthy and JumpCloud list in `value` who leaves; read as \"all\", the group would be emptied.";
    MissingMembers, "missing_members", Tolerant, "Okta gives up a whole group push when one member is unknown.";
    MissingBulkId, "missing_bulk_id", Tolerant, "Clients that do not refer to what they create leave `bulkId` out.";
    QuotedLiteral, "quoted_literal", Tolerant, "Entra writes `roles[primary eq \"True\"]` although `primary` is a boolean.";
    UnquotedLiteral, "unquoted_literal", Tolerant, "authentik and a sample of Entra filter without quotes.";
    UrlFlag, "url_flag", Tolerant, "Entra's administrators append `?aadOptscim062020` to the tenant URL, which then stands in every request.";
    BareToken, "bare_token", Tolerant, "Okta's header authentication sends the token without the word Bearer, and whoever pastes the word into the token's field sends it twice.";
    MissingContentType, "missing_content_type", Tolerant, "Some clients send JSON without saying so.";
    PathSlashes, "path_slashes", Tolerant, "The Keycloak extension calls `//Users`; others end paths with a slash.";
    DisableSurvives, "disable_survives_bad_patch", Only(Compatibility::Entra), "Entra records a failed PATCH and goes on; access must not stay open because of another operation.";
}
