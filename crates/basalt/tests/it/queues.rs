//! `basalt queue` and `basalt job`, beside a server and without one.

use crate::program::{MASTER, Ran, Server, basalt, on};
use serde_json::{Value, json};
use std::path::Path;

/// Names the server, so that its port need not be known before.
fn ask(folder: &Path, server: &Server, arguments: &[&str]) -> Ran {
    let url = format!("http://{}", server.address);
    on(folder, &[arguments, &["--server", &url]].concat())
}

fn good(ran: &Ran) -> Value {
    assert!(ran.good, "{ran:?}");
    serde_json::from_str(&ran.out).unwrap()
}

fn post(server: &Server, path: &str, body: &Value) -> String {
    let head = format!("POST /parse{path} HTTP\r\nX-Parse-Master-Key: {MASTER}");
    let answer = server.request(&head, &body.to_string());
    assert!(answer.starts_with("HTTP/1.1 20"), "{path}: {answer}");
    answer
}

/// Asks again until an answer is as wished.
fn until(what: &str, mut ask: impl FnMut() -> Value, wish: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    // Each ask starts a program: this is patience for many seconds.
    for _ in 0..2_000 {
        last = ask();
        if wish(&last) {
            return last;
        }
    }
    panic!("{what}: {last}");
}

#[test]
fn tasks_are_seen_retried_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(&mut basalt(&["serve"]), folder);
    // Nobody is there: what it is to be told waits.
    let hook = json!({
        "className": "A", "triggerName": "afterSave", "durable": true, "url": "http://127.0.0.1:1/a",
    });
    post(&server, "/hooks/triggers", &hook);
    post(&server, "/classes/A", &json!({}));
    post(&server, "/classes/A", &json!({}));
    let peek = || {
        good(&ask(
            folder,
            &server,
            &["queue", "peek", "basalt.hooks", "--json"],
        ))
    };
    let failed = until("two attempts failed", peek, |answer| {
        let tasks = answer["tasks"].as_array().unwrap();
        tasks.len() == 2 && tasks.iter().all(|task| task["error"].is_string())
    });
    let id = failed["tasks"][0]["id"].to_string();
    let table = ask(folder, &server, &["queue", "peek", "basalt.hooks"]).out;
    assert!(
        table.contains("The webhook could not be reached."),
        "{table}"
    );
    let list = ask(folder, &server, &["queue", "list"]).out;
    let mut lines = list.lines();
    assert!(lines.next().unwrap().starts_with("queue "), "{list}");
    assert!(
        lines.any(|line| line.starts_with("basalt.hooks ")),
        "{list}"
    );

    let retried = ask(
        folder,
        &server,
        &["queue", "retry", "basalt.hooks", "--id", &id],
    );
    assert!(retried.good, "{retried:?}");
    let nothing = ask(folder, &server, &["queue", "retry", "basalt.hooks"]);
    assert_eq!(nothing.out, "0 made visible\n", "none is dead");
    let removed = ask(
        folder,
        &server,
        &["queue", "purge", "basalt.hooks", "--id", &id],
    );
    assert_eq!(removed.out, "1 removed\n");
    let unknown = ask(folder, &server, &["queue", "list", "--app", "nobody"]);
    assert!(
        !unknown.good && unknown.err.contains("No such app"),
        "{unknown:?}"
    );

    // The same without a server.
    assert!(server.stop().0);
    let listed = good(&on(folder, &["queue", "list", "--json"]));
    assert_eq!(listed["queues"][0]["queue"], "basalt.hooks", "{listed}");
    assert_eq!(listed["queues"][0]["waiting"], 1, "{listed}");
    let all = on(folder, &["queue", "purge", "basalt.hooks", "--all"]);
    assert_eq!(all.out, "1 removed\n");
}

#[test]
fn a_server_that_can_not_be_asked_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut basalt(&["serve"]), folder.path());
    // Its port was free, so the settings do not say it.
    let ran = on(folder.path(), &["queue", "list", "--listen", "127.0.0.1:0"]);
    assert!(!ran.good && ran.err.contains("--server"), "{ran:?}");
    // They may say it, though.
    let here = on(
        folder.path(),
        &["queue", "list", "--listen", &server.address],
    );
    assert!(here.good, "{here:?}");
    let mut wrong = basalt(&["queue", "list", "--data-dir"]);
    wrong
        .arg(folder.path())
        .env("BASALT_OPERATOR_TOKEN", "wrong");
    let wrong = wrong.args(["--listen", &server.address]);
    let wrong = crate::program::run(wrong);
    assert!(!wrong.good && wrong.err.contains("operator"), "{wrong:?}");
    assert!(server.stop().0);
    let nobody = on(
        folder.path(),
        &["queue", "list", "--server", "http://127.0.0.1:1"],
    );
    assert!(
        !nobody.good && nobody.err.contains("does not answer"),
        "{nobody:?}"
    );
}

#[test]
fn jobs_and_schedules_are_operated() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = Server::start(&mut basalt(&["serve"]), folder);
    let hook = json!({ "functionName": "nightly", "url": "http://127.0.0.1:1/j" });
    post(&server, "/hooks/functions", &hook);
    let schedule = json!({ "job_schedule": { "jobName": "nightly", "cron": "0 3 1 1 *", "timeZone": "Europe/Berlin" } });
    let made = post(&server, "/cloud_code/jobs", &schedule);
    let id = made.split(r#""objectId":""#).nth(1).unwrap();
    let id = id.split('"').next().unwrap();

    let ask = |arguments: &[&str]| ask(folder, &server, arguments);
    let run = ask(&["job", "start", "nightly", "--params", r#"{"days":7}"#]);
    assert!(run.good, "{run:?}");
    let runs = || good(&ask(&["job", "runs", "--json"]));
    let runs = until("the run ends", runs, |answer| {
        answer["runs"][0]["status"] == "failed"
    });
    assert_eq!(runs["runs"][0]["id"], run.out.trim(), "{runs}");
    assert_eq!(runs["runs"][0]["params"], json!({ "days": 7 }), "{runs}");
    let over = ask(&["job", "cancel", run.out.trim()]);
    assert!(
        !over.good && over.err.contains("Object not found"),
        "{over:?}"
    );
    let unknown = ask(&["job", "start", "nobody"]);
    assert!(
        !unknown.good && unknown.err.contains("Invalid job"),
        "{unknown:?}"
    );

    let table = ask(&["job", "schedules"]).out;
    assert!(
        table.contains("0 3 1 1 * Europe/Berlin") && table.contains(id),
        "{table}"
    );
    let next =
        || good(&ask(&["job", "schedules", "--json"]))["schedules"][0]["next_run_ms"].clone();
    assert!(next().is_i64());
    assert!(ask(&["job", "pause", id]).good);
    assert!(next().is_null());
    assert!(ask(&["job", "resume", id]).good);
    assert!(next().is_i64());
    let by_hand = ask(&["job", "start", "--schedule", id]);
    assert!(by_hand.good, "{by_hand:?}");
    let history = ask(&["job", "runs", "--schedule", id]).out;
    assert!(
        history.contains(by_hand.out.trim()) && history.contains("manual"),
        "{history}"
    );
    assert!(!history.contains(run.out.trim()), "{history}");

    // The app's master key may do that, too, but not look into queues.
    let key = format!("X-Parse-Master-Key: {MASTER}");
    let own = server.request(&format!("GET /admin/apps/main/schedules HTTP\r\n{key}"), "");
    assert!(own.starts_with("HTTP/1.1 200 "), "{own}");
    let own = server.request(&format!("GET /admin/apps/main/queues HTTP\r\n{key}"), "");
    assert!(own.starts_with("HTTP/1.1 403 "), "{own}");
    assert!(server.stop().0);
}
