//! Telephone numbers as RingCX takes them. What the client wrote is never changed: Microsoft Entra compares text.

/// A telephone number in E.164 form where it says its country; without one its digits, which RingCX dials as it sees fit.
pub(super) fn number(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.chars().all(|each| each.is_ascii_digit() || "+ -.()".contains(each)) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let (country, digits) = match (text.starts_with('+'), digits.strip_prefix("00")) {
        (true, _) => ("+", digits.as_str()),
        (false, Some(rest)) => ("+", rest),
        (false, None) => ("", digits.as_str()),
    };
    (7..=15).contains(&digits.len()).then(|| format!("{country}{digits}"))
}

/// Where calls of an agent go: a telephone number, else an extension or a softphone as it was written.
pub(super) fn destination(text: &str) -> String {
    number(text).unwrap_or_else(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_names_its_country_becomes_e164() {
        for (text, wanted) in [
            ("+44 (20) 7123-4567", Some("+442071234567")),
            ("0044 20 7123 4567", Some("+442071234567")),
            ("020 7123 4567", Some("02071234567")),
            ("101", None),
            ("softphone", None),
        ] {
            assert_eq!(number(text).as_deref(), wanted, "{text}");
        }
        assert_eq!(destination(" 101 "), "101");
        assert_eq!(destination("sip:jo@example.com"), "sip:jo@example.com");
    }
}
