//! PostgreSQL: a few threads, each with its own small runtime and connection, that take closures from a queue.
//!
//! READ COMMITTED for writes, since the typed functions lock rows first; one snapshot for reads. A closure is run again
//! when the database says that it may (deadlock, serialization, a connection lost before COMMIT), never when the outcome
//! of a COMMIT is unknown. Start reading at [`serve`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::Error;
use super::postgres_session::{Connect, Mode, Session};
use super::task::{Ran, Task, task};
use super::tx::{Database, Failure, Tx};

/// How often a closure is run at most.
const ATTEMPTS: u32 = 10;

/// A database server and the threads that talk to it; reads never wait behind writes that wait for a row.
pub(super) struct Postgres {
    readers: Pool,
    writers: Pool,
}

struct Pool {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A queue with many consumers; a permit stands for each task in it.
struct Queue {
    tasks: Mutex<VecDeque<Box<dyn Task>>>,
    ready: Semaphore,
}

impl Queue {
    fn push(&self, task: Box<dyn Task>) -> bool {
        if self.ready.is_closed() {
            return false;
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push_back(task);
        self.ready.add_permits(1);
        true
    }

    /// The next task; `None` when the store was closed and everything accepted is done.
    async fn next(&self) -> Option<Box<dyn Task>> {
        if let Ok(permit) = self.ready.acquire().await {
            permit.forget();
        }
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Postgres {
    /// Starts the threads; they connect when the first closure comes.
    pub(super) fn open(url: &str, connections: usize) -> Result<Self, Error> {
        let connect = Arc::new(Connect::parse(url)?);
        let half = (connections / 2).max(1);
        Ok(Self {
            readers: Pool::start("store-read", Mode::Read, half, &connect)?,
            writers: Pool::start("store-write", Mode::Write, half, &connect)?,
        })
    }

    pub(super) async fn read<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.readers.run(closure).await
    }

    pub(super) async fn write<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writers.run(closure).await
    }

    pub(super) async fn close(&self) {
        for pool in [&self.readers, &self.writers] {
            pool.queue.ready.close();
            let threads = std::mem::take(&mut *pool.threads.lock().unwrap_or_else(PoisonError::into_inner));
            let joined = tokio::task::spawn_blocking(|| {
                threads.into_iter().filter_map(|thread| thread.join().err()).count()
            });
            if joined.await.is_ok_and(|bad| bad > 0) {
                tracing::error!("a thread of the store ended badly");
            }
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.readers.queue.ready.close();
        self.writers.queue.ready.close();
    }
}

impl Pool {
    fn start(name: &str, mode: Mode, threads: usize, connect: &Arc<Connect>) -> Result<Self, Error> {
        let queue = Arc::new(Queue { tasks: Mutex::default(), ready: Semaphore::new(0) });
        let mut running = Vec::with_capacity(threads);
        for _ in 0..threads {
            let (queue, connect) = (Arc::clone(&queue), Arc::clone(connect));
            let no_thread = |e| Error::Unavailable(format!("no thread for the store: {e}"));
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(no_thread)?;
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
                let mut worker =
                    Worker { runtime: Arc::new(runtime), connect: &connect, mode, session: None };
                while let Some(task) = worker.runtime.block_on(queue.next()) {
                    serve(&mut worker, task);
                }
            });
            running.push(thread.map_err(no_thread)?);
        }
        Ok(Self { queue, threads: Mutex::new(running) })
    }

    async fn run<T, E, F>(&self, closure: F) -> Result<T, E>
    where
        F: Fn(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let closed = || E::from(Error::Unavailable("the store is closed".to_owned()));
        let (task, answer) = task(closure);
        if !self.queue.push(task) {
            return Err(closed());
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }
}

struct Worker<'a> {
    runtime: Arc<Runtime>,
    connect: &'a Connect,
    mode: Mode,
    session: Option<Session>,
}

/// Runs one closure to its end: as often as the database asks for it, on a new connection where the old one is gone.
fn serve(worker: &mut Worker<'_>, mut task: Box<dyn Task>) {
    let mut attempt = 1;
    let ended = loop {
        match attempt_once(worker, task.as_mut()) {
            Ok(()) => break Ok(()),
            Err(failure) if failure.again && attempt < ATTEMPTS => {
                // Deadlocks come in pairs: let the other one go first, a little longer each time.
                let pause = Duration::from_millis(u64::from(attempt * attempt));
                worker.runtime.block_on(async { tokio::time::sleep(pause).await });
                attempt += 1;
            }
            Err(failure) => break Err(failure.error),
        }
    };
    task.answer(ended);
}

/// One run of a closure. `Ok` also when the closure refused: then its own error is the answer.
fn attempt_once(worker: &mut Worker<'_>, task: &mut dyn Task) -> Result<(), Failure> {
    // A backend that ended while the connection lay idle shows here, and not in the middle of the closure.
    let mut session = match worker.session.take().filter(Session::is_usable) {
        Some(session) => session,
        None => worker.connect.session(&worker.runtime, worker.mode)?,
    };
    let ended = match task.run(&mut Tx::new(Database::Postgres(&mut session))) {
        Ran::Done => session.commit(),
        Ran::Refused => {
            session.rollback();
            Ok(())
        }
        Ran::Broken(failure) => {
            session.rollback();
            // What the closure made of the error is its answer, unless it is to run again.
            if failure.again { Err(failure) } else { Ok(()) }
        }
    };
    if session.is_usable() {
        worker.session = Some(session);
    }
    ended
}
