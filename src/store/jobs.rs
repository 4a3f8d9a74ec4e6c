//! Jobs: one per person (or group) at most, with a lane, a time, and a lease.
//!
//! A job is enqueued in the transaction of the change that it carries out. `generation` counts the changes, so that work that
//! began before the last of them does not end the job.

use std::time::Duration;

use jiff::Timestamp;

use super::{Error, Row, Tx, Val};
use crate::domain::{Actor, GroupId, PersonId, TenantId};
use crate::upstream::model::Lane;

/// What `last_error` says when the budget of calls is used up.
pub const LIMITED: &str = "limited";

/// The subjects of jobs that are about a group carry this before its id.
const GROUP: &str = "group:";

/// A job under lease, or as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Whose.
    pub tenant: TenantId,
    /// About whom; [`Job::group`] when it is about a group.
    pub person: PersonId,
    /// Its lane, 0 first.
    pub lane: Lane,
    /// When it is to be worked on.
    pub due: Timestamp,
    /// How often it was tried since it last made progress.
    pub attempts: i64,
    /// Counts the changes that it carries out.
    pub generation: i64,
    /// Counts the leases; a holder whose number is not the last one has lost it.
    pub fence: i64,
    /// Why it was postponed.
    pub last_error: Option<String>,
    /// Since when it waits for a person; nobody works on it then.
    pub parked: Option<Timestamp>,
    /// Who asked for it, oldest first, where that does not stand in a revision: writers of groups, operators.
    pub causes: Vec<Actor>,
}

impl Job {
    /// The proof that the job is held.
    pub fn lease(&self) -> Lease {
        Lease { tenant: self.tenant.clone(), person: self.person.clone(), fence: self.fence }
    }

    /// The group that the job is about, if it is about one.
    pub fn group(&self) -> Option<GroupId> {
        self.person.as_str().strip_prefix(GROUP).map(GroupId::from)
    }
}

/// What a worker shows to prove that its job is still its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    tenant: TenantId,
    person: PersonId,
    fence: i64,
}

impl Lease {
    /// Lets the transaction go on while the lease is held, and keeps anybody from taking it before the transaction ends. A row
    /// of the person that is locked as well must be locked first: that is the order of those who write.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when somebody else has taken the job over, or ended it.
    pub fn check(&self, tx: &mut Tx<'_>) -> Result<(), Error> {
        let sql = "SELECT 1 FROM jobs WHERE tenant = $1 AND person_id = $2 AND fence = $3 /*pg FOR UPDATE*/";
        let values = [(&self.tenant).into(), (&self.person).into(), self.fence.into()];
        tx.one(sql, &values, |_| Ok(()))?.ok_or(Error::LeaseLost)
    }

    /// Whether the lease is held and has not run out; a read.
    pub fn holds(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<bool, Error> {
        let sql =
            "SELECT 1 FROM jobs WHERE tenant = $1 AND person_id = $2 AND fence = $3 AND lease_until > $4";
        let values = [(&self.tenant).into(), (&self.person).into(), self.fence.into(), now.into()];
        Ok(tx.one(sql, &values, |_| Ok(()))?.is_some())
    }
}

/// The subject of a job about a group.
pub fn group_subject(group: &GroupId) -> PersonId {
    PersonId::from(format!("{GROUP}{group}"))
}

const COLUMNS: &str =
    "tenant, person_id, lane, due_at, attempts, generation, fence, last_error, parked_at, causes";

fn read(row: &Row<'_>) -> Result<Job, Error> {
    let tenant = row.text(0)?;
    Ok(Job {
        tenant: tenant.parse().map_err(|_| Error::Corrupt("the tenant of a job".to_owned()))?,
        person: row.text(1)?.into(),
        lane: Lane::from_number(row.int(2)?),
        due: row.time(3)?,
        attempts: row.int(4)?,
        generation: row.int(5)?,
        fence: row.int(6)?,
        last_error: row.opt_text(7)?,
        parked: row.opt_time(8)?,
        causes: row
            .opt_text(9)?
            .unwrap_or_default()
            .lines()
            .filter_map(|it| serde_json::from_str(it).ok())
            .collect(),
    })
}

/// Makes a job, or joins the one that waits: the higher lane and the earlier time win.
pub fn enqueue(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    lane: Lane,
    due: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    insert(tx, tenant, person, lane, (due, now), "")
}

/// The same for work that no revision speaks for: what comes of it is recorded under the request of `by`.
pub fn enqueue_for(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    lane: Lane,
    (due, now): (Timestamp, Timestamp),
    by: &Actor,
) -> Result<(), Error> {
    let cause = serde_json::to_string(by).unwrap_or_default() + "\n";
    insert(tx, tenant, person, lane, (due, now), &cause)
}

/// The fence begins with the time, so that a holder from an earlier life of the row never has the number of a later one. Causes
/// beyond any use are not kept.
fn insert(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    lane: Lane,
    (due, now): (Timestamp, Timestamp),
    cause: &str,
) -> Result<(), Error> {
    tx.exec(
        "INSERT INTO jobs (tenant, person_id, lane, due_at, attempts, generation, lease_until, fence, created_at, causes)
         VALUES ($1, $2, $3, $4, 0, 1, 0, $5, $5, $6)
         ON CONFLICT (tenant, person_id) DO UPDATE SET
             lane = CASE WHEN excluded.lane < jobs.lane THEN excluded.lane ELSE jobs.lane END,
             due_at = CASE WHEN excluded.due_at < jobs.due_at THEN excluded.due_at ELSE jobs.due_at END,
             attempts = 0, parked_at = NULL, generation = jobs.generation + 1,
             causes = CASE WHEN LENGTH(COALESCE(jobs.causes, '')) > 10000 THEN jobs.causes
                      ELSE COALESCE(jobs.causes, '') || excluded.causes END",
        &[tenant.into(), person.into(), (lane as i64).into(), due.into(), now.into(), cause.into()],
    )
    .map(drop)
}

/// A tenant, and the last lane of it that is worked on.
pub type Reach = (TenantId, Lane);

/// Leases the next due job within the reach.
pub fn claim_next(
    tx: &mut Tx<'_>,
    reach: &[Reach],
    owner: &str,
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Job>, Error> {
    let until = now + lease;
    let mut values: Vec<Val<'_>> = vec![owner.into(), until.into(), now.into()];
    let within = within(reach, &mut values);
    let sql = format!(
        "UPDATE jobs SET lease_owner = $1, lease_until = $2, fence = fence + 1
         WHERE (tenant, person_id) = (
             SELECT tenant, person_id FROM jobs
             WHERE due_at <= $3 AND lease_until <= $3 AND parked_at IS NULL AND ({within})
             ORDER BY lane, due_at, person_id LIMIT 1 /*pg FOR UPDATE SKIP LOCKED*/)
         RETURNING {COLUMNS}"
    );
    tx.one(&sql, &values, read)
}

/// Whether [`claim_next`] would find something: a read, so that looking costs no write.
pub fn any_due(tx: &mut Tx<'_>, reach: &[Reach], now: Timestamp) -> Result<bool, Error> {
    let mut values: Vec<Val<'_>> = vec![now.into()];
    let within = within(reach, &mut values);
    let sql = format!(
        "SELECT 1 FROM jobs WHERE due_at <= $1 AND lease_until <= $1 AND parked_at IS NULL AND ({within})
         LIMIT 1"
    );
    Ok(tx.one(&sql, &values, |_| Ok(()))?.is_some())
}

fn within<'a>(reach: &'a [Reach], values: &mut Vec<Val<'a>>) -> String {
    let mut parts = Vec::new();
    for (tenant, last) in reach {
        values.push(tenant.into());
        values.push((*last as i64).into());
        parts.push(format!("tenant = ${} AND lane <= ${}", values.len() - 1, values.len()));
    }
    if parts.is_empty() { "1 = 0".to_owned() } else { parts.join(" OR ") }
}

/// Leases the job of one person, if it is due, not behind the last lane, and nobody works on it.
pub fn claim_person(
    tx: &mut Tx<'_>,
    (tenant, last): &Reach,
    person: &PersonId,
    owner: &str,
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Job>, Error> {
    let sql = [
        "UPDATE jobs SET lease_owner = $1, lease_until = $2, fence = fence + 1
         WHERE tenant = $4 AND person_id = $5 AND due_at <= $3 AND lease_until <= $3 AND parked_at IS NULL AND lane <= $6
         RETURNING ",
        COLUMNS,
    ]
    .concat();
    let last = *last as i64;
    let values = [owner.into(), (now + lease).into(), now.into(), tenant.into(), person.into(), last.into()];
    tx.one(&sql, &values, read)
}

/// The job of one person, leased or not.
pub fn get(tx: &mut Tx<'_>, tenant: &TenantId, person: &PersonId) -> Result<Option<Job>, Error> {
    let sql = ["SELECT ", COLUMNS, " FROM jobs WHERE tenant = $1 AND person_id = $2"].concat();
    tx.one(&sql, &[tenant.into(), person.into()], read)
}

/// Prolongs a lease and says in which lane the job is by now; nothing when the lease was lost to somebody else.
pub fn renew(tx: &mut Tx<'_>, job: &Job, now: Timestamp, lease: Duration) -> Result<Option<Lane>, Error> {
    tx.one(
        "UPDATE jobs SET lease_until = $4 WHERE tenant = $1 AND person_id = $2 AND fence = $3 RETURNING lane",
        &[(&job.tenant).into(), (&job.person).into(), job.fence.into(), (now + lease).into()],
        |row| Ok(Lane::from_number(row.int(0)?)),
    )
}

/// Ends a job; false when something new came in since it was claimed, or the lease was lost.
pub fn complete(tx: &mut Tx<'_>, job: &Job) -> Result<bool, Error> {
    let ended = tx.exec(
        "DELETE FROM jobs WHERE tenant = $1 AND person_id = $2 AND fence = $3 AND generation = $4",
        &[(&job.tenant).into(), (&job.person).into(), job.fence.into(), job.generation.into()],
    )?;
    Ok(ended == 1)
}

/// Gives a job back and has it tried again at `due`. What came in meanwhile is tried then too.
pub fn retry_at(tx: &mut Tx<'_>, job: &Job, due: Timestamp, why: &str) -> Result<(), Error> {
    tx.exec(
        "UPDATE jobs SET lease_owner = NULL, lease_until = 0, attempts = attempts + 1, last_error = $5,
             due_at = CASE WHEN generation = $6 THEN $4 ELSE due_at END
         WHERE tenant = $1 AND person_id = $2 AND fence = $3",
        &[
            (&job.tenant).into(),
            (&job.person).into(),
            job.fence.into(),
            due.into(),
            why.into(),
            job.generation.into(),
        ],
    )
    .map(drop)
}

/// Gives a job back because its tenant is held. Taking access away is done with it, so it waits in an ordinary lane.
pub fn hold(tx: &mut Tx<'_>, job: &Job, why: &str) -> Result<(), Error> {
    tx.exec(
        "UPDATE jobs SET lease_owner = NULL, lease_until = 0, last_error = $4,
             lane = CASE WHEN generation = $5 AND lane < $6 THEN $6 ELSE lane END
         WHERE tenant = $1 AND person_id = $2 AND fence = $3",
        &[
            (&job.tenant).into(),
            (&job.person).into(),
            job.fence.into(),
            why.into(),
            job.generation.into(),
            (Lane::Create as i64).into(),
        ],
    )
    .map(drop)
}

/// Sets a job aside until something new comes in, or [`unpark`] is called.
pub fn park(tx: &mut Tx<'_>, job: &Job, why: &str, now: Timestamp) -> Result<(), Error> {
    tx.exec(
        "UPDATE jobs SET lease_owner = NULL, lease_until = 0, attempts = attempts + 1, last_error = $4,
             parked_at = CASE WHEN generation = $5 THEN $6 ELSE NULL END
         WHERE tenant = $1 AND person_id = $2 AND fence = $3",
        &[
            (&job.tenant).into(),
            (&job.person).into(),
            job.fence.into(),
            why.into(),
            job.generation.into(),
            now.into(),
        ],
    )
    .map(drop)
}

/// The parked jobs of a tenant that are about groups, by group.
pub fn parked_groups(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<Job>, Error> {
    let sql =
        ["SELECT ", COLUMNS, " FROM jobs WHERE tenant = $1 AND parked_at IS NOT NULL ORDER BY person_id"]
            .concat();
    let mut parked = tx.all(&sql, &[tenant.into()], read)?;
    parked.retain(|job| job.group().is_some());
    Ok(parked)
}

/// Has parked jobs of a tenant tried again; how many there were.
pub fn unpark(tx: &mut Tx<'_>, tenant: &TenantId, now: Timestamp) -> Result<u64, Error> {
    let sql = "UPDATE jobs SET parked_at = NULL, attempts = 0, due_at = $2 WHERE tenant = $1 AND parked_at IS NOT NULL";
    tx.exec(sql, &[tenant.into(), now.into()])
}

/// The same for one person.
pub fn unpark_one(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    now: Timestamp,
) -> Result<bool, Error> {
    let sql = "UPDATE jobs SET parked_at = NULL, attempts = 0, due_at = $3
               WHERE tenant = $1 AND person_id = $2 AND parked_at IS NOT NULL";
    Ok(tx.exec(sql, &[tenant.into(), person.into(), now.into()])? == 1)
}

/// Takes out the job of a person, if there is one; false when somebody works on it this moment.
pub fn drop_idle(
    tx: &mut Tx<'_>,
    tenant: &TenantId,
    person: &PersonId,
    now: Timestamp,
) -> Result<bool, Error> {
    let sql = "DELETE FROM jobs WHERE tenant = $1 AND person_id = $2 AND lease_until <= $3";
    tx.exec(sql, &[tenant.into(), person.into(), now.into()])?;
    Ok(get(tx, tenant, person)?.is_none())
}

/// Gives a job back unchanged, so that another replica can take it at once.
pub fn release(tx: &mut Tx<'_>, job: &Job) -> Result<(), Error> {
    tx.exec(
        "UPDATE jobs SET lease_owner = NULL, lease_until = 0 WHERE tenant = $1 AND person_id = $2 AND fence = $3",
        &[(&job.tenant).into(), (&job.person).into(), job.fence.into()],
    )
    .map(drop)
}

/// How many jobs of these tenants go before one in `lane` that is due at `due`.
pub fn ahead(tx: &mut Tx<'_>, tenants: &[TenantId], lane: Lane, due: Timestamp) -> Result<u64, Error> {
    let mut ahead = 0;
    for tenant in tenants {
        let count = tx.one(
            "SELECT COUNT(*) FROM jobs WHERE tenant = $1 AND parked_at IS NULL
                 AND (lane < $2 OR (lane = $2 AND due_at < $3))",
            &[tenant.into(), (lane as i64).into(), due.into()],
            |row| row.int(0),
        )?;
        ahead += u64::try_from(count.unwrap_or_default()).unwrap_or_default();
    }
    Ok(ahead)
}

/// The jobs of a tenant by lane: how many wait, how many of them are parked.
pub fn by_lane(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<Vec<(Lane, i64, i64)>, Error> {
    tx.all(
        "SELECT lane, COUNT(*), SUM(CASE WHEN parked_at IS NULL THEN 0 ELSE 1 END) FROM jobs WHERE tenant = $1
         GROUP BY lane ORDER BY lane",
        &[tenant.into()],
        |row| Ok((Lane::from_number(row.int(0)?), row.int(1)?, row.int(2)?)),
    )
}

/// How many jobs of a tenant wait or are worked on.
pub fn count(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64, Error> {
    let count = tx.one("SELECT COUNT(*) FROM jobs WHERE tenant = $1", &[tenant.into()], |row| row.int(0))?;
    Ok(count.unwrap_or_default())
}

/// How many jobs of a tenant are due or worked on; parked ones are not.
pub fn waiting(tx: &mut Tx<'_>, tenant: &TenantId) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM jobs WHERE tenant = $1 AND parked_at IS NULL";
    Ok(tx.one(sql, &[tenant.into()], |row| row.int(0))?.unwrap_or_default())
}
