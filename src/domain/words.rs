//! Sentences for people: numbers with what they count, and the words of others before ours.

use std::fmt::Display;

/// A number and what it counts, as in "1 person" and "2 people".
pub fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, one: &str, several: &str) -> String {
    let what = if number == N::from(1) { one } else { several };
    format!("{number} {what}")
}

/// People in a number, as in "1 person" and "2 people".
pub fn people(number: usize) -> String {
    count(number, "person", "people")
}

/// The text as a sentence, so that another one can follow.
pub fn sentence(text: &str) -> String {
    let text = text.trim_end();
    let ended = text.is_empty() || text.ends_with(['.', '!', '?']);
    format!("{text}{}", if ended { "" } else { "." })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        assert_eq!(
            (count(1_u64, "call", "calls"), count(0_i64, "call", "calls")),
            ("1 call".into(), "0 calls".into())
        );
        assert_eq!((people(1), people(2)), ("1 person".into(), "2 people".into()));
    }

    #[test]
    fn a_sentence_ends_once() {
        for (text, ends) in
            [("it is taken", "it is taken."), ("It is.", "It is."), ("why? ", "why?"), ("", "")]
        {
            assert_eq!(sentence(text), ends);
        }
    }
}
