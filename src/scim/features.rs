//! What the server can do, in one table: `/ServiceProviderConfig` and the README say nothing else, and a test probes every row.

use super::Compatibility;
use super::quirks::{Quirk, Where};

/// Something that a server may be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name; for those of RFC 7643 §5 and RFC 9865 §4 the one in `/ServiceProviderConfig`.
    pub name: &'static str,
    /// Whether this server can.
    pub supported: bool,
    /// What that means here.
    pub says: &'static str,
    /// Where it is defined.
    pub source: &'static str,
}

const fn yes(name: &'static str, says: &'static str, source: &'static str) -> Feature {
    Feature { name, supported: true, says, source }
}

/// Every feature, in the order of the documents.
pub const FEATURES: &[Feature] = &[
    yes("patch", "every path, value filter and shape that clients send", "RFC 7644 §3.5.2"),
    yes("bulk", "references in any order and in circles, `failOnErrors`, one wait for all", "RFC 7644 §3.7"),
    yes("filter", "every operator on every attribute that is shown", "RFC 7644 §3.4.2.2"),
    Feature {
        name: "changePassword",
        supported: false,
        says: "people sign in by SSO; a password is accepted and discarded",
        source: "RFC 7643 §5",
    },
    yes("sort", "by any attribute, sub-attribute, or the primary of many values", "RFC 7644 §3.4.2.3"),
    yes("etag", "`If-Match` on every write, also in bulk; `If-None-Match` on reads", "RFC 7644 §3.14"),
    yes("index", "paging by `startIndex` and `count`, in a stable order", "RFC 7644 §3.4.2.4"),
    yes("cursor", "paging by cursors, sealed, good across restarts and replicas", "RFC 9865"),
    yes("search", "`.search` by POST, for each type and at the root", "RFC 7644 §3.4.3"),
    yes("root", "queries over all types at once", "RFC 7644 §3.4.2.1"),
    yes("attributes", "`attributes` and `excludedAttributes` on every answer", "RFC 7644 §3.9"),
    yes("me", "`/Me` for the token of a person, 501 for any other", "RFC 7644 §3.11"),
    yes("discovery", "configuration, types and schemas, as lists and one by one", "RFC 7644 §4"),
    yes("entitlements", "`/Roles` and `/Entitlements`, as Okta discovers them", "developer.okta.com"),
];

/// Whether the server can do this.
pub fn supported(name: &str) -> bool {
    FEATURES.iter().any(|feature| feature.name == name && feature.supported)
}

/// The table of features as the README has it.
pub fn table() -> String {
    let mut text = String::from("| Feature | | What it means | Defined in |\n| --- | --- | --- | --- |\n");
    for Feature { name, supported, says, source } in FEATURES {
        let mark = if *supported { "yes" } else { "no" };
        text.extend(["| ", name, " | ", mark, " | ", says, " | ", source, " |\n"]);
    }
    text
}

/// The table of tolerated deviations as the documents have it.
pub fn quirk_table() -> String {
    let mut text = String::from("| Quirk | Tolerated | Why |\n| --- | --- | --- |\n");
    for quirk in Quirk::ALL {
        let place = match quirk.place() {
            Where::Tolerant => format!("unless `{}`", Compatibility::Strict),
            Where::Only(only) => format!("under `{only}`"),
        };
        text.extend(["| `", quirk.as_str(), "` | ", &place, " | ", quirk.reason(), " |\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the text between two marks of a file against a table; `UPDATE_DOCS=1` writes it.
    fn is_in(file: &str, mark: &str, table: &str) {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->"));
        let (head, rest) = text.split_once(&begin).unwrap();
        let (held, tail) = rest.split_once(&end).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, [head, &begin, table, &end, tail].concat()).unwrap();
        } else {
            assert_eq!(held, table, "{file} is old; run UPDATE_DOCS=1 cargo test --lib features");
        }
    }

    #[test]
    fn the_documents_have_the_tables_of_the_code() {
        is_in("README.md", "features", &table());
        is_in("docs/quirks.md", "quirks", &quirk_table());
    }
}
