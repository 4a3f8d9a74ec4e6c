//! The grammar of RFC 7644 section 3.4.2.2 (filters) and section 3.5.2 (PATCH paths).
//!
//! Every rule decides by the next word and then commits (`cut`), so no text is parsed twice and the first failure is
//! the answer. A rule eats the blanks that follow it. Start at [`filter`] and [`Grammar::disjunction`].

use std::cell::Cell;

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::char;
use nom::combinator::{cut, opt, peek};
use nom::sequence::{preceded, terminated};
use nom::{Err, Parser as _};

use crate::ast::{AttrPath, CompareOp, CompareValue, Filter, Number, PatchPath};
use crate::error::{ErrorKind, ParseError};
use crate::options::Options;
use crate::token::{self, Fault, Step, blanks, fail, loose_word, word};

/// Reads a whole text as a filter.
pub(crate) fn filter(text: &str, options: &Options) -> Result<Filter, ParseError> {
    whole(text, options, |grammar, input| grammar.disjunction(Place::TOP, input))
}

/// Reads a whole text as the path of a PATCH operation.
pub(crate) fn patch_path(text: &str, options: &Options) -> Result<PatchPath, ParseError> {
    whole(text, options, Grammar::patch_path)
}

/// Reads a whole text as an attribute path.
pub(crate) fn attr_path(text: &str, options: &Options) -> Result<AttrPath, ParseError> {
    whole(text, options, |_, input| terminated(path, blanks).parse(input))
}

fn whole<'a, T>(
    text: &'a str,
    options: &'a Options,
    rule: impl Fn(&Grammar<'a>, &'a str) -> Step<'a, T>,
) -> Result<T, ParseError> {
    if text.len() > options.max_length {
        let kept = text.get(..text.floor_char_boundary(options.max_length)).unwrap_or_default();
        return Err(ParseError { input: kept.to_owned(), offset: kept.len(), kind: ErrorKind::TooLong });
    }
    let grammar = Grammar { options, nodes: Cell::new(0) };
    let answer = preceded(blanks, |input| rule(&grammar, input)).parse(text);
    let fault = match answer {
        Ok(("", tree)) => return Ok(tree),
        Ok((rest, _)) => Fault { left: rest.len(), kind: leftover(rest) },
        Err(Err::Error(fault) | Err::Failure(fault)) => fault,
        // Never: only nom's streaming parsers ask for more text, and none is used here.
        Err(Err::Incomplete(_)) => Fault { left: 0, kind: ErrorKind::UnexpectedEnd },
    };
    let offset = text.len().saturating_sub(fault.left);
    Err(ParseError { input: text.to_owned(), offset, kind: fault.kind })
}

/// What a text means that stands where an expression should have ended.
fn leftover(rest: &str) -> ErrorKind {
    match rest.chars().next() {
        Some(')') => ErrorKind::UnbalancedParenthesis,
        Some(']') => ErrorKind::UnbalancedBracket,
        _ => ErrorKind::TrailingText,
    }
}

/// Where in the nesting a rule is applied.
#[derive(Clone, Copy)]
struct Place {
    /// Open parentheses and brackets.
    depth: usize,
    /// Whether one of them is the bracket of a value path.
    in_value_path: bool,
}

impl Place {
    const TOP: Self = Self { depth: 0, in_value_path: false };
}

/// The rules, with what has been spent of the budgets.
struct Grammar<'a> {
    options: &'a Options,
    nodes: Cell<usize>,
}

impl<'a> Grammar<'a> {
    /// `FILTER SP "or" SP FILTER`, the weakest of the operators.
    fn disjunction(&self, place: Place, input: &'a str) -> Step<'a, Filter> {
        let (mut input, mut filter) = self.conjunction(place, input)?;
        while let (rest, Some(())) = opt(keyword("or")).parse(input)? {
            let (rest, next) = self.conjunction(place, rest)?;
            filter = filter.or(next);
            input = rest;
        }
        Ok((input, filter))
    }

    /// `FILTER SP "and" SP FILTER`.
    fn conjunction(&self, place: Place, input: &'a str) -> Step<'a, Filter> {
        let (mut input, mut filter) = self.operand(place, input)?;
        while let (rest, Some(())) = opt(keyword("and")).parse(input)? {
            let (rest, next) = self.operand(place, rest)?;
            filter = filter.and(next);
            input = rest;
        }
        Ok((input, filter))
    }

    /// `*1"not" "(" FILTER ")"`, a value path or an attribute expression.
    fn operand(&self, place: Place, input: &'a str) -> Step<'a, Filter> {
        alt((
            |input| self.group(place, input),
            |input| self.negation(place, input),
            cut(|input| self.expression(place, input)),
        ))
        .parse(input)
    }

    fn group(&self, place: Place, input: &'a str) -> Step<'a, Filter> {
        let (inside, _) = terminated(char('('), blanks).parse(input)?;
        let (rest, filter) = self.disjunction(self.deeper(place, input)?, inside)?;
        let (rest, ()) = close(')', ErrorKind::UnbalancedParenthesis, rest)?;
        Ok((blanks(rest)?.0, filter))
    }

    /// `not` is a keyword only in front of a parenthesis; anywhere else it names an attribute.
    fn negation(&self, place: Place, input: &'a str) -> Step<'a, Filter> {
        let (group, _) = terminated((tag_no_case("not"), blanks), peek(char('('))).parse(input)?;
        self.spend(input)?;
        let (rest, filter) = self.group(place, group)?;
        Ok((rest, Filter::Not(Box::new(filter))))
    }

    /// `attrPath SP "pr"`, `attrPath SP compareOp SP compValue` or `attrPath "[" valFilter "]"`.
    fn expression(&self, place: Place, input: &'a str) -> Step<'a, Filter> {
        let (rest, attr) = terminated(path, blanks).parse(input)?;
        self.spend(input)?;
        if place.in_value_path && (attr.urn.is_some() || attr.sub.is_some()) {
            return fail(input, ErrorKind::ExpectedSubAttribute);
        }
        if !rest.starts_with('[') {
            return self.test(attr, rest);
        }
        if place.in_value_path {
            return fail(rest, ErrorKind::NestedValuePath);
        }
        let (rest, filter) = self.value_filter(place, rest)?;
        let (rest, filter) = match opt(preceded(char('.'), cut(name))).parse(rest)? {
            (rest, None) => (blanks(rest)?.0, filter),
            // Not in the RFC: Entra asks `emails[type eq "work"].value eq "x"`, and means that one element
            // satisfies both.
            (rest, Some(sub)) => {
                self.spend(rest)?;
                let (rest, test) = self.test(AttrPath::new(sub), blanks(rest)?.0)?;
                (rest, filter.and(test))
            }
        };
        Ok((rest, Filter::ValuePath(attr, Box::new(filter))))
    }

    /// `"[" valFilter "]"`, without the blanks after it.
    fn value_filter(&self, place: Place, input: &'a str) -> Step<'a, Filter> {
        let (inside, _) = terminated(char('['), blanks).parse(input)?;
        let inner = Place { in_value_path: true, ..self.deeper(place, input)? };
        let (rest, filter) = self.disjunction(inner, inside)?;
        let (rest, ()) = close(']', ErrorKind::UnbalancedBracket, rest)?;
        Ok((rest, filter))
    }

    /// What follows an attribute: `pr`, or an operator and a value.
    fn test(&self, attr: AttrPath, input: &'a str) -> Step<'a, Filter> {
        let (rest, operator) = terminated(word, blanks).parse(input)?;
        if operator.eq_ignore_ascii_case("pr") {
            return Ok((rest, Filter::Present(attr)));
        }
        let Some(op) = CompareOp::ALL.into_iter().find(|op| operator.eq_ignore_ascii_case(op.as_str()))
        else {
            return fail(input, ErrorKind::ExpectedOperator);
        };
        let (rest, value) = terminated(|input| self.value(input), blanks).parse(rest)?;
        Ok((rest, Filter::Compare(attr, op, value)))
    }

    /// `compValue = false / null / true / number / string`, "rules from JSON", and what the options add.
    fn value(&self, input: &'a str) -> Step<'a, CompareValue> {
        if input.starts_with('"') {
            return token::string('"', input).map(|(rest, text)| (rest, CompareValue::String(text)));
        }
        let loose = self.options.unquoted_values;
        if loose && input.starts_with('\'') {
            return token::string('\'', input).map(|(rest, text)| (rest, CompareValue::String(text)));
        }
        let (rest, text) = if loose { loose_word(input)? } else { word(input)? };
        let value = match text {
            "" => return fail(input, ErrorKind::ExpectedValue),
            _ if text.eq_ignore_ascii_case("true") => CompareValue::Bool(true),
            _ if text.eq_ignore_ascii_case("false") => CompareValue::Bool(false),
            _ if text.eq_ignore_ascii_case("null") => CompareValue::Null,
            _ => match Number::parse(text) {
                Some(number) => CompareValue::Number(number),
                None if loose => CompareValue::String(text.to_owned()),
                None if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                    return fail(input, ErrorKind::BadNumber);
                }
                None => return fail(input, ErrorKind::ExpectedValue),
            },
        };
        Ok((rest, value))
    }

    /// `PATH = attrPath / valuePath [subAttr]`.
    fn patch_path(&self, input: &'a str) -> Step<'a, PatchPath> {
        let (rest, mut attr) = terminated(path, blanks).parse(input)?;
        self.spend(input)?;
        let sub = attr.sub.take();
        if sub.is_some() || !rest.starts_with('[') {
            return Ok((rest, PatchPath { attr, filter: None, sub }));
        }
        let (rest, filter) = self.value_filter(Place::TOP, rest)?;
        let (rest, sub) = terminated(opt(preceded(tag("."), cut(name))), blanks).parse(rest)?;
        Ok((rest, PatchPath { attr, filter: Some(filter), sub: sub.map(str::to_owned) }))
    }

    /// One bracket further in, if the budget allows.
    fn deeper(&self, place: Place, bracket: &str) -> Result<Place, Err<Fault>> {
        if place.depth >= self.options.max_depth.min(Options::DEPTH_CEILING) {
            return fail(bracket, ErrorKind::TooDeep);
        }
        Ok(Place { depth: place.depth + 1, ..place })
    }

    /// Counts one node, if the budget allows.
    fn spend(&self, here: &str) -> Result<(), Err<Fault>> {
        if self.nodes.get() >= self.options.max_nodes {
            return fail(here, ErrorKind::TooManyTerms);
        }
        self.nodes.set(self.nodes.get() + 1);
        Ok(())
    }
}

/// A whole word that is an attribute path.
fn path(input: &str) -> Step<'_, AttrPath> {
    let (rest, text) = word(input)?;
    if text.is_empty() {
        return fail(input, ErrorKind::ExpectedAttribute);
    }
    match token::attr_path(text) {
        Ok(path) => Ok((rest, path)),
        Err(good) => Err(Err::Failure(Fault { left: input.len() - good, kind: ErrorKind::BadAttribute })),
    }
}

/// A whole word that is a plain name.
fn name(input: &str) -> Step<'_, &str> {
    let (rest, text) = word(input)?;
    if text.is_empty() {
        return fail(input, ErrorKind::ExpectedAttribute);
    }
    match token::bad_in_name(text) {
        None => Ok((rest, text)),
        Some(good) => Err(Err::Failure(Fault { left: input.len() - good, kind: ErrorKind::BadAttribute })),
    }
}

/// `and` or `or` as a whole word, in any case, with the blanks after it; fails softly.
fn keyword<'a>(expected: &'static str) -> impl nom::Parser<&'a str, Output = (), Error = Fault> {
    move |input: &'a str| {
        let (rest, _) = tag_no_case(expected).parse(input)?;
        match rest.chars().next() {
            Some(c) if token::is_blank(c) || matches!(c, '(') => Ok((blanks(rest)?.0, ())),
            None => Ok((rest, ())),
            Some(_) => Err(Err::Error(Fault { left: input.len(), kind: ErrorKind::TrailingText })),
        }
    }
}

/// A closing bracket, without the blanks after it.
fn close(bracket: char, missing: ErrorKind, input: &str) -> Step<'_, ()> {
    match input.strip_prefix(bracket) {
        Some(rest) => Ok((rest, ())),
        None if input.is_empty() || input.starts_with([')', ']']) => fail(input, missing),
        None => fail(input, ErrorKind::TrailingText),
    }
}
