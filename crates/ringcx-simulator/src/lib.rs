//! A RingCX, and the RingCentral platform beside it, to run on a laptop.
//!
//! Stateful, over real HTTP, with the limits, the short-lived tokens and the doubts of the real one. Every question that RingCX's
//! public documents leave open is a knob ([`Knobs`]); three profiles set all of them at once. Nothing here knows our client: the
//! paths, fields and statuses come from the public documents, so a misspelt field in the client does not pass.
//!
//! [`Simulator::start`] serves; [`Control`] looks inside and makes trouble. The same control is there over HTTP for other
//! processes, without a credential: `GET /simulator/state`, `GET /simulator/calls`, `POST /simulator/faults`,
//! `POST /simulator/knobs`, `POST /simulator/clock`, `POST /simulator/extensions`.
//!
//! | Knob | `friendly` | `hostile` | `spec` |
//! | --- | --- | --- | --- |
//! | `put_mode` | merge | replace | replace |
//! | `move_mode` | `body_agentgroup_id` | `path` | `body_groupid` |
//! | `username_rewrite` | never | `linked_only` | `linked_only` |
//! | `delete_mode` | hard | `soft_keeps_username` | hard |
//! | `rate_limit` | 120 | 10 | 120 |
//! | `rate_body`, `rate_headers` | json, `retry_after` | text, `retry_after` | json, `x_rate_limit` |
//! | `agent_conflict` | 409 | 500 | `400_validation` |
//! | `roles_shape`, `getroles_shape` | strings, strings | strings, objects | objects, strings |
//! | `ids` | number | string | number |
//! | `list_includes_inactive` | yes | no | yes |
//! | `password_echo`, `put_masked_password` | mask, ignored | real, ignored | absent, ignored |
//! | `null_on_get`, `null_put_clears` | yes, no | yes, yes | yes, yes |
//! | `assign_mode`, `assign_existing` | add, true | replace, true | add, 409 |
//! | `role_add_existing`, `role_remove_missing` | true, true | 409, 404 | true, true |
//! | `create_user_status` | 200 | `201_empty` | 200 |
//! | `delete_missing` | 404 | false | 404 |

mod answer;
mod control;
mod faults;
mod knobs;
mod limits;
mod routes;
mod seed;
mod serve;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use control::{Call, Control};
pub use faults::{Chaos, Fault, FaultKind};
pub use knobs::{Knobs, Profile};
pub use routes::operations;
pub use seed::Seed;

/// How a simulator starts.
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The answers to the open questions.
    pub knobs: Knobs,
    /// What is there from the start.
    pub seed: Seed,
    /// Where the state is kept between two starts; it replaces the seed when the file is there.
    pub state_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            knobs: Knobs::profile(Profile::Friendly),
            seed: Seed::demo(),
            state_file: None,
        }
    }
}

/// A running simulator; it ends when dropped.
pub struct Simulator {
    address: SocketAddr,
    world: Arc<Mutex<world::World>>,
    task: JoinHandle<()>,
}

impl Simulator {
    /// Binds the address and serves.
    ///
    /// # Errors
    /// When the address cannot be bound, or the state file cannot be read.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let world = world::World::new(options.knobs, options.seed, options.state_file)?;
        let world = Arc::new(Mutex::new(world));
        let router = serve::router(Arc::clone(&world));
        let task = tokio::spawn(async move {
            // Serving ends with the task; there is nobody to tell.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { address, world, task })
    }

    /// The URL of RingCX and of the platform alike.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A look inside.
    pub fn admin(&self) -> Control {
        Control::new(Arc::clone(&self.world))
    }

    /// Stops serving.
    pub async fn stop(mut self) {
        self.task.abort();
        // Aborted or ended: either way it serves no more.
        drop((&mut self.task).await);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
