//! What of a person could be looked at. A look that fails keeps only what rests on it from being done: whoever is to lose access
//! loses it wherever RingCX can be reached, and the rest is tried again.

use std::collections::BTreeSet;

use super::case::Case;
use super::trouble::{Doing, Trouble};
use crate::domain::desired::Desired;
use crate::domain::link::AdminLink;
use crate::domain::plan::Scope;
use crate::upstream::model::{Admin, RightsDocId, RoleType};

/// What could not be seen of a person, and why.
#[derive(Debug, Default)]
pub(super) struct Sight {
    /// The first trouble with a look: what becomes of the work in the end.
    pub(super) trouble: Option<Trouble>,
    /// The personas that could not be seen.
    hidden: Scope,
    /// Whether the administrator's roles could not be read.
    pub(super) roles: bool,
    /// Whether the rights documents of the administrator were read.
    docs_read: bool,
}

impl Sight {
    /// Puts trouble with a look aside, until what does not rest on that look is done.
    ///
    /// # Errors
    /// The trouble itself, where it stops all work on the person.
    pub(super) fn put_aside(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        match trouble {
            Trouble::Limited(_) | Trouble::Outdated | Trouble::Held(_) | Trouble::Store(_) => Err(trouble),
            Trouble::Refused(_) | Trouble::Unavailable(..) | Trouble::Lost(_) | Trouble::Parked(_) => {
                self.trouble.get_or_insert(trouble);
                Ok(())
            }
        }
    }

    /// What of `scope` can be planned for.
    pub(super) fn within(&self, scope: Scope) -> Scope {
        Scope { agent: scope.agent && !self.hidden.agent, admin: scope.admin && !self.hidden.admin }
    }
}

impl Case<'_> {
    /// Looks at each persona in scope, whatever becomes of the look at the other one.
    pub(super) async fn observe_each(&mut self, desired: &Desired, scope: Scope) -> Result<(), Trouble> {
        let Scope { agent, admin } = self.sight.within(scope);
        if agent && let Err(trouble) = self.observe_agent(desired).await {
            self.sight.put_aside(trouble)?;
            self.sight.hidden.agent = true;
        }
        if admin && let Err(trouble) = self.observe_admin(desired).await {
            self.sight.put_aside(trouble)?;
            self.sight.hidden.admin = true;
        }
        Ok(())
    }

    /// The roles of an administrator who was seen. Where they cannot be read, those stand in that the bridge has given, so that they
    /// can be taken, and the one that the last-admin floor asks about.
    pub(super) async fn roles_of(
        &mut self,
        admin: &Admin,
        link: &AdminLink,
    ) -> Result<BTreeSet<RoleType>, Trouble> {
        if let Some(roles) = admin.roles_shown() {
            return Ok(roles);
        }
        let trouble = match self.calls.roles(link.id).await {
            Ok(roles) => return Ok(roles),
            Err(error) => Trouble::of(Doing::Reading, "the roles", &error),
        };
        // Whether somebody's account may be taken over hangs on what it holds.
        if link.unproven {
            return Err(trouble);
        }
        self.sight.put_aside(trouble)?;
        self.sight.roles = true;
        Ok(link.granted_roles.iter().cloned().chain([super::floor::super_user()]).collect())
    }

    /// The rights documents of an administrator, where the plan asks about them. Where they cannot be read, those stand in that the
    /// bridge has given.
    pub(super) async fn rights_docs_of(
        &mut self,
        desired: &Desired,
        link: &AdminLink,
    ) -> Result<BTreeSet<RightsDocId>, Trouble> {
        let wanted = desired.admin.as_ref().is_some_and(|it| desired.active && !it.rights_docs.is_empty());
        if !wanted && link.granted_docs.is_empty() {
            return Ok(BTreeSet::new());
        }
        match self.calls.assigned_rights_docs(link.id).await {
            Ok(docs) => {
                self.sight.docs_read = true;
                Ok(docs.into_iter().map(|doc| doc.id).collect())
            }
            Err(error) => {
                self.sight.put_aside(Trouble::of(Doing::Reading, "the rights documents", &error))?;
                Ok(link.granted_docs.clone())
            }
        }
    }

    /// Reads the rights documents of a leaver, to name those that are not the bridge's to take. The person is off by now, so that a
    /// failure is only a note.
    pub(super) async fn read_foreign_docs(&mut self) {
        let Some(seen) = self.seen.admin.as_mut().filter(|_| !self.sight.docs_read) else { return };
        match self.calls.assigned_rights_docs(seen.id).await {
            Ok(docs) => seen.rights_docs = docs.into_iter().map(|doc| doc.id).collect(),
            Err(error) => self.notes.push(format!(
                "Whether RingCX administrator {}, who is switched off, still holds rights documents could not be read: {error}",
                seen.id
            )),
        }
    }
}
