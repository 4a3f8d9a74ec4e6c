//! What a caller may choose: how tolerant to read, and how much text to accept. Knows nothing of the grammar.

/// How tolerant to read, and how much to read at most.
///
/// The default is strict and has budgets that no honest client reaches:
///
/// ```
/// use scim_filter_parser::{Filter, Options};
///
/// let options = Options { max_nodes: 2, ..Options::default() };
/// assert!(Filter::parse_with("title pr and active pr", &options).is_ok());
/// assert!(Filter::parse_with("title pr and active pr and id pr", &options).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Options {
    /// Whether a value may stand without double quotes: `userName eq jo@contoso.com`, `userName eq 'jo'`.
    ///
    /// An unquoted value reaches up to the next blank, `)` or `]`. `true`, `false`, `null` and numbers keep their
    /// type; any other word is a string. A value in single quotes, as in the example of RFC 7644 section 3.7.1, may
    /// hold blanks.
    pub unquoted_values: bool,
    /// How many parentheses and brackets may be open at once; more than [`Options::DEPTH_CEILING`] counts as that.
    pub max_depth: usize,
    /// How many comparisons, presence tests, negations and value paths a text may hold.
    ///
    /// Nodes for `and` and `or` are not counted: there are always fewer of them.
    pub max_nodes: usize,
    /// How many bytes a text may have.
    pub max_length: usize,
}

impl Options {
    /// The deepest nesting that is ever read, whatever [`Options::max_depth`] says.
    ///
    /// Parser, printer, comparison and drop are recursive; this bound keeps all of them far from the end of a
    /// small thread's stack.
    ///
    /// ```
    /// use scim_filter_parser::{ErrorKind, Filter, Options};
    ///
    /// let options = Options { max_depth: usize::MAX, ..Options::default() };
    /// let error = Filter::parse_with(&"(".repeat(10_000), &options).unwrap_err();
    /// assert_eq!((error.kind, error.offset), (ErrorKind::TooDeep, Options::DEPTH_CEILING));
    /// ```
    pub const DEPTH_CEILING: usize = 64;

    /// The reading mode for clients that forget the quotes, with the budgets of the default.
    ///
    /// ```
    /// use scim_filter_parser::{Filter, Options};
    ///
    /// let filter = Filter::parse_with("externalId eq jyoung", &Options::tolerant())?;
    /// assert_eq!(filter.to_string(), r#"externalId eq "jyoung""#);
    /// # Ok::<(), scim_filter_parser::ParseError>(())
    /// ```
    pub fn tolerant() -> Self {
        Self { unquoted_values: true, ..Self::default() }
    }
}

impl Default for Options {
    /// Strict: 32 brackets deep, 1024 nodes, 64 KiB of text.
    fn default() -> Self {
        Self { unquoted_values: false, max_depth: 32, max_nodes: 1024, max_length: 64 * 1024 }
    }
}
