//! A closure on its way to a database thread and its result on the way back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::Error;
use super::tx::{Failure, Tx};

/// How a closure ended.
pub(super) enum Ran {
    /// Well: commit it.
    Done,
    /// With an error of its own, which its caller will get: roll it back.
    Refused,
    /// With an error of the database, or a panic: roll it back.
    Broken(Failure),
}

/// A closure waiting for a transaction. It may run several times, and is answered once.
pub(super) trait Task: Send {
    /// Runs the closure and keeps its result.
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran;

    /// Ends the waiting of the caller. An error here overrules whatever the closure returned: the caller may have seen
    /// what never became durable.
    fn answer(self: Box<Self>, ended: Result<(), Error>);
}

struct Waiting<T, E, F> {
    closure: F,
    result: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

/// Makes a task of a closure, and the end at which its answer appears.
pub(super) fn task<T, E, F>(closure: F) -> (Box<dyn Task>, oneshot::Receiver<Result<T, E>>)
where
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (caller, answer) = oneshot::channel();
    (Box::new(Waiting { closure, result: None, caller }), answer)
}

impl<T, E, F> Task for Waiting<T, E, F>
where
    F: Fn(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> Ran {
        self.result = None;
        let (result, ran) = guarded(&self.closure, tx);
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, ended: Result<(), Error>) {
        let result = match (ended, self.result) {
            (Err(error), _) => Err(E::from(error)),
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(E::from(Error::Unavailable("the closure was not run".to_owned()))),
        };
        // The caller may have gone; the work is done all the same.
        drop(self.caller.send(result));
    }
}

/// Runs a closure, catches its panic, and turns `Ok` into the error that the transaction remembers.
pub(super) fn guarded<T, E: From<Error>>(
    closure: &impl Fn(&mut Tx<'_>) -> Result<T, E>,
    tx: &mut Tx<'_>,
) -> (Result<T, E>, Ran) {
    let result = catch_unwind(AssertUnwindSafe(|| closure(tx)));
    match (result, tx.failure().cloned()) {
        (Ok(Ok(value)), None) => (Ok(value), Ran::Done),
        (Ok(Ok(_)), Some(failure)) => (Err(E::from(failure.error.clone())), Ran::Broken(failure)),
        (Ok(Err(error)), Some(failure)) => (Err(error), Ran::Broken(failure)),
        (Ok(Err(error)), None) => (Err(error), Ran::Refused),
        (Err(_), _) => {
            let error = Error::Corrupt("a transaction panicked and was rolled back".to_owned());
            (Err(E::from(error.clone())), Ran::Broken(error.into()))
        }
    }
}
