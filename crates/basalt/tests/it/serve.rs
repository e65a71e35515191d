//! `basalt serve` and `basalt dev`.

use crate::program::{MASTER, Server, basalt, on, run};

#[test]
fn says_one_line_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut basalt(&["serve"]), folder.path());
    let answer = server.request("GET /health HTTP", "");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(r#"{"status":"ok"}"#),
        "{answer}"
    );
    let (good, rest, log) = server.stop();
    assert!(good && rest.is_empty(), "{rest:?} {log}");
    assert!(log.lines().all(|line| line.starts_with('{')), "{log}");
}

#[test]
fn a_folder_in_use_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut basalt(&["serve"]), folder.path());
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["app", "list"],
        &["verify"],
    ] {
        let second = on(folder.path(), arguments);
        assert!(!second.good, "{arguments:?}");
        assert!(
            second
                .err
                .contains("Another server is using this data directory"),
            "{second:?}"
        );
    }
    for arguments in [
        &["app", "list"][..],
        &["app", "create", "shop"],
        &["app", "clear", "main", "--yes"],
    ] {
        let told = on(folder.path(), arguments);
        assert!(told.err.contains("/admin/apps"), "{told:?}");
    }
    // What they are told to do works.
    let token = std::fs::read_to_string(folder.path().join("keys/_operator-token")).unwrap();
    let operator = format!("Authorization: Bearer {}", token.trim());
    for (head, status) in [
        ("POST /admin/apps/main/clear HTTP", "403"),
        (&*format!("GET /admin/apps HTTP\r\n{operator}"), "200"),
        (
            &*format!("POST /admin/apps/main/clear HTTP\r\n{operator}"),
            "200",
        ),
        (
            &*format!("POST /admin/apps/none/clear HTTP\r\n{operator}"),
            "404",
        ),
    ] {
        let answer = server.request(head, "");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{head} {answer}"
        );
    }
    // These need no store.
    assert!(on(folder.path(), &["app", "keys"]).good);
    assert!(on(folder.path(), &["doctor"]).good);
    assert!(on(folder.path(), &["config", "print"]).good);
    assert!(server.stop().0);
}

#[test]
fn what_to_ask_a_server_works_as_it_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let options = folder.path().join("it's options.json");
    std::fs::write(&options, r#"{"maxLimit": 7}"#).unwrap();
    let token = "an operator's own token";
    let token = token.replace(' ', "-");
    let mut command = basalt(&["serve"]);
    let server = Server::start(command.env("BASALT_OPERATOR_TOKEN", &token), folder.path());
    let told = run(
        basalt(&["app", "create", "shop", "--rest-key", "it's-rest"])
            .args(["--new-classes", "open", "--parse"])
            .arg(&options)
            .arg("--data-dir")
            .arg(folder.path())
            .env("BASALT_OPERATOR_TOKEN", &token),
    );
    assert!(!told.good && !told.err.contains(&token), "{told:?}");
    let line = told.err.split_once("ask it: ").unwrap().1;
    let line = line.replace("HOST:PORT", &server.address);
    let asked = std::process::Command::new("sh")
        .args(["-c", &line])
        .env("BASALT_OPERATOR_TOKEN", &token)
        .output()
        .unwrap();
    let made = String::from_utf8(asked.stdout).unwrap();
    assert!(
        made.contains("\"rest_key\":\"it's-rest\""),
        "{line}\n{made}"
    );
    let key = made.split("\"master_key\":\"").nth(1).unwrap();
    let key = key.split('"').next().unwrap();
    let master = format!("X-Parse-Master-Key: {key}\r\nX-Parse-Application-Id: shop");
    let head = format!("GET /parse/serverInfo HTTP\r\n{master}");
    let info = server.request(&head, "");
    assert!(info.starts_with("HTTP/1.1 200 "), "{info}");
    assert!(server.stop().0);
}

#[test]
fn metrics_tell_routes_and_apps() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&mut basalt(&["serve"]), folder.path());
    server.request(
        &format!("GET /parse/classes/A/x HTTP\r\nX-Parse-Master-Key: {MASTER}"),
        "",
    );
    server.request("GET /parse/made-up/42 HTTP", "");
    let page = server.request("GET /metrics HTTP", "");
    let line = r#"basalt_route_requests_total{adapter="parse",route="/classes/:class/:id",app="main",status="4xx"} 1"#;
    assert!(page.contains(line), "{page}");
    assert!(!page.contains("made-up"), "{page}");
    let form = "Action=SendMessage&AWSAccessKeyId=x&Signature=y";
    let kind = "Content-Type: application/x-www-form-urlencoded";
    let answer = server.request(&format!("POST / HTTP\r\n{kind}"), form);
    assert!(answer.starts_with("HTTP/1.1 501 "), "{answer}");
    assert!(server.stop().0);
}

#[test]
fn the_doctor_leaves_a_folder_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        Server::start(&mut basalt(&["serve"]), folder.path())
            .stop()
            .0
    );
    let keys = folder.path().join("keys");
    std::fs::remove_dir_all(keys.join("main")).unwrap();
    let mut doctor = basalt(&["doctor", "--data-dir"]);
    let ran = run(doctor.arg(folder.path()).env("BASALT_APP_ID", "other"));
    assert!(ran.good, "{ran:?}");
    let mut left = std::fs::read_dir(&keys).unwrap();
    assert!(left.all(|entry| entry.unwrap().file_name() == "_operator-token"));
    let list = on(folder.path(), &["app", "list"]);
    assert!(!list.out.contains("other"), "{list:?}");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert!(on(&empty, &["doctor"]).good);
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
}

#[test]
fn dev_has_sample_data_once() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let server = Server::start(&mut basalt(&["dev"]), folder.path());
        let master = format!("GET /parse/classes/Welcome HTTP\r\nX-Parse-Master-Key: {MASTER}");
        let deadline = std::iter::repeat_with(|| server.request(&master, ""));
        // It is filled in the background, after the ready line.
        let mut answers = deadline.take(10_000);
        let filled = answers.find(|answer| answer.matches("objectId").count() == 3);
        assert!(filled.is_some(), "no sample data");
        assert!(server.stop().0);
    }
    assert!(!run(basalt(&["dev"]).env("BASALT_MODE", "production")).good);
}

#[test]
fn secrets_stay_out_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = basalt(&["serve", "--mode", "development"]);
    command
        .env("BASALT_LOG", "trace")
        .env("BASALT_REST_KEY", "canary-rest");
    let server = Server::start(&mut command, folder.path());
    let rest = "X-Parse-REST-API-Key: canary-rest";
    server.request(
        &format!("GET /parse/classes/A?where=canary-query HTTP\r\n{rest}"),
        "",
    );
    server.request(
        &format!("POST /parse/users HTTP\r\n{rest}"),
        r#"{"username":"u","password":"canary-password"}"#,
    );
    server.request(
        &format!("GET /parse/users/me HTTP\r\n{rest}\r\nX-Parse-Session-Token: r:canary-session"),
        "",
    );
    server.request(
        &format!("POST /parse/classes/A HTTP\r\nX-Parse-Master-Key: {MASTER}"),
        r#"{"a":"canary-value"}"#,
    );
    server.request(
        "GET /admin/apps HTTP\r\nAuthorization: Bearer canary-token\r\nUser-Agent: canary-\x1b[31m",
        "",
    );
    let (good, _, log) = server.stop();
    assert!(good && log.contains("\"message\":\"request\""), "{log}");
    for secret in ["canary", MASTER] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn a_stopping_server_lets_balancers_turn_away_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = basalt(&["serve", "--mode", "development"]);
    command.env("BASALT_DRAIN_DELAY", "1h");
    let server = Server::start(&mut command, folder.path());
    server.tell_to_stop();
    let mut looks = std::iter::repeat_with(|| server.request("GET /health HTTP", ""));
    let stopping = looks.find(|answer| answer.starts_with("HTTP/1.1 503 "));
    assert!(stopping.is_some_and(|answer| answer.contains("connection: close")));
    let master = format!("POST /parse/classes/A HTTP\r\nX-Parse-Master-Key: {MASTER}");
    let made = server.request(&master, "{}");
    assert!(
        made.starts_with("HTTP/1.1 201 ") && made.contains("connection: close"),
        "{made}"
    );
    server.kill();
}
