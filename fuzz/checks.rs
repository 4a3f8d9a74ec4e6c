//! What must hold for any bytes as the body of a PATCH, as a bulk request and as a query string. Run by the fuzz targets, and by an
//! ordinary test over their corpora.

use std::collections::BTreeSet;

use ringcx_scim::scim::bulk::{BulkRequest, Resolved, resolve};
use ringcx_scim::scim::filter::{self, Matcher};
use ringcx_scim::scim::list::ListQuery;
use ringcx_scim::scim::patch::{self, PatchOp};
use ringcx_scim::scim::project::Projection;
use ringcx_scim::scim::schema::{GROUP, USER};
use ringcx_scim::scim::sort::Sort;
use ringcx_scim::scim::{Compatibility, Resource, Rules, json};

/// A PATCH applies or is refused; what was accepted reads back from the store as it was, and a user keeps a name.
pub(super) fn patch_body(data: &[u8]) {
    let Ok(body) = json::read(data) else { return };
    let stored = Resource::from_json(r#"{"userName":"jo","emails":[{"value":"a","type":"work"}]}"#);
    let stored = stored.unwrap_or_default();
    for compatibility in Compatibility::ALL {
        let rules = Rules::of(compatibility);
        let Ok(op) = PatchOp::parse(body.clone(), &rules) else { continue };
        let again = PatchOp::from_json(&op.to_json());
        assert!(again.is_ok_and(|again| again == op), "an accepted request reads back");
        if let Ok(patched) = patch::apply(&USER, &stored, &op, &rules) {
            assert!(patched.resource.text("userName").is_some_and(|name| !name.trim().is_empty()));
        }
        // Only a group has members; the rest of such a request is applied as for a user.
        drop(patch::split_members(&op, &rules));
        drop(patch::only_disable(&op));
    }
}

/// A bulk request is carried out in an order that has each operation once, and no reference survives.
pub(super) fn bulk_body(data: &[u8]) {
    let Ok(body) = json::read(data) else { return };
    let Ok(request) = BulkRequest::parse(body, 1000, &Rules::default()) else { return };
    let order = request.order();
    let distinct: BTreeSet<usize> = order.iter().map(|(index, _)| *index).collect();
    assert_eq!((order.len(), distinct.len()), (request.operations.len(), request.operations.len()));
    let mut resolved = Resolved::new();
    for (index, cut) in order {
        let Some(operation) = request.operations.get(index) else { continue };
        let data = if cut { operation.cut(&resolved).0 } else { operation.data.clone().unwrap_or_default() };
        drop(resolve(data, &resolved));
        drop(operation.id(&resolved));
        if let Some(name) = &operation.bulk_id {
            resolved.insert(name.clone(), Some(format!("id-{index}")));
        }
    }
}

/// A query is read or refused; a filter that was read can be written down and means the same again.
pub(super) fn query_string(data: &[u8]) {
    let Ok(pairs) = serde_urlencoded::from_bytes::<Vec<(String, String)>>(data) else { return };
    let rules = Rules::default();
    let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let Ok(query) = ListQuery::parse(pairs, 200, &rules) else { return };
    assert!(query.count <= 200);
    for ty in [&USER, &GROUP] {
        drop(Sort::parse(ty, &[&USER, &GROUP], query.sort_by.as_deref(), query.sort_order.as_deref()));
        drop(Projection::parse(ty, query.attributes.as_deref(), query.excluded_attributes.as_deref()));
    }
    let Some(parsed) = query.filter.as_deref().and_then(|text| filter::read(text, &rules).ok()) else {
        return;
    };
    let again = filter::read(&parsed.to_string(), &rules);
    assert!(again.is_ok_and(|again| again == parsed), "a filter reads back");
    drop(Matcher::compile_among(&USER, &[&USER, &GROUP], &parsed, &rules));
}
