//! The rows of `_JobStatus`: what ran, how far it is, how it ended.

use crate::{Queue, StartJob};
use basalt_base::{Map, Result, Timestamp, Value};
use basalt_store::{
    Acl, Action, FieldDef, FieldOp, FieldType, Filter, Op, Path, Precondition, RecordWrite,
    SchemaChange, Test, Write,
};
use std::sync::Arc;

/// The collection of job runs.
pub const JOB_STATUS: &str = "_JobStatus";
/// The state of a run that is not over.
pub(crate) const RUNNING: &str = "running";
/// The collection of schedules.
pub const JOB_SCHEDULE: &str = "_JobSchedule";

/// Steps that make the collection, for the case that it is the first run.
pub(crate) fn ensure() -> Vec<Write> {
    let name: Arc<str> = JOB_STATUS.into();
    let mut steps = vec![Write::Schema(SchemaChange::EnsureCollection {
        name: name.clone(),
        rules: Map::new(),
    })];
    let text = || FieldType::String;
    let fields = [
        ("jobName", text()),
        ("source", text()),
        ("schedule", text()),
        ("status", text()),
        ("message", text()),
        ("params", FieldType::Object),
        ("finishedAt", FieldType::Date),
        ("progress", FieldType::Number),
    ];
    steps.extend(fields.map(|(field, ty)| {
        Write::Schema(SchemaChange::EnsureField {
            collection: name.clone(),
            field: FieldDef::new(field, ty),
        })
    }));
    steps
}

/// The row of a run that begins. Nobody but the master key sees it.
pub(crate) fn running(id: &str, job: &StartJob, at: Timestamp) -> Write {
    let text = |text: &str| Value::String(text.to_owned());
    let mut fields = vec![
        ("jobName", text(&job.name)),
        ("source", text(job.source)),
        ("status", text(RUNNING)),
        ("params", Value::Map(job.params.clone())),
    ];
    if let Some(schedule) = &job.schedule {
        fields.push(("schedule", text(schedule)));
    }
    let closed = Acl {
        read: Some(Vec::new()),
        write: Some(Vec::new()),
    };
    Write::Record(RecordWrite {
        collection: JOB_STATUS.into(),
        id: id.into(),
        precondition: Precondition::Absent,
        action: Action::Create {
            fields: fields
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
            acl: closed,
        },
        at,
    })
}

fn change(id: &str, fields: Vec<(&str, Value)>, at: Timestamp) -> Write {
    let ops = fields.into_iter().map(|(name, value)| FieldOp {
        path: Path::dotted(name),
        op: Op::Set(value),
    });
    Write::Record(RecordWrite {
        collection: JOB_STATUS.into(),
        id: id.into(),
        precondition: Precondition::None,
        action: Action::Update {
            ops: ops.collect(),
            acl: None,
            upsert: false,
        },
        at,
    })
}

/// The end of a run; refused with `ObjectNotFound` when it is over already.
pub(crate) fn finished(id: &str, status: &str, message: Option<String>, at: Timestamp) -> Write {
    let mut fields = vec![
        ("status", Value::String(status.to_owned())),
        ("finishedAt", Value::Timestamp(at.truncate_to_millis())),
    ];
    if let Some(message) = message.filter(|text| !text.is_empty()) {
        fields.push(("message", Value::String(message.replace('\0', " "))));
    }
    only_running(change(id, fields, at))
}

/// The same write of a run's row, if that still says that it runs.
fn only_running(mut write: Write) -> Write {
    if let Write::Record(record) = &mut write {
        let running = Test::Eq(Value::String(RUNNING.to_owned()));
        record.precondition = Precondition::Matches(Filter::test("status", running));
    }
    write
}

/// Lets a running job say how far it is. Cheap to clone.
#[derive(Clone)]
pub struct Progress {
    pub(crate) queue: Queue,
    pub(crate) id: Arc<str>,
}

impl Progress {
    /// Sets the message that the job's row shows. Errors: `ObjectNotFound` when the job was cancelled.
    pub async fn message(&self, text: &str) -> Result<()> {
        self.set(vec![("message", Value::String(text.replace('\0', " ")))])
            .await
    }

    /// Sets how much is done, 0 to 1. Errors: `ObjectNotFound` when the job was cancelled.
    pub async fn fraction(&self, done: f64) -> Result<()> {
        let done = if done.is_finite() {
            done.clamp(0.0, 1.0)
        } else {
            0.0
        };
        self.set(vec![("progress", Value::number(done))]).await
    }

    async fn set(&self, fields: Vec<(&str, Value)>) -> Result<()> {
        let at = self.queue.clock().now();
        let write = only_running(change(&self.id, fields, at));
        self.queue.write(vec![write]).await.map(drop)
    }
}
