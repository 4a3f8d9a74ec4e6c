//! Case folding: one rule for uniqueness, filters and mappings.

/// The form under which two names that differ only in case are one (`caseExact` false, RFC 7643 §2.2).
///
/// Unicode lower case of the trimmed text, done here and never in SQL, so that both databases and the filters agree.
pub fn fold(text: &str) -> String {
    let text = text.trim();
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_case_beyond_ascii() {
        assert_eq!(fold(" Jo@B.Com "), "jo@b.com");
        assert_eq!(fold("ÄRGER"), fold("ärger"));
    }
}
