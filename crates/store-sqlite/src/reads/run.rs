//! Where a read runs: inside the async task first, on a blocking thread when it takes long.

use super::pool::Lease;
use crate::connection::Session;
use crate::control::{Control, Stop};
use crate::error::Typed;
use crate::metrics::Counters;
use crate::schema::{Schema, load};
use crate::shared::Shared;
use basalt_base::{Error, Monotonic, Reason, Result};
use basalt_store::ReadOptions;
use parking_lot::Mutex;
use std::sync::Arc;

/// A state of the app: the schema and the position that a read transaction sees.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) schema: Arc<Schema>,
    pub(crate) position: u64,
}

/// A read transaction that stays open between reads: starting and ending one takes locks that
/// all readers of the file share.
pub(crate) struct Held {
    /// The state that was published when it began; it sees that one or a later one.
    pub(crate) state: u64,
    view: View,
}

/// Has a read transaction of the latest state and says what it sees.
pub(crate) fn begin(shared: &Shared, session: &Session) -> Result<View> {
    let state = shared.pool.state();
    if let Some(held) = &*session.held.borrow()
        && held.state == state
    {
        return Ok(held.view.clone());
    }
    end(session);
    execute(session, "BEGIN")?;
    let stand = load::stand(&session.conn)?;
    let mut schema = shared.schema.load_full();
    if schema.catalogue.version != stand.version {
        // Between a commit and its publication, or in a transaction older than the published one.
        let catalogue = load::catalogue(&session.conn)?;
        schema = Arc::new(Schema::of(catalogue, Some(&schema)));
    }
    let view = View {
        schema,
        position: stand.position,
    };
    *session.held.borrow_mut() = Some(Held {
        state,
        view: view.clone(),
    });
    Ok(view)
}

/// Ends the transaction.
pub(crate) fn end(session: &Session) {
    *session.held.borrow_mut() = None;
    if !session.conn.is_autocommit() {
        // On failure the connection is closed when it comes back to the pool.
        let _ = execute(session, "ROLLBACK");
    }
}

fn execute(session: &Session, sql: &str) -> Result<()> {
    let mut statement = session.conn.prepare_cached(sql).typed()?;
    statement.raw_execute().map(drop).typed()
}

fn in_view<T>(
    shared: &Shared,
    session: &Session,
    job: &impl Fn(&Session, &View) -> Result<T>,
) -> Result<T> {
    let result = begin(shared, session).and_then(|view| job(session, &view));
    if result.is_err() {
        end(session);
    }
    result
}

/// When a read that starts now has to end.
pub(crate) fn deadline(shared: &Shared, options: ReadOptions) -> Monotonic {
    shared
        .common
        .options
        .clock
        .monotonic()
        .after(options.time_max)
}

/// Runs a read at the latest state.
pub(crate) async fn run<T: Send + 'static>(
    shared: &Arc<Shared>,
    options: ReadOptions,
    job: impl Fn(&Session, &View) -> Result<T> + Send + 'static,
) -> Result<T> {
    let deadline = deadline(shared, options);
    {
        let (lease, waited) = shared.pool.lease().await?;
        if waited {
            Counters::count(&shared.common.counters.reader_waits);
        }
        if let Some(result) = inline(shared, &lease, |session| in_view(shared, session, &job)) {
            return result;
        }
    }
    // The lease is back: reads that wait for a thread must not keep short ones from running.
    run_long(shared, deadline, job).await
}

/// Runs it within the step budget; `None` when it passed the budget.
pub(crate) fn inline<T>(
    shared: &Shared,
    lease: &Lease,
    job: impl FnOnce(&Session) -> Result<T>,
) -> Option<Result<T>> {
    let session = match lease.session() {
        Ok(session) => session,
        Err(error) => return Some(Err(error)),
    };
    session
        .control
        .start_inline(shared.common.options.inline_kilosteps_max);
    match job(session) {
        Err(_) if session.control.stopped() == Stop::Budget => None,
        result => Some(result),
    }
}

/// Runs a read at the latest state on a blocking thread.
pub(crate) async fn run_long<T: Send + 'static>(
    shared: &Arc<Shared>,
    deadline: Monotonic,
    job: impl FnOnce(&Session, &View) -> Result<T> + Send + 'static,
) -> Result<T> {
    Counters::count(&shared.common.counters.reads_long);
    let (cancel, guard) = cancellation();
    let owned = shared.clone();
    let result = shared
        .common
        .reading
        .run(shared.party(), move || {
            let lease = owned.pool.checkout()?;
            let session = lease.session()?;
            cancel.during(session, deadline, |session| {
                let result = begin(&owned, session).and_then(|view| job(session, &view));
                // It may have taken a while.
                end(session);
                result
            })
        })
        .await;
    drop(guard);
    result
}

/// Tells a read on another thread that its caller went away.
#[derive(Clone, Default)]
pub(crate) struct Cancel(Arc<Mutex<Cancelled>>);

#[derive(Default)]
struct Cancelled {
    yes: bool,
    running: Option<(Arc<Control>, u64)>,
}

/// Cancels when it is dropped; harmless once the read is done.
pub(crate) struct CancelGuard(Cancel);

/// A pair for the thread and for its caller.
pub(crate) fn cancellation() -> (Cancel, CancelGuard) {
    let cancel = Cancel::default();
    (cancel.clone(), CancelGuard(cancel))
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.yes = true;
        if let Some((control, run)) = &state.running {
            control.cancel(*run);
        }
    }
}

impl Cancel {
    /// Runs the job under a deadline, stopping it when the caller goes away.
    pub(crate) fn during<T>(
        &self,
        session: &Session,
        deadline: Monotonic,
        job: impl FnOnce(&Session) -> Result<T>,
    ) -> Result<T> {
        {
            let mut state = self.0.lock();
            if state.yes {
                return Err(Error::new(Reason::Cancelled, "The caller went away."));
            }
            let run = session.control.start_until(deadline);
            state.running = Some((session.control.clone(), run));
        }
        let result = job(session).map_err(|error| session.control.explain(error));
        self.0.lock().running = None;
        session.control.start_free();
        result
    }
}
