//! Who runs a command, for the auditor.

use crate::clock::Ids;
use crate::domain::Actor;

/// The operator as the system knows them, in this run of the command.
pub(super) fn operator() -> Actor {
    let named = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let user = named.filter(|name| !name.is_empty()).or_else(number).unwrap_or_else(|| "unknown".to_owned());
    Actor::operator(&user, &Ids::system().next().to_string())
}

/// In a container nobody has a name.
fn number() -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").ok().map(|it| format!("uid-{}", it.uid()))
    }
    #[cfg(not(unix))]
    None
}
