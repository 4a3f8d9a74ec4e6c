//! Comparison of texts without regard to case.

use std::borrow::Cow;

/// The form of a text under which texts that differ only in case are equal (Unicode lower case).
///
/// ```
/// assert_eq!(ringcx_scim::scim::fold("JÖRG@B.com"), "jörg@b.com");
/// ```
pub fn fold(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

/// The folded text, borrowed where nothing has to change.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(fold(text))
    }
}

/// Whether two texts are equal without regard to case; no allocation for ASCII.
pub(super) fn eq(left: &str, right: &str) -> bool {
    if left.is_ascii() && right.is_ascii() {
        left.eq_ignore_ascii_case(right)
    } else {
        left.to_lowercase() == right.to_lowercase()
    }
}

/// The rest of `text` after `prefix`, compared without regard to ASCII case (attribute names and URNs are ASCII).
pub(super) fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fold_reaches_beyond_ascii() {
        assert!(eq("JÖRG@Example.COM", "jörg@example.com"));
        assert!(!eq("JÖRG", "jorg"));
        assert_eq!(fold("ÀB"), "àb");
        assert_eq!(strip_prefix("URN:x:y", "urn:x"), Some(":y"));
        assert_eq!(strip_prefix("ü", "u"), None);
    }
}
