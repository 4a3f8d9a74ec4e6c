//! The syntax tree of filters and PATCH paths, as written: no case folding, no schema.

use std::str::FromStr;

use crate::error::ParseError;
use crate::grammar;
use crate::options::Options;
use crate::token;

/// A filter of RFC 7644 section 3.4.2.2.
///
/// `And` and `Or` hold at least two members and never one of their own kind, as the parser builds them and as
/// [`Filter::and`] and [`Filter::or`] keep them. Trees that break this still print, but read back in that shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// `title pr`: the attribute has a value.
    Present(AttrPath),
    /// `userName eq "bjensen"`: the attribute compares with the value.
    Compare(AttrPath, CompareOp, CompareValue),
    /// All must match.
    And(Vec<Filter>),
    /// One must match.
    Or(Vec<Filter>),
    /// `not (title pr)`: the filter must not match.
    Not(Box<Filter>),
    /// `emails[type eq "work"]`: one element must match the inner filter, whose paths are plain sub-attributes.
    ValuePath(AttrPath, Box<Filter>),
}

impl Filter {
    /// Reads a filter, strictly and within the default budgets.
    ///
    /// ```
    /// use scim_filter_parser::{AttrPath, CompareOp, CompareValue, Filter};
    ///
    /// let filter = Filter::parse(r#"userName Eq "bjensen""#)?;
    /// let value = CompareValue::String("bjensen".to_owned());
    /// assert_eq!(filter, Filter::Compare(AttrPath::new("userName"), CompareOp::Eq, value));
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`ParseError`] that says where the text stops being a filter, or which budget it exceeds.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with(text, &Options::default())
    }

    /// Reads a filter as the options say.
    ///
    /// ```
    /// use scim_filter_parser::{Filter, Options};
    ///
    /// let filter = Filter::parse_with("userName eq jo@contoso.com", &Options::tolerant())?;
    /// assert_eq!(filter.to_string(), r#"userName eq "jo@contoso.com""#);
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`ParseError`] that says where the text stops being a filter, or which budget it exceeds.
    pub fn parse_with(text: &str, options: &Options) -> Result<Self, ParseError> {
        grammar::filter(text, options)
    }

    /// Both must match; members of an `And` on either side become members of the result.
    ///
    /// ```
    /// use scim_filter_parser::Filter;
    ///
    /// let both = Filter::parse("title pr and active pr")?.and(Filter::parse("id pr")?);
    /// assert_eq!(both, Filter::parse("title pr and active pr and id pr")?);
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut members = match self {
            Self::And(members) => members,
            single => vec![single],
        };
        match other {
            Self::And(more) => members.extend(more),
            single => members.push(single),
        }
        Self::And(members)
    }

    /// One must match; members of an `Or` on either side become members of the result.
    ///
    /// ```
    /// use scim_filter_parser::Filter;
    ///
    /// let either = Filter::parse("title pr")?.or(Filter::parse("active pr or id pr")?);
    /// assert_eq!(either, Filter::parse("title pr or active pr or id pr")?);
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut members = match self {
            Self::Or(members) => members,
            single => vec![single],
        };
        match other {
            Self::Or(more) => members.extend(more),
            single => members.push(single),
        }
        Self::Or(members)
    }
}

impl FromStr for Filter {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// The path of a PATCH operation (RFC 7644 section 3.5.2).
///
/// `attr.sub` is always `None` here: `name.givenName` and `emails[type eq "work"].value` both keep their
/// sub-attribute in [`PatchPath::sub`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PatchPath {
    /// The attribute. Of a schema URN alone, the part after its last colon is the name.
    pub attr: AttrPath,
    /// Which elements of the attribute are meant; its paths are plain sub-attributes.
    pub filter: Option<Filter>,
    /// The sub-attribute, after the dot or after the brackets.
    pub sub: Option<String>,
}

impl PatchPath {
    /// Reads a PATCH path, strictly and within the default budgets.
    ///
    /// ```
    /// use scim_filter_parser::PatchPath;
    ///
    /// let path = PatchPath::parse(r#"emails[type eq "work"].value"#)?;
    /// assert_eq!(path.attr.name, "emails");
    /// assert_eq!(path.filter.map(|filter| filter.to_string()).as_deref(), Some(r#"type eq "work""#));
    /// assert_eq!(path.sub.as_deref(), Some("value"));
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`ParseError`] that says where the text stops being a path, or which budget it exceeds.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with(text, &Options::default())
    }

    /// Reads a PATCH path as the options say.
    ///
    /// ```
    /// use scim_filter_parser::{Options, PatchPath};
    ///
    /// let path = PatchPath::parse_with("members[value eq 2819c223]", &Options::tolerant())?;
    /// assert_eq!(path.to_string(), r#"members[value eq "2819c223"]"#);
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`ParseError`] that says where the text stops being a path, or which budget it exceeds.
    pub fn parse_with(text: &str, options: &Options) -> Result<Self, ParseError> {
        grammar::patch_path(text, options)
    }
}

impl FromStr for PatchPath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// The path of an attribute, spelt as the client spelt it.
///
/// Equality is exact; names of attributes and schemas are compared without case by
/// [`AttrPath::eq_ignore_case`] and [`AttrPath::is`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttrPath {
    /// The schema URN in front, without its last colon.
    pub urn: Option<String>,
    /// The attribute.
    pub name: String,
    /// The sub-attribute after the dot.
    pub sub: Option<String>,
}

impl AttrPath {
    /// The path of an attribute that has no schema in front and no sub-attribute. The name is not checked.
    ///
    /// ```
    /// use scim_filter_parser::AttrPath;
    ///
    /// assert_eq!(AttrPath::new("title").to_string(), "title");
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self { urn: None, name: name.into(), sub: None }
    }

    /// Reads a path without brackets, as `attributes` and `sortBy` hold them (RFC 7644 section 3.10).
    ///
    /// ```
    /// use scim_filter_parser::AttrPath;
    ///
    /// let path = AttrPath::parse("urn:ietf:params:scim:schemas:core:2.0:User:name.givenName")?;
    /// assert_eq!(path.urn.as_deref(), Some("urn:ietf:params:scim:schemas:core:2.0:User"));
    /// assert_eq!((path.name.as_str(), path.sub.as_deref()), ("name", Some("givenName")));
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A [`ParseError`] that says where the text stops being a path.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        grammar::attr_path(text, &Options::default())
    }

    /// Whether both name the same attribute: schemas, names and sub-attributes are compared without case.
    ///
    /// ```
    /// use scim_filter_parser::AttrPath;
    ///
    /// assert!(AttrPath::new("userName").eq_ignore_case(&AttrPath::new("USERNAME")));
    /// ```
    pub fn eq_ignore_case(&self, other: &Self) -> bool {
        let same = |a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
            (None, None) => true,
            _ => false,
        };
        self.name.eq_ignore_ascii_case(&other.name)
            && same(&self.urn, &other.urn)
            && same(&self.sub, &other.sub)
    }

    /// Whether the whole path reads like the text, without case.
    ///
    /// ```
    /// use scim_filter_parser::AttrPath;
    ///
    /// let path = AttrPath::parse("Emails.Value")?;
    /// assert!(path.is("emails.value"));
    /// assert!(!path.is("emails"));
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    pub fn is(&self, text: &str) -> bool {
        let urn = self.urn.iter().flat_map(|urn| urn.bytes().chain([b':']));
        let sub = self.sub.iter().flat_map(|sub| [b'.'].into_iter().chain(sub.bytes()));
        let path = urn.chain(self.name.bytes()).chain(sub);
        path.map(|b| b.to_ascii_lowercase()).eq(text.bytes().map(|b| b.to_ascii_lowercase()))
    }
}

impl FromStr for AttrPath {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

/// A comparison operator (RFC 7644 table 3); `pr` compares nothing and is [`Filter::Present`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal to.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal to.
    Le,
}

impl CompareOp {
    /// Every operator, in the order of RFC 7644 table 3.
    pub const ALL: [Self; 9] =
        [Self::Eq, Self::Ne, Self::Co, Self::Sw, Self::Ew, Self::Gt, Self::Ge, Self::Lt, Self::Le];

    /// The operator in lower case.
    ///
    /// ```
    /// use scim_filter_parser::CompareOp;
    ///
    /// assert_eq!(CompareOp::Sw.as_str(), "sw");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }
}

/// The value of a comparison: a JSON value that is neither array nor object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CompareValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(Number),
    /// A string, without quotes and escapes.
    String(String),
}

/// A JSON number in the digits in which it was written, so that nothing is rounded on the way.
///
/// Equality is that of the text: `1` and `1.0` differ.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    /// Reads a number; `None` unless the whole text is one in JSON (RFC 8259 section 6).
    ///
    /// ```
    /// use scim_filter_parser::Number;
    ///
    /// assert!(Number::parse("-1.5e3").is_some());
    /// assert!(Number::parse("007").is_none());
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        token::is_number(text).then(|| Self(text.to_owned()))
    }

    /// The number as it was written.
    ///
    /// ```
    /// use scim_filter_parser::Number;
    ///
    /// assert_eq!(Number::parse("1.50").unwrap().as_str(), "1.50");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number as an integer; `None` when it has a fraction or an exponent, or is too big.
    ///
    /// ```
    /// use scim_filter_parser::Number;
    ///
    /// assert_eq!(Number::parse("-12").unwrap().as_i64(), Some(-12));
    /// assert_eq!(Number::parse("12.0").unwrap().as_i64(), None);
    /// ```
    pub fn as_i64(&self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// The nearest floating-point number; `None` when it is out of range.
    ///
    /// ```
    /// use scim_filter_parser::Number;
    ///
    /// assert_eq!(Number::parse("2.5e1").unwrap().as_f64(), Some(25.0));
    /// assert_eq!(Number::parse("1e999").unwrap().as_f64(), None);
    /// ```
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok().filter(|number: &f64| number.is_finite())
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}
