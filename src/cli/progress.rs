//! How far long work is: a bar on a terminal, a plain line now and then otherwise, where it takes longer than a moment. Always on
//! standard error, so that what a command prints stays whole.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The width of the bar.
const WIDTH: usize = 30;

/// Where nobody watches, work that takes no longer than this has no lines.
const A_MOMENT: Duration = Duration::from_secs(2);

/// A bar or lines, by what standard error is.
pub(super) struct Progress {
    what: &'static str,
    terminal: bool,
    begun: Instant,
    /// What was last shown, in hundredths; lines come at each tenth.
    shown: AtomicUsize,
}

impl Progress {
    /// Nothing is shown before the first step.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            terminal: std::io::stderr().is_terminal(),
            begun: Instant::now(),
            shown: AtomicUsize::new(usize::MAX),
        }
    }

    /// `done` of `all` are done.
    pub(super) fn at(&self, done: usize, all: usize) {
        if !self.terminal && self.begun.elapsed() < A_MOMENT {
            return;
        }
        let hundredths = (done * 100).checked_div(all).unwrap_or(100);
        let step = if self.terminal { hundredths } else { hundredths / 10 };
        if self.shown.swap(step, Ordering::Relaxed) == step {
            return;
        }
        let mut out = std::io::stderr().lock();
        let text = line(self.what, done, all);
        // Whoever does not look is no reason to fail.
        drop(if self.terminal {
            let end = if done >= all { "\n" } else { "" };
            write!(out, "\r{text}{end}").and_then(|()| out.flush())
        } else {
            writeln!(out, "{}: {done} of {all}", self.what)
        });
    }
}

/// One bar after another, for work in several parts.
pub(super) fn of_parts() -> crate::reconcile::Progress {
    let current: Mutex<Option<Progress>> = Mutex::default();
    Arc::new(move |what, done, all| {
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = current.take().filter(|it| it.what == what).unwrap_or_else(|| Progress::new(what));
        progress.at(done, all);
        // A part that begins anew has a bar of its own.
        *current = (done < all).then_some(progress);
    })
}

fn line(what: &str, done: usize, all: usize) -> String {
    let full = (done * WIDTH).checked_div(all).unwrap_or(WIDTH).min(WIDTH);
    format!("{what} [{}{}] {done} of {all}", "#".repeat(full), " ".repeat(WIDTH - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_full_when_all_is_done_or_there_was_nothing() {
        assert_eq!(line("agents", 0, 4), format!("agents [{}] 0 of 4", " ".repeat(WIDTH)));
        assert_eq!(line("agents", 2, 4), format!("agents [{}{}] 2 of 4", "#".repeat(15), " ".repeat(15)));
        assert_eq!(line("agents", 0, 0), format!("agents [{}] 0 of 0", "#".repeat(WIDTH)));
    }
}
