//! The steps of a batch, decided on the rows in memory.

use super::tasks;
use super::tx::{Held, Pending, Tx};
use crate::lease;
use crate::schema::{Layout, ddl};
use crate::sql;
use basalt_base::{Error, Reason, Result};
use basalt_store::{
    Action, ChangeKind, Filter, Precondition, Query, ReadCheck, Record, RecordWrite, SchemaChange,
    TaskDone, Write, WriteBatch, Written, apply, codec,
};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Bytes that a change takes besides its images.
const CHANGE_BYTES: u64 = 64;

/// Whether the batch changes the catalogue, as far as can be said without applying it: such a batch
/// gets a transaction of its own, since only rolling that back undoes it.
pub(super) fn changes_schema(tx: &Tx<'_>, batch: &WriteBatch) -> bool {
    let changes = batch.writes.iter().filter_map(|write| match write {
        Write::Schema(change) => Some(change),
        _ => None,
    });
    // A refusal comes up again when the step is applied; but what looks refused now may only be
    // waiting for an earlier step, such as a field of a class that the batch makes.
    let mut changes = changes.map(|c| !matches!(ddl::is_idle(&tx.state.schema, c), Ok(true)));
    changes.any(|changes| changes)
}

impl Tx<'_> {
    /// Applies a batch or leaves nothing of it behind in memory.
    pub(super) async fn batch(&mut self, batch: &WriteBatch) -> Result<Vec<Written>> {
        let (saved, changes) = (self.state.clone(), self.changes.len());
        self.undo.clear();
        let result = self.steps(batch).await;
        if result.is_err() {
            self.roll_back(saved, changes);
        }
        result
    }

    async fn steps(&mut self, batch: &WriteBatch) -> Result<Vec<Written>> {
        if let Some(fence) = &batch.fence {
            lease::check_fence(self.conn, &self.shared.name, fence).await?;
        }
        for check in &batch.checks {
            self.check(check).await?;
        }
        tasks::check(&batch.writes)?;
        let mut written = Vec::with_capacity(batch.writes.len());
        for write in &batch.writes {
            written.push(match write {
                // Objects and tasks have nothing to do with each other: tasks come last, when
                // nothing else of the batch can be refused any more.
                Write::Task(_) => Written::Task(TaskDone::Done),
                Write::Record(write) => self.record(write).await?,
                Write::DeleteMatching {
                    collection,
                    filter,
                    limit,
                } => self.delete_matching(collection, filter, *limit).await?,
                Write::Schema(change) => self.schema(change).await?,
                _ => {
                    return Err(Error::new(
                        Reason::CommandUnavailable,
                        "This store does not have this kind of write.",
                    ));
                }
            });
        }
        tasks::apply(self, &batch.writes, &mut written).await?;
        Ok(written)
    }

    async fn check(&mut self, check: &ReadCheck) -> Result<()> {
        let layout = self.state.schema.layout(&check.collection).cloned();
        let rev = match layout {
            None => None,
            Some(layout) => {
                let current = self.current(&layout, &check.id).await?;
                current.map(|(_, record)| record.rev)
            }
        };
        if rev == check.rev {
            return Ok(());
        }
        Err(Error::new(
            Reason::TransactionConflict,
            "An object changed while the transaction was under way.",
        ))
    }

    async fn record(&mut self, write: &RecordWrite) -> Result<Written> {
        let layout = self.state.schema.layout(&write.collection).cloned();
        let layout = layout.ok_or_else(|| ddl::not_found(&write.collection))?;
        let current = self.current(&layout, &write.id).await?;
        let before = current.as_ref().map(|(_, record)| &**record);
        apply::check_precondition(&write.precondition, before)?;
        let rev = self.state.position + 1;
        let after = apply::apply(&layout.collection, before, write, rev)?;
        self.put(&layout, write, current, after.map(Arc::new)).await
    }

    /// Puts the object and its change in their places.
    async fn put(
        &mut self,
        layout: &Layout,
        write: &RecordWrite,
        current: Held,
        after: Option<Arc<Record>>,
    ) -> Result<Written> {
        let before = current.as_ref().map(|(_, record)| record.clone());
        let kind = match (&before, &after) {
            (None, Some(_)) => ChangeKind::Create,
            (Some(_), Some(_)) => ChangeKind::Update,
            (Some(_), None) => ChangeKind::Delete,
            (None, None) => return Err(Error::internal("a write that leaves nothing behind")),
        };
        let image = |record: &Option<Arc<Record>>| record.as_deref().map(codec::encode_record);
        let (old, new) = (image(&before), image(&after));
        let bytes = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        if bytes(&new) > self.shared.common.options.record_bytes_max {
            return Err(Error::new(
                Reason::ObjectTooLarge,
                "The object would be larger than the limit.",
            ));
        }
        self.claim(layout, before.as_deref(), after.as_deref())
            .await?;
        self.state.position += 1;
        self.state.log_total += CHANGE_BYTES + (bytes(&old) + bytes(&new)) as u64;
        let number = current.map_or(self.state.position.cast_signed(), |(number, _)| number);
        let held = after.clone().map(|record| (number, record));
        self.set(layout.collection.id, &write.id, held);
        self.changes.push(Pending {
            position: self.state.position,
            total: self.state.log_total,
            at: write.at,
            kind,
            collection: layout.collection.name.clone(),
            collection_id: layout.collection.id,
            id: write.id.clone(),
            before: old,
            after: new,
        });
        Ok(Written::Record { before, after })
    }

    async fn delete_matching(
        &mut self,
        collection: &Arc<str>,
        filter: &Filter,
        limit: u64,
    ) -> Result<Written> {
        let Some(layout) = self.state.schema.layout(collection).cloned() else {
            return Ok(Written::Deleted(0));
        };
        if limit == 0 {
            return Ok(Written::Deleted(0));
        }
        // SQL has to see what the group did so far.
        self.flush().await?;
        let query = Query::all(collection.clone())
            .filter(filter.clone())
            .limit(limit);
        let plan = sql::plan(&layout, &query);
        let mut doomed = Vec::new();
        let one = |number, record| {
            doomed.push((number, Arc::new(record)));
            Ok(if doomed.len() as u64 >= limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        };
        self.session().each_match(&query, &plan, one).await?;
        let count = doomed.len() as u64;
        for (number, record) in doomed {
            let write = RecordWrite {
                collection: collection.clone(),
                id: record.id.clone(),
                precondition: Precondition::None,
                action: Action::Delete,
                at: self.now,
            };
            self.learn(
                layout.collection.id,
                &record.id,
                Some((number, record.clone())),
            );
            self.put(&layout, &write, Some((number, record)), None)
                .await?;
        }
        Ok(Written::Deleted(count))
    }

    async fn schema(&mut self, change: &SchemaChange) -> Result<Written> {
        if ddl::is_idle(&self.state.schema, change)? {
            return Ok(Written::Schema);
        }
        // What is in memory was read with the old layout.
        self.flush().await?;
        self.rows.clear();
        self.keys.clear();
        let schema = self.state.schema.clone();
        let layout = schema.layout(change.subject().0);
        self.limit_waits(layout.map(|layout| &**layout)).await?;
        let mut next_id = self.state.next_id;
        let mut work = ddl::Ddl {
            conn: self.conn,
            next_id: &mut next_id,
            index_at_once_rows_max: self.shared.common.options.index_at_once_rows_max,
        };
        let changed = ddl::apply(&mut work, &self.state.schema, change).await?;
        self.state.next_id = next_id;
        if let Some(schema) = changed {
            let new = schema.layouts().filter(|layout| {
                let old = self.state.schema.layout(&layout.collection.name);
                old.is_none_or(|old| !Arc::ptr_eq(old, layout))
            });
            let new: Vec<_> = new.map(|layout| layout.collection.id).collect();
            self.state.views.extend(new);
            self.state.schema = Arc::new(schema);
        }
        Ok(Written::Schema)
    }
}
