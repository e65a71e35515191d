//! Failures that a test from outside can't cause: a full disk, a commit that fails, a panic.

use super::group::Trust;
use super::thread::{Writer, open_for_tests};
use super::{Message, Outcomes};
use crate::connection::Session;
use crate::files::DataDir;
use crate::options::Options;
use crate::reads;
use crate::shared::{Common, Shared};
use basalt_base::{ManualClock, Map, Reason, Result, Timestamp};
use basalt_store::{
    Acl, Action, FieldDef, FieldType, Precondition, Query, ReadOptions, RecordWrite, SchemaChange,
    StoreId, Write, WriteBatch,
};
use crossbeam_channel::Sender;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot;

struct Bench {
    writer: Writer,
    session: Session,
    inbox: Sender<Message>,
    _dir: tempfile::TempDir,
}

fn bench() -> Bench {
    bench_with(Options::default())
}

fn bench_with(options: Options) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let common = Arc::new(Common::new(DataDir::lock(dir.path()).unwrap(), options));
    let path = common.dir.make_app_dir(StoreId(1)).unwrap();
    let (writer, session, inbox) = open_for_tests(Arc::new(Shared::new(common, path)));
    let mut bench = Bench {
        writer,
        session,
        inbox,
        _dir: dir,
    };
    let made = bench.group(vec![vec![schema()]]);
    assert!(made[0].as_ref().unwrap()[0].is_ok());
    bench
}

fn schema() -> WriteBatch {
    WriteBatch::of(vec![
        Write::Schema(SchemaChange::EnsureCollection {
            name: "T".into(),
            rules: Map::new(),
        }),
        Write::Schema(SchemaChange::EnsureField {
            collection: "T".into(),
            field: FieldDef::new("s", FieldType::String),
        }),
    ])
}

fn create(id: &str, bytes: usize) -> WriteBatch {
    WriteBatch::of(vec![Write::Record(RecordWrite {
        collection: "T".into(),
        id: id.into(),
        precondition: Precondition::None,
        action: Action::Create {
            fields: vec![("s".into(), "x".repeat(bytes).into())],
            acl: Acl::default(),
        },
        at: Timestamp::from_millis(0),
    })])
}

impl Bench {
    /// Size of the write-ahead log.
    fn log_bytes(&self) -> u64 {
        let mut log = self.writer.shared.path.clone().into_os_string();
        log.push("-wal");
        std::fs::metadata(log).map_or(0, |file| file.len())
    }

    /// Runs the requests as one group and returns what each was answered.
    fn group(&mut self, requests: Vec<Vec<WriteBatch>>) -> Vec<Result<Outcomes>> {
        self.group_with_trust(requests).1
    }

    fn group_with_trust(
        &mut self,
        requests: Vec<Vec<WriteBatch>>,
    ) -> (Trust, Vec<Result<Outcomes>>) {
        let mut answers = Vec::new();
        let mut first = None;
        for batches in requests {
            let (reply, answer) = oneshot::channel();
            answers.push(answer);
            match first {
                None => first = Some((batches, reply)),
                Some(_) => self.inbox.send(Message::Write(batches, reply)).unwrap(),
            }
        }
        let (batches, reply) = first.unwrap();
        let mut trust = self.writer.group(&self.session, batches, reply);
        // A group that is started over takes no more in; the rest is the next group.
        while let Ok(Message::Write(batches, reply)) = self.writer.inbox.try_recv() {
            trust = self.writer.group(&self.session, batches, reply);
        }
        let answers = answers.into_iter().map(|mut a| a.try_recv().unwrap());
        (trust, answers.collect())
    }

    fn count(&self) -> i64 {
        let table = &self.writer.state.schema.layout("T").unwrap().table;
        let sql = format!("SELECT count(*) FROM {table}");
        self.session
            .conn
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    }

    fn set_pages_max(&self, pages: i64) {
        let sql = format!("PRAGMA max_page_count = {pages}");
        self.session.conn.query_row(&sql, [], |_| Ok(())).unwrap();
    }
}

fn reason(outcome: &Result<Outcomes>) -> Option<Reason> {
    match outcome {
        Err(error) => Some(error.reason()),
        Ok(outcomes) => outcomes[0].as_ref().err().map(basalt_base::Error::reason),
    }
}

#[test]
fn a_full_disk_refuses_what_does_not_fit_and_nothing_else() {
    let mut bench = bench();
    bench.set_pages_max(1);
    let pages: i64 = bench
        .session
        .conn
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .unwrap();
    bench.set_pages_max(pages + 8);
    let answers = bench.group(vec![
        vec![create("a", 10)],
        vec![create("big", 1_000_000)],
        vec![create("b", 10)],
    ]);
    let reasons: Vec<_> = answers.iter().map(reason).collect();
    assert_eq!(reasons, [None, Some(Reason::StoreUnavailable), None]);
    assert_eq!(bench.count(), 2);

    bench.set_pages_max(1_000_000);
    let answers = bench.group(vec![vec![create("big", 1_000_000)]]);
    assert_eq!(reason(&answers[0]), None);
    assert_eq!(bench.count(), 3);
    assert_eq!(bench.writer.state.position, 3);
}

#[test]
fn a_failed_commit_has_an_unknown_outcome_and_the_store_opens_again() {
    let mut bench = bench();
    bench.session.conn.commit_hook(Some(|| true)).unwrap();
    let (trust, answers) = bench.group_with_trust(vec![vec![create("a", 1)], vec![create("b", 1)]]);
    assert_eq!(trust, Trust::Lost);
    for answer in &answers {
        assert_eq!(reason(answer), Some(Reason::OutcomeUnknown));
    }
    bench.session = bench.writer.reopen().unwrap();
    let answers = bench.group(vec![vec![create("a", 1)]]);
    assert_eq!(reason(&answers[0]), None);
    assert_eq!(bench.count(), 1);
}

#[test]
fn an_object_can_not_grow_past_the_limit() {
    let mut bench = bench_with(Options {
        record_bytes_max: 1_000,
        ..Options::default()
    });
    let answers = bench.group(vec![vec![create("a", 900), create("b", 1_100)]]);
    let answers = answers[0].as_ref().unwrap();
    assert!(answers[0].is_ok());
    let refused = answers[1].as_ref().unwrap_err();
    assert_eq!(refused.reason(), Reason::ObjectTooLarge);
    assert_eq!(bench.count(), 1);
}

#[test]
fn nothing_is_appended_to_a_log_that_an_earlier_writer_left() {
    let mut bench = bench();
    bench.group(vec![vec![create("a", 1)]]);
    assert!(bench.log_bytes() > 0);
    bench.session = bench.writer.reopen().unwrap();
    assert_eq!(bench.log_bytes(), 0);
    assert_eq!(bench.count(), 1);
}

#[test]
fn reads_see_each_commit_and_idle_connections_leave_the_log() {
    let mut bench = bench();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    let seen = |bench: &Bench| {
        let count = |session: &Session, view: &reads::View| {
            reads::collect::count(session, view, &Query::all("T"))
        };
        let read = reads::run(&bench.writer.shared, ReadOptions::default(), count);
        runtime.block_on(read).unwrap()
    };
    for n in 1..4 {
        bench.group(vec![vec![create(&n.to_string(), 1)]]);
        assert_eq!(seen(&bench), n);
        assert_eq!(seen(&bench), n, "in the transaction of the read before");
    }
    assert!(bench.log_bytes() > 0);
    bench.writer.shared.wal_pages.store(1, Relaxed);
    bench.writer.idle(&bench.session, 3);
    assert_eq!(bench.log_bytes(), 0);
    assert_eq!(seen(&bench), 3);
}

fn field_change(name: &str, ty: Option<FieldType>) -> WriteBatch {
    let collection = "T".into();
    WriteBatch::of(vec![Write::Schema(match ty {
        Some(ty) => SchemaChange::EnsureField {
            collection,
            field: FieldDef::new(name, ty),
        },
        None => SchemaChange::DropField {
            collection,
            name: name.into(),
        },
    })])
}

impl Bench {
    fn number(&self, sql: &str) -> i64 {
        let table = &self.writer.state.schema.layout("T").unwrap().table;
        let sql = sql.replace("TABLE", table);
        self.session.conn.query_row(&sql, [], |r| r.get(0)).unwrap()
    }

    /// What the table has besides what every table has.
    fn columns(&self) -> Vec<String> {
        let table = &self.writer.state.schema.layout("T").unwrap().table;
        let sql = "SELECT name FROM pragma_table_info(?) WHERE name LIKE 'c%'";
        let mut statement = self.session.conn.prepare(sql).unwrap();
        let rows = statement.query_map([table], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn fill(&mut self, rows: usize) {
        let batches = (0..rows).map(|n| create(&format!("r{n}"), 100)).collect();
        self.group(vec![batches]).remove(0).unwrap();
    }

    fn change(&mut self, batch: WriteBatch) {
        self.group(vec![vec![batch]])
            .remove(0)
            .unwrap()
            .remove(0)
            .unwrap();
    }

    fn problems(&self) -> Vec<String> {
        let view = crate::reads::View {
            schema: self.writer.state.schema.clone(),
            position: self.writer.state.position,
        };
        crate::verify::problems(&self.session, &view).unwrap()
    }
}

#[test]
fn a_dropped_fields_space_is_reclaimed_and_its_column_goes() {
    let mut bench = bench();
    bench.fill(50);
    bench.change(field_change("s", None));
    assert_eq!(bench.columns().len(), 1);
    while bench.writer.slice(&bench.session).unwrap() {}
    assert_eq!(bench.columns(), Vec::<String>::new());
    assert_eq!(bench.count(), 50);
    assert_eq!(bench.problems(), Vec::<String>::new());
}

#[test]
fn a_crash_while_a_column_is_emptied_costs_nothing() {
    let mut bench = bench();
    bench.fill(3_000);
    bench.change(field_change("s", None));
    let column = bench.columns().remove(0);
    let filled = format!("SELECT count(*) FROM TABLE WHERE {column} IS NOT NULL");
    // One step of many, as the last thing that the process did.
    let tx = bench.writer.transaction(&bench.session);
    tx.execute("BEGIN IMMEDIATE").unwrap();
    assert!(super::reclaim::step(tx.conn()).unwrap());
    tx.execute("COMMIT").unwrap();
    drop(tx);
    assert_eq!(bench.number(&filled), 2_800);
    assert_eq!(bench.problems(), Vec::<String>::new());
    bench.session = bench.writer.reopen().unwrap();
    assert!(bench.writer.reclaiming);
    while bench.writer.slice(&bench.session).unwrap() {}
    assert_eq!(bench.number(&filled), 0);
    assert!(!bench.writer.reclaiming);
    // The table is large: the column waits for a field that is stored the same way.
    bench.change(field_change("number", Some(FieldType::Number)));
    assert_eq!(bench.columns().len(), 2);
    bench.change(field_change("text", Some(FieldType::String)));
    assert_eq!(bench.columns().len(), 2);
    assert!(!bench.columns().contains(&column));
    assert_eq!(bench.problems(), Vec::<String>::new());
    assert_eq!(bench.count(), 3_000);
}

#[test]
fn a_point_fields_columns_go_in_pairs() {
    let mut bench = bench();
    bench.change(field_change("place", Some(FieldType::GeoPoint)));
    bench.fill(1_500);
    bench.change(field_change("place", None));
    while bench.writer.slice(&bench.session).unwrap() {}
    assert_eq!(bench.columns().len(), 3);
    bench.change(field_change("other", Some(FieldType::GeoPoint)));
    assert_eq!(bench.columns().len(), 3);
    assert_eq!(bench.problems(), Vec::<String>::new());
    bench
        .session
        .conn
        .execute_batch("ALTER TABLE t1 ADD COLUMN c999 TEXT")
        .unwrap();
    assert_eq!(
        bench.problems(),
        ["Column c999 of table t1 belongs to no field."]
    );
}

#[test]
fn a_busy_writer_reclaims_too_and_tells_how_long_schemas_held_it_up() {
    let clock = Arc::new(ManualClock::at(0));
    let mut bench = bench_with(Options {
        clock: clock.clone(),
        ..Options::default()
    });
    bench.fill(10);
    bench.change(field_change("s", None));
    assert_eq!(bench.writer.slice_between(&bench.session), Trust::Kept);
    assert_eq!(bench.columns().len(), 1, "not before its time");
    while bench.writer.reclaiming {
        clock.advance(Duration::from_secs(1));
        assert_eq!(bench.writer.slice_between(&bench.session), Trust::Kept);
    }
    assert_eq!(bench.columns(), Vec::<String>::new());
    let readings = bench.writer.shared.common.counters.readings();
    let of = |name: &str| readings.iter().find(|r| r.name == name).unwrap().value;
    assert!(of("basalt_store_schema_changes_total") >= 3.0);
    assert!(of("basalt_store_schema_writer_seconds_max") >= 0.0);
}

#[test]
fn idle_work_of_unknown_outcome_has_the_store_opened_anew() {
    let clock = Arc::new(ManualClock::at(0));
    let mut bench = bench_with(Options {
        clock: clock.clone(),
        ..Options::default()
    });
    bench.fill(10);
    bench.change(field_change("s", None));
    clock.advance(Duration::from_secs(2));
    let conn = &mut bench.session.conn;
    conn.commit_hook(Some(|| true)).unwrap();
    assert_eq!(bench.writer.slice_between(&bench.session), Trust::Lost);
    // The third step since a write: the first leaves a checkpoint behind that may be under way when
    // the store is opened.
    assert_eq!(bench.writer.idle(&bench.session, 3), Trust::Lost);
    bench.session = bench.writer.reopen().unwrap();
    assert_eq!(bench.writer.idle(&bench.session, 3), Trust::Kept);
    assert_eq!(bench.columns(), Vec::<String>::new());
    assert_eq!(bench.count(), 10);
}
