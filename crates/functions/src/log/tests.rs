use super::*;
use basalt_base::ManualClock;

fn store(options: LogOptions) -> (tempfile::TempDir, LogStore, Arc<ManualClock>) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let store = LogStore::open(dir.path().join("logs"), options, clock.clone()).unwrap();
    (dir, store, clock)
}

fn query() -> LogQuery {
    LogQuery {
        from: None,
        until: None,
        size: 100,
        ascending: false,
        level: Level::Info,
    }
}

fn messages(lines: &[Value]) -> Vec<String> {
    let message = |line: &Value| {
        line.as_map().unwrap()["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    lines.iter().map(message).collect()
}

#[tokio::test]
async fn lines_are_found_by_time_level_and_order() {
    let (_dir, store, clock) = store(LogOptions::default());
    let logs = store.app("1");
    for (n, level) in [Level::Info, Level::Error, Level::Debug, Level::Warn]
        .iter()
        .enumerate()
    {
        logs.write(*level, &format!("m{n}"), Map::new());
        clock.advance(Duration::from_mins(1));
    }
    store
        .app("2")
        .write(Level::Error, "of another app", Map::new());
    let found = |query| {
        let logs = logs.clone();
        async move { messages(&logs.search(query).await.unwrap()) }
    };
    assert_eq!(found(query()).await, ["m3", "m1", "m0"]);
    let errors = LogQuery {
        level: Level::Error,
        ..query()
    };
    assert_eq!(found(errors).await, ["m1"]);
    let early = LogQuery {
        until: Some(basalt_base::Timestamp::new(1_700_000_061, 0)),
        ascending: true,
        ..query()
    };
    assert_eq!(found(early).await, ["m0", "m1"]);
    let late = LogQuery {
        from: Some(basalt_base::Timestamp::new(1_700_000_061, 0)),
        size: 1,
        ..query()
    };
    assert_eq!(found(late).await, ["m3"]);
}

#[tokio::test]
async fn a_message_can_not_pass_for_a_line() {
    let (_dir, store, _) = store(LogOptions::default());
    let logs = store.app("1");
    let forged = "a\n{\"level\":\"error\",\"message\":\"forged\"}\r\u{1b}[31mred\u{202e}";
    let fields = Map::from_iter([("level".to_owned(), Value::from("error"))]);
    logs.write(Level::Info, forged, fields);
    logs.write(Level::Info, &"x".repeat(100_000), Map::new());
    let found = logs.search(query()).await.unwrap();
    assert_eq!(found.len(), 2);
    let text = &messages(&found)[1];
    assert!(
        text.starts_with("a\n{") && !text.contains(['\r', '\u{1b}', '\u{202e}']),
        "{text}"
    );
    assert_eq!(found[1].as_map().unwrap()["level"], Value::from("info"));
    assert!(messages(&found)[0].len() < 20_000);
}

#[tokio::test]
async fn old_lines_make_room() {
    let options = LogOptions {
        bytes_max: 64 * 1024,
        ..LogOptions::default()
    };
    let (dir, store, _) = store(options);
    let logs = store.app("1");
    for n in 0..2_000 {
        logs.write(Level::Info, &format!("{n} {}", "x".repeat(100)), Map::new());
        if n % 100 == 0 {
            logs.search(query()).await.unwrap();
        }
    }
    let found = logs.search(query()).await.unwrap();
    assert!(messages(&found)[0].starts_with("1999 "));
    let files = std::fs::read_dir(dir.path().join("logs/1")).unwrap();
    let bytes: u64 = files.map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 512 * 1024, "{bytes}");
}

#[tokio::test]
async fn the_end_can_be_followed() {
    let (_dir, store, _) = store(LogOptions::default());
    let logs = store.app("1");
    logs.write(Level::Info, "before", Map::new());
    let now = logs.tail("", Duration::from_secs(5)).await.unwrap();
    assert!(now.lines.is_empty());
    let waiting = {
        let (logs, next) = (logs.clone(), now.next.clone());
        tokio::spawn(async move { logs.tail(&next, Duration::from_mins(1)).await.unwrap() })
    };
    tokio::task::yield_now().await;
    logs.write(Level::Info, "after", Map::new());
    let tail = waiting.await.unwrap();
    assert_eq!(messages(&tail.lines), ["after"]);
    assert_ne!(tail.next, now.next);
    let again = logs.tail(&now.next, Duration::from_secs(5)).await.unwrap();
    assert_eq!(messages(&again.lines), ["after"]);
}
