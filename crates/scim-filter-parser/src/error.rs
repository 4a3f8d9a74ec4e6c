//! What a caller is told when a text cannot be read: where, and what was expected there.

use std::error::Error;
use std::fmt;

/// Why a text is not a filter or a PATCH path, and where.
///
/// `Display` is one sentence that a client may see; it counts characters from 1 and quotes nothing of the text but
/// a misspelt operator. `Debug` leaves the text out as well, because filters name people.
///
/// ```
/// use scim_filter_parser::{ErrorKind, Filter};
///
/// let error = Filter::parse(r#"userName regex "j.*""#).unwrap_err();
/// assert_eq!(error.kind, ErrorKind::ExpectedOperator);
/// assert_eq!(error.offset, 9);
/// assert_eq!(
///     error.to_string(),
///     "expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr) at character 10, found `regex`"
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ParseError {
    /// The text that was given; of a text that is too long, the part within the limit.
    pub input: String,
    /// Where the trouble is, in bytes from the start of [`ParseError::input`]; always on a character boundary.
    pub offset: usize,
    /// What the trouble is.
    pub kind: ErrorKind,
}

/// What is wrong at the offset of a [`ParseError`].
///
/// ```
/// use scim_filter_parser::{ErrorKind, Filter};
///
/// let kind = |text: &str| Filter::parse(text).unwrap_err().kind;
/// assert_eq!(kind("userName eq"), ErrorKind::ExpectedValue);
/// assert_eq!(kind("(title pr"), ErrorKind::UnbalancedParenthesis);
/// assert_eq!(kind(r#"title eq "\x""#), ErrorKind::BadEscape);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The text ends inside a quoted string.
    UnexpectedEnd,
    /// No attribute name where one is needed.
    ExpectedAttribute,
    /// An attribute path with a character that does not belong there.
    BadAttribute,
    /// A schema URN or a dotted name inside the brackets of a value path, where only sub-attributes are named.
    ExpectedSubAttribute,
    /// No comparison operator and no `pr` after an attribute.
    ExpectedOperator,
    /// No value after a comparison operator.
    ExpectedValue,
    /// A `(` without its `)`, or a `)` too many.
    UnbalancedParenthesis,
    /// A `[` without its `]`, or a `]` too many.
    UnbalancedBracket,
    /// A value path within a value path.
    NestedValuePath,
    /// A backslash in a string that starts no JSON escape, or half of a surrogate pair.
    BadEscape,
    /// A raw control character in a string, where JSON demands an escape.
    ControlCharacter,
    /// A word that begins like a number and is none in JSON.
    BadNumber,
    /// More open parentheses and brackets than [`Options::max_depth`](crate::Options::max_depth).
    TooDeep,
    /// More terms than [`Options::max_nodes`](crate::Options::max_nodes).
    TooManyTerms,
    /// More bytes than [`Options::max_length`](crate::Options::max_length).
    TooLong,
    /// Text after a complete expression that is neither `and` nor `or`.
    TrailingText,
}

impl ParseError {
    /// The place of the trouble in characters, counted from 1, as an editor shows it.
    ///
    /// ```
    /// use scim_filter_parser::Filter;
    ///
    /// let error = Filter::parse(r#"city eq "Zürich" nad title pr"#).unwrap_err();
    /// assert_eq!((error.offset, error.column()), (18, 18));
    /// ```
    pub fn column(&self) -> usize {
        self.input.get(..self.offset).unwrap_or(&self.input).chars().count() + 1
    }

    /// The word at the offset, if it looks like a misspelt operator and not like a value.
    fn misspelt_operator(&self) -> Option<&str> {
        let rest = self.input.get(self.offset..)?;
        let word = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
        (self.kind == ErrorKind::ExpectedOperator && (1..=16).contains(&word.len())).then_some(word)
    }
}

impl ErrorKind {
    fn message(self) -> &'static str {
        match self {
            Self::UnexpectedEnd => "expected the closing quote of a string",
            Self::ExpectedAttribute => "expected an attribute name",
            Self::BadAttribute => {
                "expected only letters, digits, `-`, `_` and at most one dot in an attribute name that starts with a letter"
            }
            Self::ExpectedSubAttribute => {
                "expected a plain sub-attribute name inside the brackets of a value path"
            }
            Self::ExpectedOperator => "expected an operator (eq, ne, co, sw, ew, gt, ge, lt, le or pr)",
            Self::ExpectedValue => {
                "expected a value (a string in double quotes, a number, true, false or null)"
            }
            Self::UnbalancedParenthesis => "unbalanced parenthesis",
            Self::UnbalancedBracket => "unbalanced square bracket",
            Self::NestedValuePath => "a value path may not hold another value path",
            Self::BadEscape => "expected a JSON escape after the backslash",
            Self::ControlCharacter => "control character in a string must be escaped",
            Self::BadNumber => "expected a JSON number",
            Self::TooDeep => "too many open parentheses and brackets",
            Self::TooManyTerms => "too many terms",
            Self::TooLong => "text is too long",
            Self::TrailingText => "expected `and`, `or`, a closing bracket or the end of the text",
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", self.kind.message(), self.column())?;
        if let Some(word) = self.misspelt_operator() {
            write!(f, ", found `{word}`")
        } else if self.offset >= self.input.len() && self.kind != ErrorKind::TooLong {
            f.write_str(", but the text ends there")
        } else {
            Ok(())
        }
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParseError")
            .field("kind", &self.kind)
            .field("offset", &self.offset)
            .field("length", &self.input.len())
            .finish_non_exhaustive()
    }
}

impl Error for ParseError {}
