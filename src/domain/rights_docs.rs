//! The rights documents of an account, as far as the bridge's own account sees them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fold;
use crate::upstream::model::{RightsDoc, RightsDocId};

/// Longest text about what a document permits, in characters: more than a client is shown is not kept.
const MAX_PERMITS: usize = 1000;

/// One document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDoc {
    /// Its name as RingCX spells it.
    pub name: String,
    /// Whether it applies to the whole main account.
    pub is_master: bool,
    /// What it permits, such as `ACCOUNT READ, AGENT UPDATE`; cut at 1,000 characters.
    pub permits: String,
}

/// The documents by id; none where they could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RightsDocs(BTreeMap<RightsDocId, KnownDoc>);

impl RightsDocs {
    /// Those of a list that have a name.
    pub fn of(listed: Vec<RightsDoc>) -> Self {
        let named = listed.into_iter().filter_map(|doc| {
            let permits = doc.permissions.into_iter().collect::<Vec<_>>().join(", ");
            let permits = permits.chars().take(MAX_PERMITS).collect();
            Some((doc.id, KnownDoc { name: doc.name?, is_master: doc.is_master, permits }))
        });
        Self(named.collect())
    }

    /// Whether none is known: RingCX has none, or could not be asked.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = RightsDocId> {
        self.0.keys().copied()
    }

    /// The document of this id.
    pub fn get(&self, id: RightsDocId) -> Option<&KnownDoc> {
        self.0.get(&id)
    }

    /// Whether a document is known to apply to the whole main account.
    pub fn is_master(&self, id: RightsDocId) -> bool {
        self.get(id).is_some_and(|doc| doc.is_master)
    }

    /// Every document of this name, in any case.
    pub fn named(&self, name: &str) -> impl Iterator<Item = RightsDocId> {
        let wanted = fold(name);
        self.0.iter().filter(move |(_, doc)| fold(&doc.name) == wanted).map(|(id, _)| *id)
    }

    /// Takes one out that RingCX does not have any more.
    pub fn remove(&mut self, id: RightsDocId) {
        self.0.remove(&id);
    }
}
