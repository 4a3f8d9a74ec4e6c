//! Which attributes an answer shows: `attributes`, `excludedAttributes` and `returned` (RFC 7644 §3.9, RFC 7643 §7).

use serde_json::Value;

use super::schema::{Attribute, ResourceType, Returned, Schema};
use super::{Error, Object};

/// Most characters of one of the two parameters.
const MAX_LENGTH: usize = 16 * 1024;

/// What a client wants to see.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    mode: Mode,
}

#[derive(Clone, Debug, Default)]
enum Mode {
    /// What is returned by default.
    #[default]
    All,
    /// Only these, and what is always returned.
    Only(Vec<Selected>),
    /// All but these.
    Except(Vec<Selected>),
}

/// One name of a parameter.
#[derive(Clone, Copy, Debug)]
struct Selected {
    extension: Option<&'static Schema>,
    attribute: Option<&'static Attribute>,
    sub: Option<&'static Attribute>,
}

impl Selected {
    fn holds(&self, extension: Option<&Schema>, attribute: &Attribute) -> bool {
        self.extension.map(|schema| schema.id) == extension.map(|schema| schema.id)
            && self.attribute.is_none_or(|own| own.name == attribute.name)
    }
}

impl Projection {
    /// What is returned by default.
    pub fn all() -> Self {
        Self::default()
    }

    /// Reads the two parameters. Unknown names are ignored. RFC 7644 §3.9 makes the parameters exclusive of each other; where a
    /// client sends both, `attributes` wins, since it shows least.
    ///
    /// ```
    /// use ringcx_scim::scim::project::Projection;
    /// use ringcx_scim::scim::schema::USER;
    /// use serde_json::{Value, json};
    ///
    /// let full = json!({"id": "1", "userName": "jo", "name": {"givenName": "Jo", "familyName": "B"}});
    /// let projection = Projection::parse(&USER, Some("name.givenName"), None)?;
    /// let shown = projection.apply(&USER, full.as_object().unwrap().clone());
    /// assert_eq!(Value::Object(shown), json!({"id": "1", "name": {"givenName": "Jo"}}));
    /// # Ok::<(), ringcx_scim::scim::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// 400 `invalidValue` for a parameter of unreasonable length.
    pub fn parse(ty: &ResourceType, attributes: Option<&str>, excluded: Option<&str>) -> Result<Self, Error> {
        let read = |name: &str, text: &str| {
            if text.len() > MAX_LENGTH {
                return Err(Error::invalid_value(format!(
                    "{name} is longer than {MAX_LENGTH} bytes; name fewer."
                )));
            }
            Ok(text.split(',').filter_map(|path| select(ty, path.trim())).flatten().collect())
        };
        let given = |text: Option<&str>| text.map(str::trim).is_some_and(|text| !text.is_empty());
        let mode = match (attributes, excluded) {
            (Some(text), _) if given(attributes) => Mode::Only(read("attributes", text)?),
            (_, Some(text)) if given(excluded) => Mode::Except(read("excludedAttributes", text)?),
            _ => Mode::All,
        };
        Ok(Self { mode })
    }

    /// Whether nothing was asked for, so that an answer may be sent as it is stored.
    pub fn is_all(&self) -> bool {
        matches!(self.mode, Mode::All)
    }

    /// Whether any part of this top-level attribute (`members`, `groups`, `meta` ...) will be shown.
    pub fn wants(&self, attribute: &str) -> bool {
        let named = |selected: &&Selected| {
            selected.extension.is_none()
                && selected.attribute.is_none_or(|own| own.name.eq_ignore_ascii_case(attribute))
        };
        match &self.mode {
            Mode::All => true,
            Mode::Only(selected) => is_always(attribute) || selected.iter().any(|each| named(&each)),
            Mode::Except(selected) => {
                is_always(attribute) || !selected.iter().any(|each| named(&each) && each.sub.is_none())
            }
        }
    }

    /// The part of a full answer that is shown. Attributes outside the schema pass through where nothing was asked for.
    pub fn apply(&self, ty: &ResourceType, full: Object) -> Object {
        let mut shown = full;
        self.retain(&mut shown, None, |name| {
            ty.attributes().find(|(schema, each)| schema.is_none() && each.name == name)
        });
        for extension in ty.extensions {
            let Some(Value::Object(inner)) = shown.get_mut(extension.id) else { continue };
            self.retain(inner, Some(*extension), |name| Some((Some(*extension), extension.attribute(name)?)));
            if inner.is_empty() {
                shown.remove(extension.id);
            }
        }
        shown
    }

    fn retain(
        &self,
        holder: &mut Object,
        extension: Option<&'static Schema>,
        find: impl Fn(&str) -> Option<(Option<&'static Schema>, &'static Attribute)>,
    ) {
        holder.retain(|name, value| {
            let Some((_, attribute)) = find(name) else {
                // An extension is filtered on its own; anything else unknown is shown only to those who ask for nothing.
                return (extension.is_none() && value.is_object()) || !matches!(self.mode, Mode::Only(_));
            };
            match attribute.returned {
                Returned::Always => true,
                Returned::Never => false,
                Returned::Default => self.shows(extension, attribute, value, true),
                Returned::Request => self.shows(extension, attribute, value, false),
            }
        });
    }

    /// Whether the attribute is shown; takes out the sub-attributes that are not.
    fn shows(
        &self,
        extension: Option<&Schema>,
        attribute: &Attribute,
        value: &mut Value,
        by_default: bool,
    ) -> bool {
        match &self.mode {
            Mode::All => by_default,
            Mode::Only(selected) => {
                let mine = || selected.iter().filter(|each| each.holds(extension, attribute));
                if mine().next().is_none() {
                    return false;
                }
                if mine().all(|each| each.sub.is_some()) {
                    retain_subs(value, |sub| mine().any(|each| each.sub.is_some_and(|own| own.name == sub)));
                    return !super::resource::is_empty(value);
                }
                true
            }
            Mode::Except(selected) => {
                let mine = || selected.iter().filter(|each| each.holds(extension, attribute));
                if mine().any(|each| each.sub.is_none()) {
                    return false;
                }
                if mine().next().is_some() {
                    retain_subs(value, |sub| !mine().any(|each| each.sub.is_some_and(|own| own.name == sub)));
                    return by_default && !super::resource::is_empty(value);
                }
                by_default
            }
        }
    }
}

fn is_always(attribute: &str) -> bool {
    attribute.eq_ignore_ascii_case("id") || attribute.eq_ignore_ascii_case("schemas")
}

/// What a name selects; the URN of the core schema selects all of its attributes.
fn select(ty: &ResourceType, path: &str) -> Option<Vec<Selected>> {
    if ty.is_core_urn(path) {
        return Some(vec![Selected { extension: None, attribute: None, sub: None }]);
    }
    let at = ty.find(path)?;
    Some(vec![Selected { extension: at.extension, attribute: at.attribute, sub: at.sub }])
}

fn retain_subs(value: &mut Value, keep: impl Fn(&str) -> bool + Copy) {
    match value {
        Value::Object(object) => object.retain(|name, _| keep(name)),
        Value::Array(items) => {
            for item in items.iter_mut() {
                retain_subs(item, keep);
            }
            items.retain(|item| !super::resource::is_empty(item));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "`json!` values read best by value")]

    use serde_json::json;

    use super::*;
    use crate::scim::schema::{GROUP, USER};
    use crate::scim::urn;

    fn full() -> Object {
        let value = json!({
            "schemas": [urn::USER, urn::RINGCX_USER], "id": "1", "meta": {"resourceType": "User", "location": "l"},
            "userName": "jo", "name": {"givenName": "Jo", "familyName": "B"},
            "emails": [{"value": "a@b.c", "type": "work"}, {"type": "home"}],
            "groups": [{"value": "g", "display": "G"}],
            urn::RINGCX_USER: {"agentRank": 5, "phoneLoginPin": "1234"},
        });
        value.as_object().unwrap().clone()
    }

    fn check(attributes: Option<&str>, excluded: Option<&str>, expected: Value) {
        let projection = Projection::parse(&USER, attributes, excluded).unwrap();
        assert_eq!(Value::Object(projection.apply(&USER, full())), expected, "{attributes:?} {excluded:?}");
    }

    #[test]
    fn attributes_select_in_any_case_and_by_urn() {
        let ids = json!({"schemas": [urn::USER, urn::RINGCX_USER], "id": "1"});
        let with = |more: Value| {
            let mut all = ids.as_object().unwrap().clone();
            all.extend(more.as_object().unwrap().clone());
            Value::Object(all)
        };
        check(Some("id"), None, ids.clone());
        check(Some("nonsense"), None, ids.clone());
        check(
            Some("USERNAME, Name.GivenName"),
            None,
            with(json!({"userName": "jo", "name": {"givenName": "Jo"}})),
        );
        check(Some("emails.value"), None, with(json!({"emails": [{"value": "a@b.c"}]})));
        check(
            Some("name,name.givenName"),
            None,
            with(json!({"name": {"givenName": "Jo", "familyName": "B"}})),
        );
        check(
            Some("urn:ietf:params:scim:schemas:core:2.0:User:userName"),
            None,
            with(json!({"userName": "jo"})),
        );
        check(Some(urn::RINGCX_USER), None, with(json!({urn::RINGCX_USER: {"agentRank": 5}})));
        check(
            Some(&format!("{}:agentRank", urn::RINGCX_USER)),
            None,
            with(json!({urn::RINGCX_USER: {"agentRank": 5}})),
        );
        // Both given: `attributes` wins.
        check(Some("userName"), Some("userName"), with(json!({"userName": "jo"})));
    }

    #[test]
    fn excluded_attributes_leave_the_rest() {
        let mut expected = Value::Object(full());
        let members = expected.as_object_mut().unwrap();
        members.remove("groups");
        members.remove("meta");
        members.insert("name".to_owned(), json!({"familyName": "B"}));
        members.insert(urn::RINGCX_USER.to_owned(), json!({"agentRank": 5}));
        check(None, Some("groups,META,name.givenName,id,schemas"), expected.clone());
        members_of(&mut expected).remove(urn::RINGCX_USER);
        check(None, Some(&format!("groups,meta,name.givenName,{}", urn::RINGCX_USER)), expected);
    }

    fn members_of(value: &mut Value) -> &mut Object {
        value.as_object_mut().unwrap()
    }

    #[test]
    fn secrets_are_never_returned() {
        let pin = format!("{}:phoneLoginPin", urn::RINGCX_USER);
        check(Some(&pin), None, json!({"schemas": [urn::USER, urn::RINGCX_USER], "id": "1"}));
        let shown = Projection::all().apply(&USER, full());
        assert_eq!(shown[urn::RINGCX_USER], json!({"agentRank": 5}));
    }

    #[test]
    fn entra_groups_excluded_attributes_members() {
        let projection = Projection::parse(&GROUP, None, Some("members")).unwrap();
        assert!(!projection.wants("members") && projection.wants("displayName") && !projection.is_all());
        let group =
            json!({"schemas": [urn::GROUP], "id": "g", "displayName": "G", "members": [{"value": "1"}]});
        let shown = projection.apply(&GROUP, group.as_object().unwrap().clone());
        assert_eq!(Value::Object(shown), json!({"schemas": [urn::GROUP], "id": "g", "displayName": "G"}));
        assert!(Projection::parse(&GROUP, Some("members.value"), None).unwrap().wants("MEMBERS"));
        assert!(!Projection::parse(&GROUP, Some("displayName"), None).unwrap().wants("members"));
        assert!(Projection::parse(&GROUP, None, Some("members.display")).unwrap().wants("members"));
        assert!(Projection::parse(&GROUP, Some(" "), None).unwrap().is_all());
    }
}
