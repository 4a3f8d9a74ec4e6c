//! Which RingCentral extension is a person's: the list by address, and the choice among several.

use std::collections::{BTreeMap, BTreeSet};

use super::fold;
use crate::upstream::model::{Extension, RcUserId};

/// The extensions of an account, as they were read.
#[derive(Clone, Debug, Default)]
pub struct Extensions {
    all: Vec<Extension>,
    by_email: BTreeMap<String, Vec<usize>>,
}

/// What a look for a person's extension has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// This one.
    One(&'a Extension),
    /// There is none.
    None,
    /// Several, and nothing decides between them.
    Ambiguous,
    /// There is one, in a state in which it is not tied to agents.
    Unusable(&'a Extension),
}

impl Extensions {
    /// The directory of these extensions.
    pub fn new(all: Vec<Extension>) -> Self {
        let mut by_email: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, extension) in all.iter().enumerate().filter(|(_, it)| it.is_person()) {
            if let Some(email) = &extension.email {
                by_email.entry(fold(email)).or_default().push(place);
            }
        }
        Self { all, by_email }
    }

    /// The extensions of people, as RingCentral lists them.
    pub fn people(&self) -> impl Iterator<Item = &Extension> {
        self.all.iter().filter(|it| it.is_person())
    }

    /// The extension with this id, of whatever kind.
    pub fn by_id(&self, id: RcUserId) -> Option<&Extension> {
        self.all.iter().find(|it| it.id == id)
    }

    /// The extensions of people that an operator means: by number, else by id, else by e-mail address.
    pub fn named(&self, text: &str) -> Vec<&Extension> {
        let wanted = fold(text.trim());
        let by = |is: &dyn Fn(&Extension) -> bool| self.people().filter(|it| is(it)).collect::<Vec<_>>();
        let mut found = by(&|it| it.number.as_deref() == Some(wanted.as_str()));
        if found.is_empty() {
            found = by(&|it| it.id.to_string() == wanted);
        }
        if found.is_empty() {
            found = by(&|it| it.email.as_deref().is_some_and(|email| fold(email) == wanted));
        }
        found
    }

    /// The extension of this e-mail address, tied only in one of these states.
    ///
    /// An address is unique only where it is a login name. Of several, those that are enabled go first, then those whose address
    /// is a login name; what is still undecided then is a question for a person.
    pub fn of_email(&self, email: &str, statuses: &BTreeSet<String>) -> Choice<'_> {
        let places = self.by_email.get(&fold(email)).map_or(&[][..], Vec::as_slice);
        let mut found: Vec<&Extension> = places.iter().filter_map(|place| self.all.get(*place)).collect();
        for prefers in [|it: &Extension| it.is("Enabled"), |it: &Extension| it.email_is_login] {
            if found.len() > 1 && found.iter().any(|it| prefers(it)) {
                found.retain(|it| prefers(it));
            }
        }
        match found.as_slice() {
            [] => Choice::None,
            [one] if is_usable(one, statuses) => Choice::One(one),
            [one] => Choice::Unusable(one),
            _ => Choice::Ambiguous,
        }
    }
}

/// Whether an extension stands in one of the states in which extensions are tied to agents.
pub fn is_usable(extension: &Extension, statuses: &BTreeSet<String>) -> bool {
    statuses.iter().any(|status| extension.is(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(id: i64, kind: &str, status: &str, login: bool) -> Extension {
        Extension {
            id: RcUserId(id),
            email: Some("Jo@Example.com".to_owned()),
            email_is_login: login,
            number: Some(format!("10{id}")),
            status: Some(status.to_owned()),
            kind: Some(kind.to_owned()),
            ..Extension::default()
        }
    }

    fn enabled() -> BTreeSet<String> {
        BTreeSet::from(["Enabled".to_owned()])
    }

    /// `one 3`, `none`, `ambiguous` or `unusable 3`.
    fn choice(all: &[Extension], statuses: &BTreeSet<String>) -> String {
        match Extensions::new(all.to_vec()).of_email("jo@example.COM", statuses) {
            Choice::One(it) => format!("one {}", it.id),
            Choice::None => "none".to_owned(),
            Choice::Ambiguous => "ambiguous".to_owned(),
            Choice::Unusable(it) => format!("unusable {}", it.id),
        }
    }

    #[test]
    fn rc_link_ambiguous_email_no_link() {
        let of = extension;
        for (all, expected) in [
            (vec![], "none"),
            (vec![of(1, "User", "Enabled", false)], "one 1"),
            (vec![of(1, "DigitalUser", "Enabled", false)], "one 1"),
            (vec![of(1, "VirtualUser", "Enabled", false)], "one 1"),
            (vec![of(1, "FlexibleUser", "Enabled", false)], "one 1"),
            (vec![of(1, "Department", "Enabled", true)], "none"),
            (vec![of(1, "FaxUser", "Enabled", true)], "none"),
            (vec![of(1, "User", "Disabled", true)], "unusable 1"),
            (vec![of(1, "User", "NotActivated", true)], "unusable 1"),
            (vec![of(1, "User", "Enabled", false), of(2, "User", "Enabled", false)], "ambiguous"),
            (vec![of(1, "User", "Enabled", true), of(2, "User", "Enabled", true)], "ambiguous"),
            (vec![of(1, "User", "Enabled", false), of(2, "User", "Enabled", true)], "one 2"),
            // Enabled goes before login name.
            (vec![of(1, "User", "Disabled", true), of(2, "User", "Enabled", false)], "one 2"),
            (vec![of(1, "User", "Disabled", false), of(2, "User", "Frozen", true)], "unusable 2"),
            (vec![of(1, "User", "Disabled", false), of(2, "User", "Frozen", false)], "ambiguous"),
            (vec![of(1, "Department", "Enabled", true), of(2, "User", "Enabled", false)], "one 2"),
        ] {
            assert_eq!(choice(&all, &enabled()), expected, "{:?}", all.iter().map(|it| &it.status));
        }
        let also = BTreeSet::from(["enabled".to_owned(), "notactivated".to_owned()]);
        assert_eq!(choice(&[of(1, "User", "NotActivated", false)], &also), "one 1");
    }

    #[test]
    fn an_operator_names_extensions_by_number_id_or_address() {
        let all = Extensions::new(vec![
            extension(1, "User", "Enabled", false),
            extension(101, "User", "Enabled", false),
            extension(3, "Department", "Enabled", false),
        ]);
        let ids = |text: &str| all.named(text).iter().map(|it| it.id.0).collect::<Vec<_>>();
        assert_eq!(ids("101"), [1], "a number goes before an id");
        assert_eq!(ids("10101"), [101]);
        assert_eq!(ids("jo@example.com"), [1, 101]);
        assert_eq!(ids("103"), Vec::<i64>::new(), "departments are not people");
        assert!(all.by_id(RcUserId(3)).is_some());
    }
}
