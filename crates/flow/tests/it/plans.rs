//! When schedules tick.

use basalt_base::{Timestamp, Value};
use basalt_flow::Plan;
use basalt_store::{Acl, Record, codec};

fn time(text: &str) -> Timestamp {
    let time: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_millis(time.as_millisecond())
}

fn schedule(fields: &str) -> Record {
    let Value::Map(map) = codec::decode(fields).unwrap() else {
        panic!("fields are a map");
    };
    let created = time("2026-01-01T00:00:00Z");
    Record {
        id: "s".into(),
        created_at: created,
        updated_at: created,
        rev: 1,
        acl: Acl::default(),
        fields: map.into_iter().map(|(k, v)| (k.into(), v)).collect(),
    }
}

fn ticks(fields: &str, after: &str, count: usize) -> Vec<String> {
    let plan = Plan::read(&schedule(fields)).unwrap();
    let mut at = time(after);
    let mut all = Vec::new();
    while all.len() < count
        && let Some(next) = plan.next(at)
    {
        assert!(next > at);
        at = next;
        all.push(
            jiff::Timestamp::from_millisecond(at.millis())
                .unwrap()
                .to_string(),
        );
    }
    all
}

#[test]
fn rhythms() {
    let table: &[(&str, &str, &[&str])] = &[
        (
            r#"{"startAfter":"2026-02-01T10:00:00.000Z"}"#,
            "2026-01-05T00:00:00Z",
            &["2026-02-01T10:00:00Z"],
        ),
        (
            r#"{"startAfter":"2026-02-01T10:00:00.000Z"}"#,
            "2026-02-01T10:00:00Z",
            &[],
        ),
        (
            r#"{"startAfter":"2026-02-01T10:00:00.000Z","repeatMinutes":90}"#,
            "2026-02-01T10:00:00Z",
            &["2026-02-01T11:30:00Z", "2026-02-01T13:00:00Z"],
        ),
        // Missed ones collapse: the next one counts from now, in the rhythm of the start.
        (
            r#"{"startAfter":"2026-02-01T10:00:00.000Z","repeatMinutes":"60"}"#,
            "2026-03-05T17:59:59.999Z",
            &["2026-03-05T18:00:00Z", "2026-03-05T19:00:00Z"],
        ),
        (
            r#"{"timeOfDay":"10:30:00.000Z","daysOfWeek":["0","1","0","0","0","1","0"],"repeatMinutes":1440}"#,
            "2026-11-20T10:30:00Z",
            &["2026-11-23T10:30:00Z", "2026-11-27T10:30:00Z"],
        ),
        (
            r#"{"timeOfDay":"10:30","daysOfWeek":[],"timeZone":""}"#,
            "2026-11-20T10:30:00Z",
            &["2026-11-21T10:30:00Z"],
        ),
        // Berlin skips 02:30 on 29 March 2026 and has it twice on 25 October 2026.
        (
            r#"{"cron":"30 2 * * *","timeZone":"Europe/Berlin"}"#,
            "2026-03-28T00:00:00Z",
            &[
                "2026-03-28T01:30:00Z",
                "2026-03-29T01:00:00Z",
                "2026-03-30T00:30:00Z",
            ],
        ),
        (
            r#"{"cron":"30 2 * * *","timeZone":"Europe/Berlin"}"#,
            "2026-10-24T12:00:00Z",
            &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            r#"{"cron":"0 0 9 L * *"}"#,
            "2026-02-10T00:00:00Z",
            &["2026-02-28T09:00:00Z"],
        ),
    ];
    for (fields, after, wanted) in table {
        assert_eq!(
            ticks(fields, after, wanted.len().max(1)),
            *wanted,
            "{fields}"
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for fields in [
        r#"{"cron":"every day"}"#,
        r#"{"timeZone":"Mars/Olympus"}"#,
        r#"{"startAfter":"tomorrow"}"#,
        r#"{"timeOfDay":"25:00"}"#,
        r#"{"timeOfDay":"1:2:3:4"}"#,
        r#"{"timeOfDay":"10:30","daysOfWeek":[0,0,0,0,0,0,0]}"#,
    ] {
        assert!(Plan::read(&schedule(fields)).is_err(), "{fields}");
    }
}
