//! Requests that are done at most once: the id of each is an object whose id field is unique.

use crate::decode::fail;
use crate::request::Req;
use basalt_base::{Reason, Result, Timestamp, Value};
use basalt_data::{BatchStep, Call, Create, Delete, FieldChange, ObjectQuery, Rank, Where};
use basalt_functions::other_spelling;
use basalt_store::{Path, Pattern, PatternOptions, Test};
use std::sync::Arc;
use std::time::Duration;

const CLASS: &str = "_Idempotency";
/// How many expired ids one request removes.
const SWEEP_MAX: u64 = 20;
/// One of so many requests looks for expired ids; fewer than it may remove, so that they don't pile up.
const SWEEP_EVERY: u8 = 16;

/// Claims the request's id, where it has one that counts. Errors: `DuplicateRequest`.
pub async fn claim(req: &Req<'_>) -> Result<()> {
    // What the read-only key asks for is refused: nothing is to be written in its name before.
    let reads_only = req.call.principal.rank == Rank::ReadOnlyMaster;
    let Some(id) = req.request_id.filter(|_| !reads_only && counts(req)) else {
        return Ok(());
    };
    let call = req.call.as_master();
    let now = req.app.data.deps().clock.now();
    let ttl = Duration::from_secs(req.app.options.idempotency_ttl_seconds);
    let duplicate = || fail(Reason::DuplicateRequest, "Duplicate request");
    match record(req, &call, id, now.plus(ttl)).await {
        Err(e) if e.reason() == Reason::DuplicateValue => {}
        Ok(()) => {
            let mut drawn = [0; 1];
            req.app.data.deps().rng.fill(&mut drawn);
            if drawn[0].is_multiple_of(SWEEP_EVERY) {
                sweep(req, &call, now, false).await?;
            }
            return Ok(());
        }
        other => return other,
    }
    // The id may be there only because nobody has removed it yet.
    if sweep(req, &call, now, true).await? == 0 {
        return Err(duplicate());
    }
    match record(req, &call, id, now.plus(ttl)).await {
        Err(e) if e.reason() == Reason::DuplicateValue => Err(duplicate()),
        other => other,
    }
}

/// Whether ids count on this path. Patterns match from the path's beginning.
fn counts(req: &Req<'_>) -> bool {
    let limit = req.app.options.limits.regex_bytes_max;
    // Without the slash in front, as the path is here.
    let other = other_spelling(&format!("/{}", req.path)).map(|path| path[1..].to_owned());
    req.app.options.idempotency_paths.iter().any(|source| {
        let anchored = if source.starts_with('^') {
            source.clone()
        } else {
            format!("^(?:{source})")
        };
        Pattern::new(&anchored, PatternOptions::default(), limit)
            .and_then(|pattern| {
                let here = pattern.is_match(req.path)?;
                Ok(here
                    || other
                        .as_deref()
                        .map_or(Ok(false), |path| pattern.is_match(path))?)
            })
            .unwrap_or(false)
    })
}

async fn record(req: &Req<'_>, call: &Call, id: &str, expire: Timestamp) -> Result<()> {
    let create = Create {
        collection: Arc::from(CLASS),
        id: None,
        fields: vec![
            FieldChange::set("reqId", Value::from(id)),
            FieldChange::set("expire", Value::Timestamp(expire.truncate_to_millis())),
        ],
        acl: None,
        created_at: None,
        updated_at: None,
    };
    req.app.data.create(call, create).await.map(drop)
}

/// Removes some expired ids, with `for_own` only if the request's own is one of them, and that one
/// first; tells how many.
async fn sweep(req: &Req<'_>, call: &Call, now: Timestamp, for_own: bool) -> Result<usize> {
    let expired = Test::Lte(Value::Timestamp(now));
    let own = Test::Eq(Value::from(req.request_id.unwrap_or_default()));
    let mut ids: Vec<Box<str>> = Vec::new();
    let own = for_own.then_some(Some(("reqId", own)));
    for test in own.into_iter().chain([None]) {
        let mut query = ObjectQuery::of(CLASS);
        let old = Where::Test(Path::field("expire"), expired.clone());
        query.filter = match test {
            Some((field, test)) => Where::And(vec![Where::Test(Path::field(field), test), old]),
            None => old,
        };
        query.limit = Some(SWEEP_MAX);
        let page = req.app.data.find(call, query).await?;
        for record in page.records {
            if !ids.contains(&record.id) {
                ids.push(record.id);
            }
        }
        if ids.is_empty() {
            return Ok(0);
        }
    }
    let count = ids.len();
    let steps = ids.into_iter().map(|id| {
        BatchStep::Delete(Delete {
            collection: Arc::from(CLASS),
            id,
        })
    });
    // Another request may have removed some of them meanwhile.
    req.app.data.batch(call, steps.collect()).await?;
    Ok(count)
}
