//! How far long work is: a bar on a terminal, a plain line now and then otherwise. Always on standard error, so that what a
//! command prints stays whole.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The width of the bar.
const WIDTH: usize = 30;

/// A bar or lines, by what standard error is.
pub(super) struct Progress {
    what: &'static str,
    terminal: bool,
    /// What was last shown, in hundredths; lines come at each tenth.
    shown: AtomicUsize,
}

impl Progress {
    /// Nothing is shown before the first step.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, terminal: std::io::stderr().is_terminal(), shown: AtomicUsize::new(usize::MAX) }
    }

    /// `done` of `all` are done.
    pub(super) fn at(&self, done: usize, all: usize) {
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
