//! The OpenAPI document of the server, made from the tables that the server itself reads.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::scim::schema::{
    AGENT_GROUP, Attribute, ENTITLEMENT, GROUP, Kind, RESOURCE_TYPES, ROLE, ResourceType, USER,
};
use crate::scim::urn;

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut text = serde_json::to_string_pretty(&build()).unwrap_or_default();
    text.push('\n');
    text
});

/// The document as text, the same for every build of one version.
pub fn document() -> &'static str {
    &DOCUMENT
}

fn paths() -> Map<String, Value> {
    let mut paths = Map::new();
    for ty in RESOURCE_TYPES {
        let writable = ty.name == USER.name || ty.name == GROUP.name;
        paths.insert(ty.endpoint.to_owned(), collection(ty, writable));
        paths.insert(format!("{}/{{id}}", ty.endpoint), single(ty, writable));
        paths.insert(format!("{}/.search", ty.endpoint), search(&format!("Search {}s", ty.name), ty.name));
    }
    let mut everything = operation(
        "List resources of all types",
        "list",
        "Everything",
        &[(200, "A page", Some(reference("ListResponse")))],
    );
    insert(&mut everything, "parameters", list_parameters());
    paths.insert("/".to_owned(), json!({"get": everything}));
    paths.insert("/.search".to_owned(), search("Search resources of all types", "Everything"));
    let mut bulk = operation(
        "Carry out several operations",
        "post",
        "Bulk",
        &[(200, "What became of each", Some(reference("BulkResponse")))],
    );
    insert(&mut bulk, "requestBody", body(&reference("BulkRequest")));
    paths.insert("/Bulk".to_owned(), json!({"post": bulk}));
    for (path, what, list) in [
        ("/ServiceProviderConfig", "What the server supports", false),
        ("/ResourceTypes", "The types of resource", true),
        ("/ResourceTypes/{id}", "One type of resource", false),
        ("/Schemas", "The schemas", true),
        ("/Schemas/{id}", "One schema", false),
    ] {
        let schema = if list { reference("ListResponse") } else { json!({"type": "object"}) };
        let mut get = operation(what, "get", path, &[(200, what, Some(schema))]);
        let with_id = path.contains("{id}");
        insert(&mut get, "parameters", if with_id { json!([id_parameter()]) } else { json!([]) });
        paths.insert(path.to_owned(), json!({"get": get}));
    }
    paths.insert("/Me".to_owned(), me());
    paths.extend(outside());
    paths
}

/// The user to whom the token belongs; any other token is told that this is not implemented.
fn me() -> Value {
    let mut me = single(&USER, true);
    let post = operation("Not implemented: create users at /Users", "create", "Me", &[]);
    insert(&mut me, "post", post);
    if let Some(me) = me.as_object_mut() {
        me.remove("parameters");
        for (verb, operation) in me.iter_mut() {
            insert(operation, "operationId", json!(format!("{verb}Me")));
            let refused = json!({
                "description": "Not for this token",
                "content": {"application/scim+json": {"schema": reference("Error")}},
            });
            insert(&mut operation["responses"], "501", refused);
        }
    }
    me
}

fn content(kind: &str, schema: &Value) -> Value {
    json!({kind: {"schema": schema}})
}

fn json_answer(description: &str, schema: &Value) -> Value {
    json!({"description": description, "content": content("application/json", schema)})
}

/// `POST /oauth/token`, whose errors are OAuth's (RFC 6749 §5.2).
fn exchange() -> Value {
    let refused = json!({
        "type": "object", "required": ["error"],
        "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
    });
    let issued = json!({
        "type": "object", "required": ["access_token", "token_type", "expires_in"],
        "properties": {
            "access_token": {"type": "string"}, "token_type": {"const": "Bearer"}, "expires_in": {"type": "integer"},
            "scope": {"type": "string"},
        },
    });
    let form = json!({
        "type": "object", "required": ["grant_type"],
        "properties": {
            "grant_type": {"const": "client_credentials"}, "client_id": {"type": "string"}, "client_secret": {"type": "string"},
            "client_assertion_type": {"type": "string"}, "client_assertion": {"type": "string"},
        },
    });
    json!({
        "summary": "Exchange client credentials for a short token (RFC 6749, RFC 7523); another tenant's is /{tenant}/oauth/token",
        "operationId": "exchangeToken", "security": [],
        "requestBody": {"required": true, "content": content("application/x-www-form-urlencoded", &form)},
        "responses": {
            "200": json_answer("A token", &issued), "400": json_answer("Not such a request", &refused),
            "401": json_answer("Not such a client", &refused), "503": json_answer("Not now", &refused),
        },
    })
}

/// What is served beside the bases of the tenants, at the root of the server.
fn outside() -> Map<String, Value> {
    let object = json!({"type": "object"});
    let get = |summary: &str, name: &str, responses: Value| json!({"get": {"summary": summary, "operationId": name, "security": [], "responses": responses}});
    let text =
        json!({"description": "Metrics", "content": content("text/plain", &json!({"type": "string"}))});
    let ready =
        json!({"200": json_answer("Ready", &object), "503": json_answer("Not ready, and why", &object)});
    let paths = [
        ("/oauth/token", json!({"post": exchange()})),
        (
            "/.well-known/jwks.json",
            get(
                "The public keys of issued tokens",
                "readKeys",
                json!({"200": json_answer("A key set", &object)}),
            ),
        ),
        (
            "/healthz",
            get("Whether the process answers", "readHealth", json!({"200": json_answer("It does", &object)})),
        ),
        ("/readyz", get("Whether the server can serve, and why not", "readReadiness", ready)),
        ("/metrics", get("Metrics for Prometheus", "readMetrics", json!({"200": text}))),
    ];
    let at_root = |(path, mut item): (&str, Value)| {
        insert(&mut item, "servers", json!([{"url": "/"}]));
        (path.to_owned(), item)
    };
    paths.into_iter().map(at_root).collect()
}

fn build() -> Value {
    let paths = paths();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ringcx-scim",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "SCIM 2.0 (RFC 7643, RFC 7644, RFC 9865) for RingCX. Every error is a SCIM error with a request id. \
                `/Me` stands for the user to whom the token belongs, and answers 501 to any other token.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "servers": [
            {"url": "/scim/v2", "description": "The tenant `default`"},
            {"url": "/{tenant}/scim/v2", "description": "Any other tenant", "variables": {"tenant": {"default": "emea"}}},
        ],
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "User": resource(&USER),
                "Group": resource(&GROUP),
                "Role": resource(&ROLE),
                "Entitlement": resource(&ENTITLEMENT),
                "AgentGroup": resource(&AGENT_GROUP),
                "SearchRequest": search_request(),
                "BulkRequest": bulk_message(urn::BULK_REQUEST),
                "BulkResponse": bulk_message(urn::BULK_RESPONSE),
                "PatchOp": patch_op(),
                "ListResponse": list_response(),
                "Error": error(),
            },
        },
    })
}

fn list_parameters() -> Value {
    json!([
        query("filter", "RFC 7644 §3.4.2.2", "string"),
        query("sortBy", "Attribute to sort by", "string"),
        query("sortOrder", "ascending or descending", "string"),
        query("startIndex", "From 1", "integer"),
        query("cursor", "RFC 9865: empty for the first page, then nextCursor", "string"),
        query("count", "Most on the page", "integer"),
        query("attributes", "Only these", "string"),
        query("excludedAttributes", "Not these", "string"),
    ])
}

fn search(summary: &str, what: &str) -> Value {
    let mut post = operation(summary, "search", what, &[(200, "A page", Some(reference("ListResponse")))]);
    insert(&mut post, "requestBody", body(&reference("SearchRequest")));
    json!({"post": post})
}

fn collection(ty: &ResourceType, writable: bool) -> Value {
    let mut list = operation(
        &format!("List {}s", ty.name),
        "list",
        ty.name,
        &[(200, "A page", Some(reference("ListResponse")))],
    );
    insert(&mut list, "parameters", list_parameters());
    if !writable {
        return json!({"get": list});
    }
    let mut create = operation(
        &format!("Create a {}", ty.name),
        "create",
        ty.name,
        &[(201, "Created", Some(reference(ty.name)))],
    );
    insert(&mut create, "requestBody", body(&reference(ty.name)));
    json!({"get": list, "post": create})
}

fn single(ty: &ResourceType, writable: bool) -> Value {
    let shown = [(200, "The resource", Some(reference(ty.name)))];
    let get = operation(&format!("Read a {}", ty.name), "read", ty.name, &shown);
    if !writable {
        return json!({"parameters": [id_parameter()], "get": get});
    }
    let mut put = operation(&format!("Replace a {}", ty.name), "replace", ty.name, &shown);
    insert(&mut put, "requestBody", body(&reference(ty.name)));
    let patched = [(200, "The resource", Some(reference(ty.name))), (204, "Done", None)];
    let mut patch = operation(&format!("Change a {}", ty.name), "patch", ty.name, &patched);
    insert(&mut patch, "requestBody", body(&reference("PatchOp")));
    let delete = operation(&format!("Delete a {}", ty.name), "delete", ty.name, &[(204, "Deleted", None)]);
    json!({"parameters": [id_parameter()], "get": get, "put": put, "patch": patch, "delete": delete})
}

fn operation(summary: &str, verb: &str, what: &str, successes: &[(u16, &str, Option<Value>)]) -> Value {
    let mut responses = Map::new();
    for (status, description, schema) in successes {
        let mut response = json!({"description": description});
        if let Some(schema) = schema {
            insert(&mut response, "content", json!({"application/scim+json": {"schema": schema}}));
        }
        responses.insert(status.to_string(), response);
    }
    let failed = json!({
        "description": "A SCIM error: 400, 401, 403, 404, 405, 409, 412, 413, 415, 429, 500 or 503",
        "content": {"application/scim+json": {"schema": reference("Error")}},
    });
    responses.insert("default".to_owned(), failed);
    let name: String = what.chars().filter(char::is_ascii_alphanumeric).collect();
    json!({"summary": summary, "operationId": format!("{verb}{name}"), "responses": responses})
}

fn insert(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn body(schema: &Value) -> Value {
    json!({"required": true, "content": {"application/scim+json": {"schema": schema}, "application/json": {"schema": schema}}})
}

fn query(name: &str, description: &str, kind: &str) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": {"type": kind}})
}

fn id_parameter() -> Value {
    json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string"}})
}

fn resource(ty: &ResourceType) -> Value {
    let mut properties = Map::new();
    properties.insert("schemas".to_owned(), json!({"type": "array", "items": {"type": "string"}}));
    properties.insert("id".to_owned(), json!({"type": "string", "readOnly": true}));
    properties.insert("externalId".to_owned(), json!({"type": "string"}));
    properties.insert("meta".to_owned(), json!({"type": "object", "readOnly": true}));
    properties.extend(attributes(ty.schema.attributes));
    for extension in ty.extensions {
        let inner = attributes(extension.attributes);
        properties.insert(extension.id.to_owned(), json!({"type": "object", "properties": inner}));
    }
    let required: Vec<&str> =
        ty.schema.attributes.iter().filter(|it| it.required).map(|it| it.name).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

fn attributes(all: &[Attribute]) -> Map<String, Value> {
    all.iter().map(|attribute| (attribute.name.to_owned(), property(attribute))).collect()
}

fn property(attribute: &Attribute) -> Value {
    let one = match attribute.kind {
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Integer => json!({"type": "integer"}),
        Kind::Decimal => json!({"type": "number"}),
        Kind::DateTime => json!({"type": "string", "format": "date-time"}),
        Kind::Complex => json!({"type": "object", "properties": attributes(attribute.sub_attributes)}),
        _ => json!({"type": "string"}),
    };
    let mut property = if attribute.multi_valued { json!({"type": "array", "items": one}) } else { one };
    insert(&mut property, "description", json!(attribute.description));
    property
}

fn patch_op() -> Value {
    json!({
        "type": "object",
        "required": ["Operations"],
        "properties": {
            "schemas": {"type": "array", "items": {"const": urn::PATCH_OP}},
            "Operations": {"type": "array", "items": {
                "type": "object",
                "required": ["op"],
                "properties": {"op": {"type": "string"}, "path": {"type": "string"}, "value": {}},
            }},
        },
    })
}

fn search_request() -> Value {
    json!({
        "type": "object",
        "properties": {
            "schemas": {"type": "array", "items": {"const": urn::SEARCH_REQUEST}},
            "filter": {"type": "string"}, "sortBy": {"type": "string"},
            "sortOrder": {"type": "string", "enum": ["ascending", "descending"]},
            "startIndex": {"type": "integer"}, "cursor": {"type": "string"}, "count": {"type": "integer"},
            "attributes": {"type": "array", "items": {"type": "string"}},
            "excludedAttributes": {"type": "array", "items": {"type": "string"}},
        },
    })
}

fn bulk_message(schema: &str) -> Value {
    let answers = schema == urn::BULK_RESPONSE;
    let own = if answers {
        json!({"status": {"type": "string"}, "location": {"type": "string"}, "response": {"type": "object"}})
    } else {
        json!({"path": {"type": "string"}, "data": {"type": "object"}})
    };
    let mut operation = json!({
        "method": {"type": "string"}, "bulkId": {"type": "string"}, "version": {"type": "string"},
    });
    if let (Some(operation), Value::Object(own)) = (operation.as_object_mut(), own) {
        operation.extend(own);
    }
    json!({
        "type": "object",
        "required": ["Operations"],
        "properties": {
            "schemas": {"type": "array", "items": {"const": schema}},
            "failOnErrors": {"type": "integer", "minimum": 1},
            "Operations": {"type": "array", "items": {"type": "object", "properties": operation}},
        },
    })
}

fn list_response() -> Value {
    json!({
        "type": "object",
        "required": ["schemas", "totalResults", "itemsPerPage", "Resources"],
        "properties": {
            "schemas": {"type": "array", "items": {"const": urn::LIST_RESPONSE}},
            "totalResults": {"type": "integer"}, "startIndex": {"type": "integer"}, "itemsPerPage": {"type": "integer"},
            "nextCursor": {"type": "string"},
            "Resources": {"type": "array", "items": {"type": "object"}},
        },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "required": ["schemas", "status", "detail"],
        "properties": {
            "schemas": {"type": "array", "items": {"const": urn::ERROR}},
            "status": {"type": "string"}, "scimType": {"type": "string"}, "detail": {"type": "string"},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_the_repository_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/ringcx-scim.json");
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, document()).unwrap();
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            stored,
            document(),
            "run `UPDATE_OPENAPI=1 cargo test openapi` and look at the difference"
        );
    }
}
