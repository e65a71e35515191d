//! Hooks and functions that run elsewhere.

use crate::receiver::{Answer, Receiver};
use crate::support::*;
use serde_json::{Value, json};

async fn declare(w: &World, path: &str, body: Value) -> String {
    let answer = send(w, "master", "POST", path, &body.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

async fn function(w: &World, name: &str, url: &str) {
    declare(
        w,
        "/hooks/functions",
        json!({"functionName": name, "url": url}),
    )
    .await;
}

async fn trigger(w: &World, class: &str, name: &str, url: &str) {
    let body = json!({"className": class, "triggerName": name, "url": url});
    declare(w, "/hooks/triggers", body).await;
}

#[tokio::test]
async fn hooks_are_declared_listed_changed_and_removed() {
    let w = world().await;
    let made = declare(
        &w,
        "/hooks/functions",
        json!({"functionName": "f", "url": "http://a.b"}),
    )
    .await;
    assert_eq!(made, r#"{"functionName":"f","url":"http://a.b"}"#);
    trigger(&w, "Post", "beforeSave", "http://a.b/t").await;
    let rows: &[(&str, &str, &str, u16, &str)] = &[
        (
            "GET",
            "/hooks/functions",
            "",
            200,
            r#"[{"functionName":"f","url":"http://a.b"}]"#,
        ),
        (
            "GET",
            "/hooks/functions/f",
            "",
            200,
            r#""url":"http://a.b""#,
        ),
        (
            "GET",
            "/hooks/functions/g",
            "",
            400,
            "no function named: g is defined",
        ),
        (
            "GET",
            "/hooks/triggers/Post/beforeSave",
            "",
            200,
            r#""triggerName":"beforeSave""#,
        ),
        (
            "GET",
            "/hooks/triggers/Post/afterSave",
            "",
            400,
            "class Post does not exist",
        ),
        (
            "POST",
            "/hooks/functions",
            r#"{"functionName":"f","url":"http://c"}"#,
            400,
            "function name: f already exists",
        ),
        (
            "POST",
            "/hooks/triggers",
            r#"{"className":"Post","triggerName":"beforeSave","url":"http://c"}"#,
            400,
            "class Post already has trigger beforeSave",
        ),
        (
            "POST",
            "/hooks/functions",
            r#"{"functionName":"g"}"#,
            400,
            "invalid hook declaration",
        ),
        (
            "POST",
            "/hooks/functions",
            r#"{"functionName":"g","url":"ftp://a/"}"#,
            400,
            "invalid hook declaration",
        ),
        (
            "POST",
            "/hooks/functions",
            r#"{"functionName":"g","url":"http://u:p@a/"}"#,
            400,
            "invalid hook declaration",
        ),
        (
            "POST",
            "/hooks/triggers",
            r#"{"className":"Post","triggerName":"constructor","url":"http://a"}"#,
            400,
            "invalid hook declaration",
        ),
        (
            "POST",
            "/hooks/triggers",
            r#"{"className":"Post","triggerName":"beforeLogin","url":"http://a"}"#,
            400,
            "Only the _User class",
        ),
        (
            "PUT",
            "/hooks/functions/g",
            r#"{"url":"http://a"}"#,
            400,
            "no function named: g is defined",
        ),
        (
            "PUT",
            "/hooks/functions/f",
            r#"{"url":"http://new"}"#,
            200,
            "http://new",
        ),
        (
            "PUT",
            "/hooks/functions/f",
            r#"{"__op":"Delete"}"#,
            200,
            "{}",
        ),
        ("GET", "/hooks/functions", "", 200, "[]"),
        ("DELETE", "/hooks/triggers/Post/beforeSave", "", 200, "{}"),
        ("GET", "/hooks/triggers", "", 200, "[]"),
    ];
    for (method, path, body, status, text) in rows {
        let answer = send(&w, "master", method, path, body).await;
        assert_eq!(
            answer.status, *status,
            "{method} {path} {body}: {}",
            answer.text
        );
        assert!(
            answer.text.contains(text),
            "{method} {path} {body}: {}",
            answer.text
        );
        if *status == 400 {
            assert_eq!(answer.json()["code"], 143);
        }
    }
    for (who, path) in [
        ("", "/hooks/functions"),
        ("", "/hooks/triggers"),
        ("", "/scriptlog"),
    ] {
        assert_eq!(send(&w, who, "GET", path, "").await.status, 403, "{path}");
    }
    let body = r#"{"functionName":"x","url":"http://a"}"#;
    let answer = send(&w, "read-only", "POST", "/hooks/functions", body).await;
    assert_eq!(answer.json()["code"], 119);
}

#[tokio::test]
async fn functions_run_elsewhere() {
    let w = world().await;
    let receiver = Receiver::start().await;
    let pointer = json!({"__type":"Pointer","className":"A","objectId":"x"});
    let date = json!({"__type":"Date","iso":"2026-11-21T15:00:00.000Z"});
    let result = json!({"list":[1, 2.5, null], "p": pointer, "d": date});
    receiver.on("/f", Answer::json(&json!({"success": result})));
    function(&w, "f", &receiver.url("/f")).await;
    let body =
        json!({"a": 1, "p": pointer, "d": date, "_context": {"k": "v"}, "_ApplicationId": APP});
    let answer = raw(
        &w,
        "POST",
        "/functions/f",
        &[("x-tag", "t")],
        body.to_string(),
        LOCAL,
    )
    .await;
    assert_eq!(answer.json(), json!({"result": result}), "{}", answer.text);
    let sent = receiver.taken();
    let sent = &sent[0];
    assert_eq!(sent.headers["x-parse-webhook-key"], "hook-key");
    assert_eq!(sent.headers["x-basalt-hook-depth"], "1");
    let told = &sent.body;
    assert_eq!(told["functionName"], "f");
    assert_eq!(told["params"], json!({"a": 1, "p": pointer, "d": date}));
    assert_eq!(told["context"]["k"], "v");
    assert_eq!(told["headers"]["x-tag"], "t");
    assert_eq!(
        (&told["master"], &told["ip"]),
        (&json!(false), &json!("127.0.0.1"))
    );

    for (answer, expected) in [
        (json!({"error": "no"}), json!({"code": 141, "error": "no"})),
        (
            json!({"error": {"code": 1337, "error": "x"}}),
            json!({"code": 141, "error": {"code": 1337, "error": "x"}}),
        ),
        (
            json!({"error": {"message": "m"}}),
            json!({"code": 141, "error": "m"}),
        ),
        (json!({}), json!({})),
        (json!({"success": 0}), json!({"result": 0})),
    ] {
        receiver.on("/f", Answer::json(&answer));
        let got = send(&w, "", "POST", "/functions/f", "{}").await;
        assert_eq!(got.json(), expected, "{answer}");
    }
    for name in ["g", "constructor", "toString", "a.b", "__proto__", "f'x"] {
        let got = send(&w, "", "POST", &format!("/functions/{name}"), "{}").await;
        assert_eq!(got.json()["code"], 141, "{name}");
        assert!(got.text.contains("Invalid function"), "{name}");
    }
}

#[tokio::test]
async fn bad_receivers_are_errors_that_tell_nothing() {
    let w = world_with(|s| {
        s.functions.call_time_max = std::time::Duration::from_millis(500);
    })
    .await;
    let receiver = Receiver::start().await;
    function(&w, "f", &receiver.url("/f")).await;
    for (answer, text) in [
        (
            Answer::text("not json"),
            "The webhook's answer is malformed.",
        ),
        (Answer::text("[1]"), "The webhook's answer is malformed."),
        (
            Answer::status(500, "secret of the inside"),
            "The webhook failed.",
        ),
        (
            Answer::text(&"x".repeat(100_000)),
            "The answer of the webhook is too large.",
        ),
        (Answer::never(), "The webhook did not answer in time."),
        (Answer::closed(), "The webhook could not be reached."),
        (
            Answer::redirect(302, "/g"),
            "The webhook could not be reached.",
        ),
        (
            Answer::redirect(307, "/f"),
            "The webhook could not be reached.",
        ),
        (
            Answer::redirect(307, "http://10.0.0.1/"),
            "The webhook could not be reached.",
        ),
        (
            Answer::redirect(307, "file:///etc/passwd"),
            "The webhook could not be reached.",
        ),
    ] {
        receiver.on("/f", answer);
        let got = send(&w, "", "POST", "/functions/f", "{}").await;
        assert_eq!(got.json(), json!({"code": 141, "error": text}), "{text}");
    }
    receiver.on("/f", Answer::redirect(307, "/g"));
    receiver.on("/g", Answer::json(&json!({"success": "moved"})));
    let got = send(&w, "", "POST", "/functions/f", "{}").await;
    assert_eq!(got.json()["result"], "moved");
}

#[tokio::test]
async fn what_is_inside_is_out_of_reach() {
    let w = world_with(|s| s.egress.clear()).await;
    let receiver = Receiver::start().await;
    receiver.on("/", Answer::json(&json!({"success": "inside"})));
    let port = receiver.port();
    for (n, host) in [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "[64:ff9b::7f00:1]",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("f{n}");
        function(&w, &name, &format!("http://{host}:{port}/")).await;
        let got = send(&w, "", "POST", &format!("/functions/{name}"), "{}").await;
        let text = "The webhook could not be reached.";
        assert_eq!(got.json(), json!({"code": 141, "error": text}), "{host}");
    }
    assert!(receiver.taken().is_empty());
}

#[tokio::test]
async fn before_save_decides_what_is_written() {
    let w = world().await;
    let receiver = Receiver::start().await;
    receiver.on_request("/save", |body| {
        let mut object = body["object"].clone();
        object["seen"] = json!(true);
        object["old"] = body["original"]["n"].clone();
        if object["n"] == json!(13) {
            return json!({"error": "unlucky"});
        }
        json!({"success": object})
    });
    trigger(&w, "Post", "beforeSave", &receiver.url("/save")).await;
    let made = send(&w, "", "POST", "/classes/Post", r#"{"n":1}"#).await;
    assert_eq!(
        (made.status, &made.json()["seen"]),
        (201, &json!(true)),
        "{}",
        made.text
    );
    let told = receiver.taken().remove(0).body;
    assert_eq!(told["triggerName"], "beforeSave");
    assert_eq!(told["object"], json!({"n": 1, "className": "Post"}));
    assert!(told.get("original").is_none());
    let path = format!("/classes/Post/{}", made.text_at("/objectId"));
    let more = r#"{"n":{"__op":"Increment","amount":2}}"#;
    let done = send(&w, "", "PUT", &path, more).await.json();
    assert_eq!((&done["n"], &done["old"]), (&json!(3), &json!(1)), "{done}");
    let refused = send(&w, "", "PUT", &path, r#"{"n":13}"#).await;
    assert_eq!(refused.json(), json!({"code": 141, "error": "unlucky"}));
    let read = send(&w, "", "GET", &path, "").await.json();
    assert_eq!((&read["n"], &read["seen"]), (&json!(3), &json!(true)));

    // A batch that is a transaction is refused as a whole.
    let batch = json!({"transaction": true, "requests": [
        {"method": "PUT", "path": format!("/parse{path}"), "body": {"n": 4}},
        {"method": "POST", "path": "/parse/classes/Post", "body": {"n": 13}},
    ]});
    let answer = send(&w, "", "POST", "/batch", &batch.to_string()).await;
    assert!(answer.text.contains("unlucky"), "{}", answer.text);
    let read = send(&w, "", "GET", &path, "").await.json();
    assert_eq!(read["n"], json!(3));
}

#[tokio::test]
async fn finds_and_deletes_have_triggers() {
    let w = world().await;
    let receiver = Receiver::start().await;
    for n in 1..=3 {
        send(
            &w,
            "",
            "POST",
            "/classes/Post",
            &json!({"n": n}).to_string(),
        )
        .await;
    }
    receiver.on(
        "/find",
        Answer::json(&json!({"success": {"where": {"n": {"$gt": 1}}, "order": "-n"}})),
    );
    receiver.on_request("/found", |body| {
        let mut objects = body["objects"].clone();
        for object in objects.as_array_mut().unwrap() {
            object["title"] = json!(format!("no {}", object["n"]));
            object.as_object_mut().unwrap().remove("n");
        }
        json!({"success": objects})
    });
    trigger(&w, "Post", "beforeFind", &receiver.url("/find")).await;
    trigger(&w, "Post", "afterFind", &receiver.url("/found")).await;
    let found = send(&w, "", "GET", "/classes/Post?where=%7B%22n%22%3A1%7D", "")
        .await
        .json();
    let titles: Vec<_> = found["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["title"].clone())
        .collect();
    assert_eq!(titles, [json!("no 3"), json!("no 2")], "{found}");
    assert!(found["results"][0].get("n").is_none());
    let told = receiver.taken();
    assert_eq!(
        told[0].body["query"],
        json!({"limit": 100, "where": {"n": 1}})
    );
    assert_eq!(told[0].body["isGet"], json!(false));

    receiver.on("/delete", Answer::json(&json!({"error": "stays"})));
    trigger(&w, "Post", "beforeDelete", &receiver.url("/delete")).await;
    let id = found["results"][0]["objectId"].as_str().unwrap();
    let refused = send(&w, "master", "DELETE", &format!("/classes/Post/{id}"), "").await;
    assert_eq!(refused.json(), json!({"code": 141, "error": "stays"}));
}

#[tokio::test]
async fn log_ins_and_log_outs_have_triggers() {
    let w = world().await;
    let receiver = Receiver::start().await;
    receiver.on_request("/login", |body| {
        if body["object"]["username"] == json!("bad") {
            return json!({"error": {"message": "banned"}});
        }
        json!({"success": null})
    });
    trigger(&w, "_User", "beforeLogin", &receiver.url("/login")).await;
    trigger(&w, "_User", "afterLogin", &receiver.url("/login")).await;
    trigger(&w, "_Session", "afterLogout", &receiver.url("/login")).await;
    for name in ["good", "bad"] {
        let body = json!({"username": name, "password": "p"}).to_string();
        send(&w, "", "POST", "/users", &body).await;
    }
    receiver.taken();
    let body = json!({"username": "bad", "password": "p"}).to_string();
    assert_eq!(
        send(&w, "", "POST", "/login", &body).await.json()["error"],
        "banned"
    );
    let body = json!({"username": "good", "password": "p"}).to_string();
    let token = send(&w, "", "POST", "/login", &body)
        .await
        .text_at("/sessionToken");
    send(&w, &token, "POST", "/logout", "{}").await;
    let names: Vec<_> = receiver
        .taken()
        .iter()
        .map(|r| r.body["triggerName"].clone())
        .collect();
    assert_eq!(
        names,
        ["beforeLogin", "beforeLogin", "afterLogin", "afterLogout"]
    );
}

#[tokio::test]
async fn hooks_that_write_back_come_to_an_end() {
    let w = world_with(|s| s.functions.depth_max = 3).await;
    let receiver = Receiver::start().await;
    receiver.on("/f", Answer::json(&json!({"success": 1})));
    function(&w, "f", &receiver.url("/f")).await;
    let call = |depth: i64| {
        let body = json!({"_context": {"basaltHookDepth": depth}, "_ApplicationId": APP});
        let w = &w;
        async move {
            raw(w, "POST", "/functions/f", &[], body.to_string(), LOCAL)
                .await
                .json()
        }
    };
    assert_eq!(call(2).await["result"], 1);
    assert_eq!(receiver.taken()[0].body["context"]["basaltHookDepth"], 3);
    assert_eq!(call(3).await["code"], 141);
    let headers = [
        ("x-parse-application-id", APP),
        ("x-basalt-hook-depth", "3"),
    ];
    let deep = raw(&w, "POST", "/functions/f", &headers, "{}", LOCAL).await;
    assert_eq!(deep.json()["code"], 141);
    assert!(receiver.taken().is_empty());
}

#[tokio::test]
async fn validators_and_rate_limits_come_with_the_declaration() {
    let w = world().await;
    let receiver = Receiver::start().await;
    receiver.on("/f", Answer::json(&json!({"success": 1})));
    let validator = json!({"fields": {"n": {"required": true, "type": "Number"}},
        "rateLimit": {"requestCount": 3, "requestTimeWindow": 60000, "includeInternalRequests": true}});
    let body = json!({"functionName": "f", "url": receiver.url("/f"), "validator": validator});
    declare(&w, "/hooks/functions", body).await;
    let call = |body: &'static str| send(&w, "", "POST", "/functions/f", body);
    let refused = call("{}").await.json();
    let text = "Validation failed. Please specify data for n.";
    assert_eq!(refused, json!({"code": 142, "error": text}));
    assert_eq!(call(r#"{"n":1}"#).await.json()["result"], 1);
    assert_eq!(call(r#"{"n":"1"}"#).await.json()["code"], 142);
    let limited = call(r#"{"n":1}"#).await;
    assert_eq!(
        (limited.status, &limited.json()["code"]),
        (429, &json!(100))
    );
    let batch =
        json!({"requests": [{"method": "POST", "path": "/parse/functions/f", "body": {"n": 1}}]});
    let limited = send(&w, "", "POST", "/batch", &batch.to_string()).await;
    assert_eq!(limited.status, 429, "{}", limited.text);
    w.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(call(r#"{"n":1}"#).await.json()["result"], 1);
    let bad = json!({"functionName": "g", "url": "http://a", "validator": {"x": 1}});
    let refused = send(&w, "master", "POST", "/hooks/functions", &bad.to_string()).await;
    assert_eq!(refused.json()["code"], 143);
}

#[tokio::test]
async fn what_ran_is_in_the_log_without_its_secrets() {
    let w = world().await;
    let receiver = Receiver::start().await;
    receiver.on("/f", Answer::json(&json!({"success": "fine"})));
    function(&w, "f", &receiver.url("/f")).await;
    send(
        &w,
        "",
        "POST",
        "/functions/f",
        r#"{"a":"x\ny","password":"hidden-1"}"#,
    )
    .await;
    receiver.on("/f", Answer::json(&json!({"error": "broken"})));
    send(&w, "", "POST", "/functions/f", "{}").await;
    let all = send(&w, "master", "GET", "/scriptlog?size=10", "")
        .await
        .json();
    let lines = all.as_array().unwrap();
    assert_eq!(lines.len(), 2, "{all}");
    assert_eq!(lines[0]["level"], "error");
    assert!(lines[0]["message"].as_str().unwrap().contains("broken"));
    let text = lines[1]["message"].as_str().unwrap();
    assert!(
        text.starts_with("Ran cloud function f for user undefined with:\n  Input: {"),
        "{text}"
    );
    assert!(
        text.contains("Result: \"fine\"") && !text.contains("hidden-1"),
        "{text}"
    );
    assert_eq!(lines[1]["requestId"], "request");
    let errors = send(&w, "master", "GET", "/scriptlog?level=error", "")
        .await
        .json();
    assert_eq!(errors.as_array().unwrap().len(), 1);
}
