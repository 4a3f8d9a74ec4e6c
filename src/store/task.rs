//! A closure on its way to a database thread and its result on the way back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::tx::{Failure, Tx};
use super::Error;

/// A closure waiting for a transaction. It may run several times, and is answered once.
pub(super) trait Task: Send {
    /// Runs the closure; an error means that what it did must be rolled back.
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure>;

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
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        self.result = None;
        let (result, failure) = guarded(&self.closure, tx);
        self.result = Some(result);
        failure.map_or(Ok(()), Err)
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
///
/// The second part is why the transaction must be rolled back, if it must.
pub(super) fn guarded<T, E: From<Error>>(
    closure: &impl Fn(&mut Tx<'_>) -> Result<T, E>,
    tx: &mut Tx<'_>,
) -> (Result<T, E>, Option<Failure>) {
    let result = catch_unwind(AssertUnwindSafe(|| closure(tx)));
    let remembered = tx.failure().cloned();
    match (result, remembered) {
        (Ok(Ok(value)), None) => (Ok(value), None),
        (Ok(Ok(_)), Some(failure)) => (Err(E::from(failure.error.clone())), Some(failure)),
        (Ok(Err(error)), Some(failure)) => (Err(error), Some(failure)),
        (Ok(Err(error)), None) => {
            // The closure's own error: rolled back and handed over as it is.
            (Err(error), Some(Error::Stale.into()))
        }
        (Err(_), _) => {
            let error = Error::Corrupt("a transaction panicked and was rolled back".to_owned());
            (Err(E::from(error.clone())), Some(error.into()))
        }
    }
}
