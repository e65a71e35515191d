//! One change: who is told, and what.

use crate::bucket::{Asked, Audience, Query};
use crate::engine::{Encode, Happened, Happening};
use crate::outbox::Delivery;
use crate::stats::{Stats, add};
use basalt_base::Result;
use basalt_data::{Look, Watch};
use basalt_store::{Change, ChangeKind, Filter, Record, eval};
use bytes::Bytes;
use std::sync::Arc;

/// Which of the two states of an object a filter means.
#[derive(Clone, Copy)]
pub(crate) struct Matched {
    before: bool,
    after: bool,
}

/// Matches both states; `None` when neither is meant. Errors: a pattern that takes too long.
pub(crate) fn matched(filter: &Filter, change: &Change) -> Result<Option<Matched>> {
    let one = |record: &Option<Arc<Record>>| match record {
        Some(record) => eval::matches(filter, record),
        None => Ok(false),
    };
    let before = one(&change.before)?;
    let after = one(&change.after)?;
    Ok((before || after).then_some(Matched { before, after }))
}

/// What happened from a caller's point of view.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    kind: Happening,
    /// Whether the state after is shown; else the one before is.
    shows_after: bool,
    /// Whether the state before is shown as the original.
    has_original: bool,
}

fn seen(watch: &Watch, change: &Change, matched: Matched) -> Result<Option<Seen>> {
    let readable = |record: &Option<Arc<Record>>| match record {
        Some(record) => watch.may_read(record),
        None => Ok(false),
    };
    let (read_before, read_after) = (readable(&change.before)?, readable(&change.after)?);
    let before = matched.before && read_before;
    let after = matched.after && read_after;
    let (kind, shows_after, has_original) = match (change.kind, before, after) {
        (ChangeKind::Create, _, true) => (Happening::Create, true, false),
        (ChangeKind::Update, true, true) => (Happening::Update, true, true),
        (ChangeKind::Update, false, true) => (Happening::Enter, true, read_before),
        // Who can't read the new state is shown the one it knows.
        (ChangeKind::Update, true, false) => (Happening::Leave, read_after, true),
        (ChangeKind::Delete, true, _) => (Happening::Delete, false, false),
        _ => return Ok(None),
    };
    Ok(Some(Seen {
        kind,
        shows_after,
        has_original,
    }))
}

/// Whether the change is one of those that the query asks for by the fields that they change.
fn is_asked(asked: &Asked, change: &Change, kind: Happening) -> bool {
    let (Some(fields), Happening::Create | Happening::Update) = (&asked.fields, kind) else {
        return true;
    };
    fields.iter().any(|path| {
        let values = |record: &Option<Arc<Record>>| {
            let record = record.as_deref();
            record.map(|record| {
                let found = eval::candidates(record, path);
                found
                    .into_iter()
                    .map(std::borrow::Cow::into_owned)
                    .collect::<Vec<_>>()
            })
        };
        values(&change.before).unwrap_or_default() != values(&change.after).unwrap_or_default()
    })
}

fn happened(watch: &Watch, change: &Change, seen: Seen) -> Option<Happened> {
    let (before, after) = (change.before.as_deref(), change.after.as_deref());
    let object = if seen.shows_after { after } else { before }?;
    let original = before.filter(|_| seen.has_original);
    Some(Happened {
        kind: seen.kind,
        collection: Arc::clone(&change.collection),
        schema: watch.schema().cloned(),
        keys: watch.keys().map(<[_]>::to_vec),
        object: watch.show(object),
        original: original.map(|record| watch.show(record)),
        position: change.position,
        bytes: 0,
    })
}

/// The event of a change for one caller, if it is one. Errors: those of [`matched`].
pub(crate) fn event(watch: &Watch, asked: &Asked, change: &Change) -> Result<Option<Happened>> {
    let Some(matched) = matched(watch.filter(), change)? else {
        return Ok(None);
    };
    let Some(seen) = seen(watch, change, matched)? else {
        return Ok(None);
    };
    if !is_asked(asked, change, seen.kind) {
        return Ok(None);
    }
    Ok(happened(watch, change, seen))
}

/// An event ready to be handed out.
#[derive(Clone)]
enum Ready {
    Encoded(Bytes),
    ForHook(Arc<Happened>),
}

impl Ready {
    fn of(event: Happened, encode: &dyn Encode, hooked: bool) -> Self {
        let body = encode.event(&event);
        if hooked {
            let bytes = body.len();
            return Self::ForHook(Arc::new(Happened { bytes, ..event }));
        }
        Self::Encoded(body)
    }

    fn delivery(self, subscription: u64) -> Delivery {
        match self {
            Self::Encoded(body) => Delivery::Event { subscription, body },
            Self::ForHook(event) => Delivery::Hooked {
                subscription,
                event,
            },
        }
    }
}

/// The delivery of one event.
pub(crate) fn ready(
    event: Happened,
    encode: &dyn Encode,
    hooked: bool,
    subscription: u64,
) -> Delivery {
    Ready::of(event, encode, hooked).delivery(subscription)
}

/// What a change became for one query, encoded once for each look.
pub(crate) struct Telling<'a> {
    pub change: &'a Change,
    pub matched: Matched,
    pub encode: &'a dyn Encode,
    /// Whether a hook has to see events of this collection.
    pub hooked: bool,
    pub stats: &'a Stats,
}

impl Telling<'_> {
    /// Tells everybody who asked the query. Errors: those of [`matched`].
    pub(crate) fn tell(&self, query: &Query) -> Result<()> {
        let mut known: Vec<(Look, Seen, Ready)> = Vec::new();
        // Indexed by kind: whether the query wants such an event at all.
        let mut wanted: [Option<bool>; Happening::COUNT] = [None; Happening::COUNT];
        for audience in &query.audiences {
            let Some(seen) = seen(&audience.watch, self.change, self.matched)? else {
                continue;
            };
            let wanted = wanted[seen.kind as usize]
                .get_or_insert_with(|| is_asked(&query.asked, self.change, seen.kind));
            if !*wanted {
                continue;
            }
            if let Some(ready) = self.ready(audience, seen, &mut known) {
                self.hand_out(audience, &ready);
            }
        }
        Ok(())
    }

    fn ready(
        &self,
        audience: &Audience,
        seen: Seen,
        known: &mut Vec<(Look, Seen, Ready)>,
    ) -> Option<Ready> {
        let look = audience.watch.look();
        let same = |(l, s, _): &&(Look, Seen, Ready)| Some(l) == look && *s == seen;
        if let Some((_, _, ready)) = known.iter().find(same) {
            return Some(ready.clone());
        }
        let event = happened(&audience.watch, self.change, seen)?;
        add(&self.stats.encoded_total, 1);
        let ready = Ready::of(event, self.encode, self.hooked);
        if let Some(look) = look {
            known.push((look.clone(), seen, ready.clone()));
        }
        Some(ready)
    }

    fn hand_out(&self, audience: &Audience, ready: &Ready) {
        let mut told = 0;
        for sub in &audience.subs {
            if self.change.position > sub.start {
                let delivery = ready.clone().delivery(sub.number);
                told += u64::from(sub.outbox.push(delivery));
            }
        }
        add(&self.stats.events_total, told);
    }
}
