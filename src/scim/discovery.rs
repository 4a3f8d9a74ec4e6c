//! What the server says about itself (RFC 7644 §4): configuration, resource types, schemas; built from the tables.
//!
//! Only what works is announced. `base` is the tenant's base URL without a trailing slash.

use serde_json::{Value, json};

use super::features::supported;
use super::list::DEFAULT_COUNT;
use super::schema::{Attribute, Kind, ResourceType, SCHEMAS, Schema, announced};
use super::{Compatibility, Object, urn};

/// The limits that clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most resources in one answer.
    pub max_results: u64,
    /// Seconds for which a cursor can be used.
    pub cursor_timeout: u64,
    /// Most operations of a bulk request; authentik splits group changes by it and takes 0 for "all in one request".
    pub max_operations: u64,
    /// Largest body in bytes.
    pub max_payload_size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_results: 200, cursor_timeout: 3600, max_operations: 1000, max_payload_size: 1024 * 1024 }
    }
}

/// `/ServiceProviderConfig` (RFC 7643 §5).
pub fn service_provider_config(base: &str, limits: &Limits) -> Value {
    json!({
        "schemas": [urn::SERVICE_PROVIDER_CONFIG],
        "patch": {"supported": supported("patch")},
        "bulk": {
            "supported": supported("bulk"),
            "maxOperations": limits.max_operations,
            "maxPayloadSize": limits.max_payload_size,
        },
        "filter": {"supported": supported("filter"), "maxResults": limits.max_results},
        "changePassword": {"supported": supported("changePassword")},
        "sort": {"supported": supported("sort")},
        "etag": {"supported": supported("etag")},
        // RFC 9865 §4. Clients that know nothing of cursors get pages by index.
        "pagination": {
            "cursor": supported("cursor"),
            "index": supported("index"),
            "defaultPaginationMethod": "index",
            "defaultPageSize": DEFAULT_COUNT.min(limits.max_results),
            "maxPageSize": limits.max_results,
            "cursorTimeout": limits.cursor_timeout,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer token",
            "description": "A token of this tenant in the Authorization header, with or without the word Bearer",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6750",
            "primary": true,
        }, {
            "type": "oauth2",
            "name": "OAuth 2.0 client credentials",
            "description": "Short tokens by client secret or assertion, at /oauth/token beside the tenant's base",
            "specUri": "https://www.rfc-editor.org/rfc/rfc6749",
            "primary": false,
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{base}/ServiceProviderConfig"),
        },
    })
}

/// The resources of `/ResourceTypes` (RFC 7643 §6).
pub fn resource_types(base: &str, compatibility: Compatibility) -> Vec<Value> {
    announced(compatibility).iter().map(|ty| resource_type(base, ty)).collect()
}

fn resource_type(base: &str, ty: &ResourceType) -> Value {
    let extensions: Vec<Value> =
        ty.extensions.iter().map(|schema| json!({"schema": schema.id, "required": false})).collect();
    json!({
        "schemas": [urn::RESOURCE_TYPE],
        "id": ty.name,
        "name": ty.name,
        "endpoint": ty.endpoint,
        "description": ty.description,
        "schema": ty.schema.id,
        "schemaExtensions": extensions,
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", ty.name)},
    })
}

/// The resources of `/Schemas` (RFC 7643 §7).
///
/// Entra derives its attribute list from this: camel-case names, no `null` anywhere, canonical types on e-mail addresses, telephone
/// numbers and addresses, and none on roles.
pub fn schemas(base: &str) -> Vec<Value> {
    SCHEMAS.iter().map(|schema| schema_resource(base, schema)).collect()
}

fn schema_resource(base: &str, schema: &Schema) -> Value {
    json!({
        "schemas": [urn::SCHEMA],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": published(schema.attributes),
        "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{}", schema.id)},
    })
}

fn published(attributes: &[Attribute]) -> Vec<Value> {
    attributes.iter().filter(|each| each.published).map(attribute).collect()
}

fn attribute(attribute: &Attribute) -> Value {
    let mut body = Object::new();
    let mut put = |name: &str, value: Value| {
        body.insert(name.to_owned(), value);
    };
    put("name", Value::from(attribute.name));
    put("type", Value::from(attribute.kind.as_str()));
    put("multiValued", Value::from(attribute.multi_valued));
    put("description", Value::from(attribute.description));
    put("required", Value::from(attribute.required));
    put("mutability", Value::from(attribute.mutability.as_str()));
    put("returned", Value::from(attribute.returned.as_str()));
    if matches!(attribute.kind, Kind::String | Kind::Reference | Kind::Binary) {
        put("caseExact", Value::from(attribute.case_exact));
    }
    // RFC 7643 §7 gives complex attributes sub-attributes, and uniqueness to the values themselves.
    if attribute.kind == Kind::Complex {
        put("subAttributes", Value::Array(published(attribute.sub_attributes)));
    }
    put("uniqueness", Value::from(attribute.uniqueness.as_str()));
    if !attribute.canonical_values.is_empty() {
        put("canonicalValues", Value::from(attribute.canonical_values));
    }
    if !attribute.reference_types.is_empty() {
        put("referenceTypes", Value::from(attribute.reference_types));
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "https://scim.example.com/scim/v2";

    fn find<'v>(list: &'v [Value], key: &str, wanted: &str) -> &'v Value {
        list.iter().find(|each| each[key] == wanted).unwrap()
    }

    #[test]
    fn service_provider_config_complete() {
        let config = service_provider_config(BASE, &Limits::default());
        for name in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
            assert!(config[name]["supported"].is_boolean(), "{name}");
        }
        assert_eq!(config["patch"]["supported"], true);
        assert_eq!(config["filter"]["maxResults"], 200);
        assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
        assert_eq!(config["meta"]["location"], format!("{BASE}/ServiceProviderConfig"));
    }

    #[test]
    fn authentik_bulk_max_operations_chunk() {
        let bulk = &service_provider_config(BASE, &Limits::default())["bulk"];
        assert_eq!(bulk["supported"], true);
        assert!(bulk["maxOperations"].as_u64() > Some(0) && bulk["maxPayloadSize"].as_u64() > Some(0));
    }

    #[test]
    fn resource_types_name_their_extensions() {
        let types = resource_types(BASE, Compatibility::Okta);
        let user = find(&types, "id", "User");
        assert_eq!(user["endpoint"], "/Users");
        assert_eq!(user["schemaExtensions"][0], json!({"schema": urn::ENTERPRISE_USER, "required": false}));
        assert_eq!(user["schemaExtensions"][1]["schema"], urn::RINGCX_USER);
        assert_eq!(find(&types, "id", "Group")["meta"]["location"], format!("{BASE}/ResourceTypes/Group"));
    }

    #[test]
    fn entra_schemas_canonical_values_flatten() {
        let all = schemas(BASE);
        assert!(!Value::from(all.clone()).to_string().contains("null"));
        let user = find(&all, "id", urn::USER);
        let attributes = user["attributes"].as_array().unwrap();
        for name in ["emails", "phoneNumbers", "addresses"] {
            let subs = find(attributes, "name", name)["subAttributes"].as_array().unwrap();
            assert!(find(subs, "name", "type")["canonicalValues"].as_array().unwrap().len() > 1, "{name}");
        }
        let roles = find(attributes, "name", "roles")["subAttributes"].as_array().unwrap();
        assert!(find(roles, "name", "type").get("canonicalValues").is_none());
        assert!(all.iter().any(|schema| schema["id"] == urn::GROUP));
    }

    #[test]
    fn entra_schemas_omit_emails_display() {
        let all = schemas(BASE);
        let attributes = find(&all, "id", urn::USER)["attributes"].as_array().unwrap();
        let emails = find(attributes, "name", "emails")["subAttributes"].as_array().unwrap();
        let names: Vec<&str> = emails.iter().filter_map(|each| each["name"].as_str()).collect();
        assert_eq!(names, ["value", "type", "primary"]);
        assert!(!attributes.iter().any(|each| each["name"] == "password"));
    }

    #[test]
    fn discovery_documents_as_reviewers_read_them() {
        insta::assert_json_snapshot!(
            "service_provider_config",
            service_provider_config(BASE, &Limits::default())
        );
        insta::assert_json_snapshot!("resource_types", resource_types(BASE, Compatibility::Okta));
        insta::assert_json_snapshot!("schemas", schemas(BASE));
    }

    #[test]
    fn extension_attributes_are_flat_scalars() {
        let all = schemas(BASE);
        for attribute in find(&all, "id", urn::RINGCX_USER)["attributes"].as_array().unwrap() {
            assert_eq!(attribute["multiValued"], false);
            assert!(
                ["string", "integer", "boolean"].contains(&attribute["type"].as_str().unwrap()),
                "{attribute}"
            );
        }
    }
}
