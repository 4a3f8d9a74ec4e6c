//! Whether the token of somebody who is switched off dies.
//!
//! RingCX gives a permanent token to whoever asks, for themselves (`POST /voice/api/v1/admin/token` has no body that names anybody),
//! and the bridge cannot sign in as an administrator whom it makes: their form has no password. So whoever runs the probe lends it the
//! token of a throw-away administrator, known by its login name. The administrator is switched off, the token is shown again, and the
//! administrator is switched on again.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;

use super::{Patient, Report, clause};
use crate::cli::operator::operator;
use crate::cli::runtime::with_token;
use crate::clock::{Clock, Ids};
use crate::store::{audit, facts};
use crate::upstream::model::{Identity, UserId};
use crate::upstream::{Calls, Error};

/// Under which name the answer is remembered: `dies` or `lives`.
pub(in crate::cli) const FACT: &str = "disabled_token";

/// How the login name of an administrator begins with whom this may be tried.
const THROW_AWAY: &str = "scim-probe-";

/// How often the token is shown, and the pause between: RingCX need not see at once that an account is off.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Says what is known, or how somebody finds it out.
pub(super) async fn explain(patient: &Patient<'_>, report: &mut Report) {
    let of = patient.id.clone();
    if let Some(word) = patient.store.read(move |tx| facts::get(tx, &of, FACT)).await.ok().flatten() {
        return report.ok("probe", format!("{FACT}: {word}, as learned"));
    }
    report.warn(
        "probe",
        format!(
            "whether a disabled account's token dies is not known: RingCX gives a token to its owner alone; make an administrator without \
             roles whose login name begins with {THROW_AWAY} in the portal, sign in as it, make an API token, and run this again with \
             --probe-token-file"
        ),
    );
}

/// Tries it with the token in `file`, and leaves the administrator as it was.
pub(super) async fn run(patient: &Patient<'_>, bridge: &Identity, file: &Path, report: &mut Report) {
    let (lent, who) = match throw_away(patient, bridge, file).await {
        Ok(found) => found,
        Err(why) => return report.fail("probe", format!("--probe-token-file: {why}; nothing was tried")),
    };
    let tried = tokio::select! {
        tried = ask(patient, &lent, who) => tried,
        // Who is impatient still gets the administrator back.
        _ = tokio::signal::ctrl_c() => Err("it was interrupted".to_owned()),
    };
    let back = switch(patient, who, true).await;
    let word = match tried {
        Ok(word) => word,
        Err(why) => {
            report.warn("probe", format!("whether a disabled account's token dies was not found out: {why}"));
            return switched_back(who, back, report);
        }
    };
    let (of, now) = (patient.id.clone(), Clock::system().now());
    let remembered = patient.store.write(move |tx| facts::set(tx, &of, FACT, word, now)).await;
    report.ok("probe", format!("{FACT}: {word}"));
    if let Err(error) = remembered {
        report.warn("probe", format!("what was learned is not written down: {error}"));
    }
    switched_back(who, back, report);
}

fn switched_back(who: UserId, back: Result<(), String>, report: &mut Report) {
    match back {
        Ok(()) => {
            let todo = "is switched on again; remove it and its token when you need it no longer";
            report.ok("probe", format!("throw-away administrator {who} {todo}"));
        }
        Err(why) => {
            report.fail(
                "probe",
                format!("throw-away administrator {who} stays switched off: {why}; remove it by hand"),
            );
        }
    }
}

/// The calls with the token in the file, and the administrator whose it is, who must be one that nobody misses.
async fn throw_away(
    patient: &Patient<'_>,
    bridge: &Identity,
    file: &Path,
) -> Result<(Calls, UserId), String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("{} is not read: {error}", file.display()))?;
    let token = SecretString::from(text.trim());
    let lent = with_token(patient.store, &patient.settings.ringcx, &patient.budget, &token)
        .map_err(|error| error.to_string())?;
    let owner = lent
        .identity()
        .await
        .map_err(|error| format!("RingCX does not take the token: {}", clause(&error)))?;
    let who = owner.user_id.ok_or("RingCX does not say whose token it is")?;
    let seen = patient.calls.admin(who).await;
    let admin = seen.map_err(|error| format!("its owner {who} cannot be read: {}", clause(&error)))?;
    let named = admin.user_name().is_some_and(|name| name.to_ascii_lowercase().starts_with(THROW_AWAY));
    let fault = if bridge.user_id == Some(who) {
        "is the bridge's own"
    } else if !named {
        "has a login name that does not begin with scim-probe-"
    } else if admin.root_user() || !admin.roles().is_empty() || !admin.children().is_empty() {
        "has roles or other administrators below it"
    } else if !admin.enabled() {
        "is switched off already"
    } else {
        return Ok((lent, who));
    };
    Err(format!("administrator {who}, whose token it is, {fault}; make one that nobody misses"))
}

/// Switches the administrator off and shows its token again.
async fn ask(patient: &Patient<'_>, lent: &Calls, who: UserId) -> Result<&'static str, String> {
    switch(patient, who, false).await?;
    for _ in 0..LOOKS {
        match lent.identity().await {
            Err(Error::Unauthorized(_) | Error::Forbidden(_)) => return Ok("dies"),
            Err(error) => return Err(clause(&error)),
            Ok(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    Ok("lives")
}

/// Switches the administrator on or off, looks whether it is, and writes that down for the auditor.
async fn switch(patient: &Patient<'_>, who: UserId, active: bool) -> Result<(), String> {
    let answer = patient.calls.set_admin_active(who, active).await;
    let seen = patient.calls.admin(who).await.map(|admin| admin.enabled() == active);
    let ended = match (seen, answer) {
        (Ok(true), _) => Ok(()),
        (_, Err(error)) | (Err(error), Ok(())) => Err(clause(&error)),
        (Ok(false), Ok(())) => Err("RingCX says yes and shows it as it was".to_owned()),
    };
    let outcome = if ended.is_ok() { "done" } else { "refused" };
    let detail = json!({"outcome": outcome, "probe": FACT, "user_id": who.0, "active": active});
    let record =
        audit::Record::new(&Ids::system().next(), Clock::system().now(), &operator(), "setIsActive", &detail);
    let of = patient.id.clone();
    let noted = patient.store.write(move |tx| audit::append(tx, &of, &record)).await;
    noted.map_err(|error| format!("what was done is not written down: {error}"))?;
    ended
}
