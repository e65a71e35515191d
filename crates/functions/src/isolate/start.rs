//! Starting a worker and loading code into it.

use super::Inner;
use super::link::{Link, LinkDeps, Order};
use basalt_data::{Call, Principal, Rank};
use basalt_sandbox::Jail;
use basalt_sandbox::frame::{Bundle, VERSION, Word};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// What the program is started with to be a worker.
pub const WORKER: &str = "__worker";
/// How long a worker may take to lock itself in and to load its code.
const START_MAX: Duration = Duration::from_secs(20);

impl Inner {
    /// A worker with its code loaded, and what that declares. Errors: why not.
    pub(super) async fn start(&self, bundle: &Bundle) -> Result<(Arc<Link>, Vec<u8>), String> {
        let program = self.deps.program.clone();
        let starting = tokio::task::spawn_blocking(move || program.start(&[WORKER]));
        let started = starting
            .await
            .map_err(|_| "the start panicked".to_owned())?;
        let started = started.map_err(|error| format!("no worker can be started: {error}"))?;
        let socket = started.socket.set_nonblocking(true);
        let socket = socket.and_then(|()| UnixStream::from_std(started.socket));
        let socket = socket.map_err(|error| format!("the worker's socket failed: {error}"))?;
        let (said, mut says) = mpsc::unbounded_channel();
        let deps = LinkDeps {
            clock: Arc::clone(&self.deps.clock),
            logs: self.deps.logs.clone(),
            backend: Arc::clone(&self.deps.backend),
            memory_bytes_max: self.options.memory_bytes_max as u64,
            app: self.deps.app.as_str().to_owned(),
        };
        let link = Link::begin(deps, started.child, socket, said);
        let loading = self.load(&link, &mut says, bundle);
        let outcome = tokio::time::timeout(START_MAX, loading).await;
        let outcome = outcome.unwrap_or_else(|_| Err("The code did not load in time.".to_owned()));
        match outcome {
            Ok(declared) => {
                link.loaded();
                Ok((link, declared))
            }
            Err(message) => {
                link.kill("its code can't be loaded");
                Err(message)
            }
        }
    }

    async fn load(
        &self,
        link: &Link,
        says: &mut mpsc::UnboundedReceiver<Word>,
        bundle: &Bundle,
    ) -> Result<Vec<u8>, String> {
        let gone = || "The worker ended while it was starting.".to_owned();
        let Some(Word::Ready { version, jail }) = says.recv().await else {
            return Err(gone());
        };
        if version != VERSION {
            return Err("The worker is of another version.".to_owned());
        }
        let jail = Jail::of_bits(jail);
        let (level, min) = (jail.level(), self.options.isolation_min);
        if level < min {
            return Err(format!(
                "The isolation of workers here is `{}`, and `cloud_isolation_min` asks for `{}`.",
                level.name(),
                min.name()
            ));
        }
        link.set_jail(jail);
        let principal = Principal::ranked(self.deps.app.clone(), Rank::Client);
        link.admit_loading(Call::by(principal), START_MAX);
        link.send(&Order::Load(bundle.clone()));
        match says.recv().await {
            Some(Word::Loaded { declared }) => Ok(declared),
            Some(Word::Refused { message }) => Err(message),
            _ => Err(gone()),
        }
    }
}
