//! The words of the grammar: blanks, names, numbers and strings. Each reads its text once, from left to right.
//! Knows no filter; `grammar` puts the words together.

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while_m_n};
use nom::character::complete::{anychar, char, digit1, one_of};
use nom::combinator::{all_consuming, opt, recognize, verify};
use nom::error::{ErrorKind as NomKind, ParseError as NomError};
use nom::sequence::preceded;
use nom::{Err, IResult};

use crate::ast::AttrPath;
use crate::error::ErrorKind;

/// What a parser answers: the text that is left and what was read, or a [`Fault`].
pub(crate) type Step<'a, T> = IResult<&'a str, T, Fault>;

/// A failure, placed by the number of bytes that were left to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Bytes from the trouble to the end of the text.
    pub(crate) left: usize,
    /// What the trouble is.
    pub(crate) kind: ErrorKind,
}

impl NomError<&str> for Fault {
    /// Only for combinators that fail softly, so that another branch is tried: every final failure of the grammar
    /// names its own kind through [`fail`].
    fn from_error_kind(input: &str, _: NomKind) -> Self {
        Self { left: input.len(), kind: ErrorKind::TrailingText }
    }

    fn append(_: &str, _: NomKind, other: Self) -> Self {
        other
    }
}

/// A failure here that no other branch can mend.
pub(crate) fn fail<T>(here: &str, kind: ErrorKind) -> Result<T, Err<Fault>> {
    Err(Err::Failure(Fault { left: here.len(), kind }))
}

/// The RFC knows the space only; its own figures break lines inside filters, so tabs and line ends count as well.
pub(crate) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// What ends a word: a blank, a bracket or a quote. So a blank is needed only where two words would run together.
fn ends_word(c: char) -> bool {
    is_blank(c) || matches!(c, '(' | ')' | '[' | ']' | '"')
}

/// Passes an answer on; in tests, counts the bytes that were looked at to find it.
fn counted<'a>(input: &str, answer: Step<'a, &'a str>) -> Step<'a, &'a str> {
    #[cfg(test)]
    crate::work::add(answer.as_ref().map_or(input.len(), |(_, read)| read.len() + 1));
    #[cfg(not(test))]
    let _ = input;
    answer
}

/// Any number of blanks.
pub(crate) fn blanks(input: &str) -> Step<'_, &str> {
    counted(input, take_while(is_blank).parse(input))
}

/// Text up to a blank, a bracket, a quote or the end; possibly nothing.
pub(crate) fn word(input: &str) -> Step<'_, &str> {
    counted(input, take_till(ends_word).parse(input))
}

/// A value without quotes: text up to a blank, `)`, `]` or the end; possibly nothing.
pub(crate) fn loose_word(input: &str) -> Step<'_, &str> {
    counted(input, take_till(|c| is_blank(c) || matches!(c, ')' | ']')).parse(input))
}

/// Reads a whole word as an attribute path, or says how many of its bytes are good.
///
/// "attrPath = [URI ":"] ATTRNAME *1subAttr" (RFC 7644 section 3.4.2.2). The URI ends at the last colon, so the dots
/// of its version number never look like a sub-attribute.
pub(crate) fn attr_path(word: &str) -> Result<AttrPath, usize> {
    let (urn, tail) = match word.rsplit_once(':') {
        Some((urn, tail)) => (Some(urn), tail),
        None => (None, word),
    };
    let start = word.len() - tail.len();
    if let Some(bad) = urn.and_then(bad_in_uri) {
        return Err(bad);
    }
    let (name, sub) = match tail.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (tail, None),
    };
    if let Some(bad) = bad_in_name(name) {
        return Err(start + bad);
    }
    if let Some(bad) = sub.and_then(bad_in_name) {
        return Err(start + name.len() + 1 + bad);
    }
    Ok(AttrPath { urn: urn.map(str::to_owned), name: name.to_owned(), sub: sub.map(str::to_owned) })
}

/// Where a name stops being one: "ATTRNAME = ALPHA *(nameChar)", "nameChar = "-" / "_" / DIGIT / ALPHA".
///
/// RFC 7643 section 2.4 names a sub-attribute `$ref`, which that rule forgets; one leading `$` is a name too.
pub(crate) fn bad_in_name(name: &str) -> Option<usize> {
    let plain = name.strip_prefix('$').unwrap_or(name);
    let start = name.len() - plain.len();
    if !plain.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some(start);
    }
    plain.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'-' || b == b'_')).map(|bad| start + bad)
}

/// Where a text stops being an absolute URI (RFC 3986 appendix A): a scheme, a colon, then something of the
/// characters that a URI may hold. Brackets and parentheses belong to the filter and never get here.
fn bad_in_uri(uri: &str) -> Option<usize> {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return Some(uri.len());
    };
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some(0);
    }
    let in_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let in_rest = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/?#@!$&'*+,;=%".contains(&b);
    if let Some(bad) = scheme.bytes().position(|b| !in_scheme(b)) {
        return Some(bad);
    }
    let start = scheme.len() + 1;
    if rest.is_empty() {
        return Some(start);
    }
    rest.bytes().position(|b| !in_rest(b)).map(|bad| start + bad)
}

/// Whether the whole word is a number of RFC 8259 section 6.
pub(crate) fn is_number(word: &str) -> bool {
    let int = alt((recognize(char('0')), digit1));
    let frac = (char('.'), digit1);
    let exp = (one_of("eE"), opt(one_of("+-")), digit1);
    let number: Result<_, Err<Fault>> = all_consuming((opt(char('-')), int, opt(frac), opt(exp))).parse(word);
    number.is_ok()
}

/// A JSON string with its quotes (RFC 8259 section 7); fails softly only when there is no opening quote.
pub(crate) fn string(quote: char, input: &str) -> Step<'_, String> {
    let (mut input, _) = char(quote).parse(input)?;
    let mut text = String::new();
    loop {
        let (rest, plain) =
            counted(input, take_till(|c: char| c == quote || c == '\\' || c < ' ').parse(input))?;
        text.push_str(plain);
        let mut next = rest.chars();
        match next.next() {
            Some(c) if c == quote => return Ok((next.as_str(), text)),
            Some('\\') => {
                let (rest, character) = escape(rest, next.as_str())?;
                text.push(character);
                input = rest;
            }
            Some(_) => return fail(rest, ErrorKind::ControlCharacter),
            None => return fail(rest, ErrorKind::UnexpectedEnd),
        }
    }
}

/// What follows a backslash; failures point at the backslash.
fn escape<'a>(backslash: &str, input: &'a str) -> Step<'a, char> {
    let Ok((rest, letter)) = anychar::<_, Fault>(input) else {
        return fail(input, ErrorKind::UnexpectedEnd);
    };
    let character = match letter {
        '"' | '\\' | '/' => letter,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return unicode(rest).or_else(|_| fail(backslash, ErrorKind::BadEscape)),
        _ => return fail(backslash, ErrorKind::BadEscape),
    };
    Ok((rest, character))
}

/// The digits after `\u`, and the second half of a surrogate pair; a lone half is no character.
fn unicode(input: &str) -> Step<'_, char> {
    let (rest, first) = hex4(input)?;
    let (rest, code) = if (0xd800..0xdc00).contains(&first) {
        let (rest, second) =
            preceded(tag("\\u"), verify(hex4, |half| (0xdc00..0xe000).contains(half))).parse(rest)?;
        (rest, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))
    } else {
        (rest, first)
    };
    match char::from_u32(code) {
        Some(character) => Ok((rest, character)),
        None => fail(input, ErrorKind::BadEscape),
    }
}

fn hex4(input: &str) -> Step<'_, u32> {
    let (rest, digits) = take_while_m_n(4, 4, |c: char| c.is_ascii_hexdigit()).parse(input)?;
    match u32::from_str_radix(digits, 16) {
        Ok(code) => Ok((rest, code)),
        Err(_) => fail(input, ErrorKind::BadEscape),
    }
}
