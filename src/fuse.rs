//! Fail points for the crash tests: a debug build ends itself, without a last word, where the tests tell it to.
//!
//! There is one before and after each commit and each upstream call. The file named by `RINGCX_SCIM_FUSE` holds how many of
//! them are passed before the process ends; nothing in it, and nothing happens. Where `RINGCX_SCIM_SNAP` is set, [`snap`] panics
//! instead. A release build has no such points.

/// A place where the process may end.
#[cfg(debug_assertions)]
pub(crate) fn point() {
    use std::sync::{LazyLock, Mutex, PoisonError};

    static FILE: LazyLock<Option<Mutex<std::path::PathBuf>>> =
        LazyLock::new(|| std::env::var_os("RINGCX_SCIM_FUSE").map(|path| Mutex::new(path.into())));
    let Some(file) = &*FILE else { return };
    let path = file.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(left) = std::fs::read_to_string(&*path).ok().and_then(|text| text.trim().parse::<u64>().ok())
    else {
        return;
    };
    drop(std::fs::write(&*path, left.saturating_sub(1).to_string()));
    if left <= 1 {
        drop(std::fs::write(&*path, ""));
        #[expect(
            clippy::exit,
            reason = "this is what it is for: no destructor of ours runs, nothing is flushed"
        )]
        std::process::exit(137);
    }
}

/// A place where nothing ends.
#[cfg(not(debug_assertions))]
pub(crate) const fn point() {}

/// A place that fails inside when it is at work on something that asks for it, quoting it as careless code would.
#[cfg(debug_assertions)]
pub(crate) fn snap(place: &str, at_work_on: &str) {
    let snaps = std::env::var_os("RINGCX_SCIM_SNAP").is_some();
    assert!(!snaps || !at_work_on.contains(&format!("snap-in-{place}")), "at work on {at_work_on}");
}

/// A place that never fails.
#[cfg(not(debug_assertions))]
pub(crate) const fn snap(_: &str, _: &str) {}
