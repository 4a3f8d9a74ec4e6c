//! Attributes as data: what a User and a Group consist of.
//!
//! These tables are the only place that knows attribute names. Validation, coercion, `/Schemas`, projection, filter semantics
//! and the mutability rules of PATCH all follow from them. To add an attribute, add a row to `user`, `enterprise`,
//! `ringcx` or `group`. Not here: what an attribute means to the contact centre.

mod attribute;
mod catalog;
mod common;
mod enterprise;
mod group;
mod ringcx;
mod user;

pub use attribute::{Attribute, Constraint, Kind, Mutability, Returned, Storage, Uniqueness};

use std::fmt;

use scim_filter_parser::AttrPath;

use super::fold::strip_prefix;
use super::{Compatibility, Object, urn};

/// A schema: a URN and its attributes.
#[derive(Debug)]
pub struct Schema {
    /// The URN.
    pub id: &'static str,
    /// Name for people.
    pub name: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
}

impl Schema {
    /// The attribute of this name, in any case.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|each| each.name.eq_ignore_ascii_case(name))
    }
}

/// A type of resource: its schema, its extensions and where it lives.
#[derive(Debug)]
pub struct ResourceType {
    /// `User`, `Group`, `Role` ...
    pub name: &'static str,
    /// Path below the tenant's base.
    pub endpoint: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// The core schema.
    pub schema: &'static Schema,
    /// Its extensions, none of them required.
    pub extensions: &'static [&'static Schema],
}

/// The `User` resource type.
pub static USER: ResourceType = ResourceType {
    name: "User",
    endpoint: "/Users",
    description: "A person: agent, administrator, both, or neither yet",
    schema: &user::SCHEMA,
    extensions: &[&enterprise::SCHEMA, &ringcx::SCHEMA],
};

/// The `Group` resource type.
pub static GROUP: ResourceType = ResourceType {
    name: "Group",
    endpoint: "/Groups",
    description: "A group of people; membership gives agent groups, roles and rights documents",
    schema: &group::SCHEMA,
    extensions: &[],
};

/// The `Role` resource type, as Okta's entitlement management discovers it.
pub static ROLE: ResourceType = ResourceType {
    name: "Role",
    endpoint: "/Roles",
    description: "Roles of administrators that this tenant gives",
    schema: &catalog::ROLE,
    extensions: &[],
};

/// The `Entitlement` resource type: rights documents.
pub static ENTITLEMENT: ResourceType = ResourceType {
    name: "Entitlement",
    endpoint: "/Entitlements",
    description: "Rights documents of administrators that this tenant gives",
    schema: &catalog::ENTITLEMENT,
    extensions: &[],
};

/// The `AgentGroup` resource type: an entitlement of its own kind, so that Okta offers the agent groups by name.
pub static AGENT_GROUP: ResourceType = ResourceType {
    name: "AgentGroup",
    endpoint: "/AgentGroups",
    description: "Agent groups, one of which an agent belongs to",
    schema: &catalog::ENTITLEMENT,
    extensions: &[],
};

/// Every resource type.
pub static RESOURCE_TYPES: [&ResourceType; 5] = [&USER, &GROUP, &ROLE, &ENTITLEMENT, &AGENT_GROUP];

/// The resource types that a client is told of: a second kind of entitlement is for Okta, whose rules have it.
pub fn announced(compatibility: Compatibility) -> &'static [&'static ResourceType] {
    match compatibility {
        Compatibility::Okta => &RESOURCE_TYPES,
        Compatibility::Generic
        | Compatibility::Entra
        | Compatibility::Onelogin
        | Compatibility::Jumpcloud
        | Compatibility::Ping
        | Compatibility::Strict => RESOURCE_TYPES.split_last().map_or(&[], |(_, others)| others),
    }
}

/// Every published schema.
pub static SCHEMAS: [&Schema; 6] = [
    &user::SCHEMA,
    &group::SCHEMA,
    &enterprise::SCHEMA,
    &ringcx::SCHEMA,
    &catalog::ROLE,
    &catalog::ENTITLEMENT,
];

/// What an attribute path means in a resource type.
#[derive(Clone, Copy, Debug)]
pub struct Resolved {
    /// The extension that holds the attribute; `None` for the core schema and the common attributes.
    pub extension: Option<&'static Schema>,
    /// The attribute; `None` when the path is the bare URN of the extension.
    pub attribute: Option<&'static Attribute>,
    /// The sub-attribute, where the path has one.
    pub sub: Option<&'static Attribute>,
}

impl Resolved {
    /// The innermost attribute that the path names.
    pub fn leaf(&self) -> Option<&'static Attribute> {
        self.sub.or(self.attribute)
    }

    /// Whether a client may write there.
    pub fn writable(&self) -> bool {
        self.attribute.is_none_or(Attribute::writable) && self.sub.is_none_or(Attribute::writable)
    }

    /// The values at this path in an object that spells names as the schema does, before any sub-attribute is taken.
    pub fn value<'a>(&self, object: &'a Object) -> Option<&'a serde_json::Value> {
        let holder = match self.extension {
            None => object,
            Some(schema) => match self.attribute {
                None => return object.get(schema.id),
                Some(_) => object.get(schema.id)?.as_object()?,
            },
        };
        holder.get(self.attribute?.name)
    }
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = self.extension {
            f.write_str(schema.id)?;
        }
        if let Some(attribute) = self.attribute {
            if self.extension.is_some() {
                f.write_str(":")?;
            }
            f.write_str(attribute.name)?;
        }
        if let Some(sub) = self.sub {
            write!(f, ".{}", sub.name)?;
        }
        Ok(())
    }
}

impl ResourceType {
    /// What a parsed attribute path means here; `None` when no schema knows it.
    pub fn resolve(&self, path: &AttrPath) -> Option<Resolved> {
        self.resolve_parts(path.urn.as_deref(), &path.name, path.sub.as_deref())
    }

    /// What the parts of a parsed attribute path mean here; `None` when no schema knows it.
    pub fn resolve_parts(&self, urn: Option<&str>, name: &str, sub: Option<&str>) -> Option<Resolved> {
        let Some(urn) = urn else {
            return self.unqualified(name, sub);
        };
        if urn.eq_ignore_ascii_case(self.schema.id) {
            return within(None, self.core(name)?, sub);
        }
        if let Some(extension) = self.extensions.iter().find(|each| each.id.eq_ignore_ascii_case(urn)) {
            return within(Some(*extension), extension.attribute(name)?, sub);
        }
        // By the grammar a bare extension URN reads as its last word in the namespace of the rest.
        let is_whole = |id: &str| {
            let last = strip_prefix(id, urn).and_then(|rest| rest.strip_prefix(':'));
            last.is_some_and(|last| last.eq_ignore_ascii_case(name)) && sub.is_none()
        };
        let extension = *self.extensions.iter().find(|each| is_whole(each.id))?;
        Some(Resolved { extension: Some(extension), attribute: None, sub: None })
    }

    /// What a textual path (`name`, `name.sub`, `urn`, `urn:name.sub`) means here, in any case and without a value filter.
    ///
    /// ```
    /// use ringcx_scim::scim::schema::USER;
    ///
    /// let at = USER.find("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:MANAGER.value").unwrap();
    /// assert_eq!(at.sub.map(|sub| sub.name), Some("value"));
    /// assert!(USER.find("shoeSize").is_none());
    /// ```
    pub fn find(&self, path: &str) -> Option<Resolved> {
        for extension in self.extensions {
            if let Some(rest) = strip_prefix(path, extension.id) {
                if rest.is_empty() {
                    return Some(Resolved { extension: Some(*extension), attribute: None, sub: None });
                }
                return extension.find(rest.strip_prefix(':')?);
            }
        }
        let path = match strip_prefix(path, self.schema.id) {
            Some(rest) => rest.strip_prefix(':')?,
            None => path,
        };
        let (name, sub) = split(path);
        self.unqualified(name, sub)
    }

    /// Whether this text is the URN of the core schema.
    pub(super) fn is_core_urn(&self, text: &str) -> bool {
        text.eq_ignore_ascii_case(self.schema.id)
    }

    /// A name without a URN: the core schema, else the first extension, since Entra writes `manager` so.
    fn unqualified(&self, name: &str, sub: Option<&str>) -> Option<Resolved> {
        if let Some(attribute) = self.core(name) {
            return within(None, attribute, sub);
        }
        let extension = *self.extensions.first()?;
        within(Some(extension), extension.attribute(name)?, sub)
    }

    fn core(&self, name: &str) -> Option<&'static Attribute> {
        let common = || common::ATTRIBUTES.iter().find(|each| each.name.eq_ignore_ascii_case(name));
        self.schema.attribute(name).or_else(common)
    }

    /// Core and common attributes, then those of each extension.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (Option<&'static Schema>, &'static Attribute)> {
        let core = self.schema.attributes.iter().chain(common::ATTRIBUTES).map(|each| (None, each));
        let extended = self.extensions.iter().flat_map(|schema| {
            let schema: &'static Schema = schema;
            schema.attributes.iter().map(move |each| (Some(schema), each))
        });
        core.chain(extended)
    }
}

impl Schema {
    /// `name` or `name.sub` in this extension.
    pub(super) fn find(&'static self, path: &str) -> Option<Resolved> {
        let (name, sub) = split(path);
        within(Some(self), self.attribute(name)?, sub)
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('.').map_or((path, None), |(name, sub)| (name, Some(sub)))
}

fn within(
    extension: Option<&'static Schema>,
    attribute: &'static Attribute,
    sub: Option<&str>,
) -> Option<Resolved> {
    let sub = match sub {
        None => None,
        Some(name) => Some(attribute.sub(name)?),
    };
    Some(Resolved { extension, attribute: Some(attribute), sub })
}

/// The URNs that a stored resource uses as keys.
pub(super) const EXTENSION_URNS: [&str; 2] = [urn::ENTERPRISE_USER, urn::RINGCX_USER];

#[cfg(test)]
mod tests;
