//! One attribute as data (RFC 7643 §7), with the builders that keep the tables short.

/// The data type of an attribute (RFC 7643 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Decimal,
    /// A time, RFC 3339.
    DateTime,
    /// Base64.
    Binary,
    /// A URI.
    Reference,
    /// An object of sub-attributes.
    Complex,
}

impl Kind {
    /// The word of the published schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

/// Who may write an attribute (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Only the server.
    ReadOnly,
    /// Clients, any time.
    ReadWrite,
    /// Clients, at creation.
    Immutable,
    /// Clients, and nobody reads it.
    WriteOnly,
}

impl Mutability {
    /// The word of the published schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "readOnly",
            Self::ReadWrite => "readWrite",
            Self::Immutable => "immutable",
            Self::WriteOnly => "writeOnly",
        }
    }
}

/// When an attribute is shown (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Whatever the client asks for.
    Always,
    /// Never.
    Never,
    /// Unless excluded or not asked for.
    Default,
    /// Only when asked for.
    Request,
}

impl Returned {
    /// The word of the published schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Never => "never",
            Self::Default => "default",
            Self::Request => "request",
        }
    }
}

/// How far a value has to be unique (RFC 7643 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// It may repeat.
    None,
    /// Within one tenant.
    Server,
}

impl Uniqueness {
    /// The word of the published schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Server => "server",
        }
    }
}

/// What a value must look like beyond its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Anything.
    Any,
    /// A number from `min` to `max`, both included.
    Range {
        /// Least value.
        min: i64,
        /// Greatest value, if there is one.
        max: Option<i64>,
    },
    /// One of these words, in any case, stored as spelled here.
    Words(&'static [&'static str]),
    /// ASCII digits only.
    Digits,
    /// A telephone number: an optional plus sign and 7 to 15 digits (E.164), separators allowed.
    Phone,
    /// Where calls go: a telephone number, an extension of 2 to 8 digits, a SIP address, or a softphone, which is a word.
    Destination,
}

/// What is exceptional about a stored attribute; most have none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In the resource as the client wrote it.
    Kept,
    /// In the resource; a PUT that does not mention it leaves it (RFC 7644 §3.5.1 leaves that to the server).
    KeptThroughPut,
    /// Not in the resource: computed or joined when it is shown.
    Joined,
    /// Accepted and forgotten.
    Dropped,
}

/// One attribute or sub-attribute.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the characteristics of RFC 7643 §7 are booleans")]
pub struct Attribute {
    /// Name as the schema spells it.
    pub name: &'static str,
    /// Data type.
    pub kind: Kind,
    /// Whether it is a list.
    pub multi_valued: bool,
    /// Whether a resource must have it.
    pub required: bool,
    /// Whether comparison respects case.
    pub case_exact: bool,
    /// Who may write it.
    pub mutability: Mutability,
    /// When it is shown.
    pub returned: Returned,
    /// How far it has to be unique.
    pub uniqueness: Uniqueness,
    /// Suggested values, published; they do not restrict (that is `constraint`).
    pub canonical_values: &'static [&'static str],
    /// What a reference may point to.
    pub reference_types: &'static [&'static str],
    /// Sub-attributes of a complex attribute.
    pub sub_attributes: &'static [Attribute],
    /// What a value must look like.
    pub constraint: Constraint,
    /// Where it lives.
    pub storage: Storage,
    /// One sentence for people.
    pub description: &'static str,
    /// Whether `/Schemas` mentions it.
    pub published: bool,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            kind,
            multi_valued: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: Uniqueness::None,
            canonical_values: &[],
            reference_types: &[],
            sub_attributes: &[],
            constraint: Constraint::Any,
            storage: Storage::Kept,
            description,
            published: true,
        }
    }

    pub(super) const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::String, description)
    }

    pub(super) const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Boolean, description)
    }

    pub(super) const fn integer(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Integer, description)
    }

    pub(super) const fn date_time(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::DateTime, description)
    }

    pub(super) const fn binary(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Binary, description).exact()
    }

    pub(super) const fn reference(
        name: &'static str,
        types: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        let mut attribute = Self::new(name, Kind::Reference, description).exact();
        attribute.reference_types = types;
        attribute
    }

    pub(super) const fn complex(
        name: &'static str,
        sub_attributes: &'static [Attribute],
        description: &'static str,
    ) -> Self {
        let mut attribute = Self::new(name, Kind::Complex, description);
        attribute.sub_attributes = sub_attributes;
        attribute
    }

    pub(super) const fn many(mut self) -> Self {
        self.multi_valued = true;
        self
    }

    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    pub(super) const fn exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    pub(super) const fn unique(mut self) -> Self {
        self.uniqueness = Uniqueness::Server;
        self
    }

    pub(super) const fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    pub(super) const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    pub(super) const fn write_only(mut self) -> Self {
        self.mutability = Mutability::WriteOnly;
        self.returned = Returned::Never;
        self
    }

    pub(super) const fn always(mut self) -> Self {
        self.returned = Returned::Always;
        self
    }

    pub(super) const fn canonical(mut self, values: &'static [&'static str]) -> Self {
        self.canonical_values = values;
        self
    }

    /// Restricted to these words, which are published as canonical values too.
    pub(super) const fn words(mut self, values: &'static [&'static str]) -> Self {
        self.canonical_values = values;
        self.constraint = Constraint::Words(values);
        self
    }

    pub(super) const fn must_be(mut self, constraint: Constraint) -> Self {
        self.constraint = constraint;
        self
    }

    pub(super) const fn stored(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    pub(super) const fn unpublished(mut self) -> Self {
        self.published = false;
        self
    }

    /// The sub-attribute of this name, in any case.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        self.sub_attributes.iter().find(|each| each.name.eq_ignore_ascii_case(name))
    }

    /// Whether a client may write it.
    pub fn writable(&self) -> bool {
        self.mutability != Mutability::ReadOnly
    }

    /// Whether its values are part of a [`Resource`](crate::scim::Resource).
    pub fn in_resource(&self) -> bool {
        matches!(self.storage, Storage::Kept | Storage::KeptThroughPut)
    }

    /// Whether its value must appear in no answer, error or log.
    pub fn secret(&self) -> bool {
        self.returned == Returned::Never
    }
}
