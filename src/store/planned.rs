//! What a tenant in a dry run would change in RingCX: the steps of each person's last plan.

use jiff::Timestamp;
use serde::Serialize;

use super::{Error, Tx};
use crate::domain::{PersonId, TenantId};

/// One change that would be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What, as in `create_agent`.
    pub step: String,
    /// On what, as in `agent 5001`.
    pub target: String,
    /// What is worth knowing besides; no personal data.
    pub detail: String,
    /// About how many calls it takes.
    pub calls: i64,
}

/// A change and whom it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// The SCIM id of the person, or a group as jobs name it.
    pub person: PersonId,
    /// The login name of the person, folded; none for a group.
    pub user_name: Option<String>,
    /// The change.
    #[serde(flatten)]
    pub step: Step,
}

/// Writes the plan of one subject in place of its last one; an empty one takes it out.
pub fn replace(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    subject: &PersonId,
    steps: &[Step],
    now: Timestamp,
) -> Result<(), Error> {
    tx.exec("DELETE FROM planned WHERE tenant = $1 AND subject = $2", &[tenant.into(), subject.into()])?;
    for (number, step) in (0_i64..).zip(steps) {
        tx.exec(
            "INSERT INTO planned (tenant, subject, number, step, target, detail, calls, planned_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &[
                tenant.into(),
                subject.into(),
                number.into(),
                (&step.step).into(),
                (&step.target).into(),
                (&step.detail).into(),
                step.calls.into(),
                now.into(),
            ],
        )?;
    }
    Ok(())
}

/// Whether anything is planned for a tenant.
pub fn any(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM planned WHERE tenant = $1 LIMIT 1";
    Ok(tx.one(sql, &[tenant.into()], |_| Ok(()))?.is_some())
}

/// The whole plan of a tenant.
pub fn all(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Planned>, Error> {
    tx.all(
        "SELECT d.subject, p.user_name_key, d.step, d.target, d.detail, d.calls FROM planned d
         LEFT JOIN people p ON p.tenant = d.tenant AND p.id = d.subject
         WHERE d.tenant = $1 ORDER BY d.subject, d.number",
        &[tenant.into()],
        |row| {
            Ok(Planned {
                person: row.text(0)?.into(),
                user_name: row.opt_text(1)?,
                step: Step {
                    step: row.text(2)?,
                    target: row.text(3)?,
                    detail: row.text(4)?,
                    calls: row.int(5)?,
                },
            })
        },
    )
}

/// Forgets the whole plan of a tenant.
pub fn clear(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<(), Error> {
    tx.exec("DELETE FROM planned WHERE tenant = $1", &[tenant.into()]).map(drop)
}
