//! What must hold for any bytes at all. The fuzz targets run this very file.

use scim_filter_parser::{Filter, Options, ParseError, PatchPath};

/// Canonical text may be longer than what was written, and one bracket deeper.
fn roomy() -> Options {
    Options { max_length: usize::MAX, max_depth: usize::MAX, ..Options::default() }
}

/// Reads bytes as a filter: no panic, an error inside the text, and print then parse gives the same tree.
pub(crate) fn filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for options in [Options::default(), Options::tolerant()] {
        match Filter::parse_with(text, &options) {
            Ok(filter) => assert_eq!(Filter::parse_with(&filter.to_string(), &roomy()).as_ref(), Ok(&filter)),
            Err(error) => check_error(text, &error),
        }
    }
}

/// The same for a PATCH path.
pub(crate) fn patch_path(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for options in [Options::default(), Options::tolerant()] {
        match PatchPath::parse_with(text, &options) {
            Ok(path) => {
                assert!(path.attr.sub.is_none());
                assert_eq!(PatchPath::parse_with(&path.to_string(), &roomy()).as_ref(), Ok(&path));
            }
            Err(error) => check_error(text, &error),
        }
    }
}

fn check_error(text: &str, error: &ParseError) {
    assert!(text.starts_with(&error.input), "the error quotes another text");
    assert!(error.input.is_char_boundary(error.offset), "offset {} of {text:?}", error.offset);
    assert!(!error.to_string().is_empty());
}
