//! Apps: declared, made, cleared, kept apart.

use crate::server::{MASTER, settings, start, start_with};
use basalt_server::config::Mode;
use http::Method;
use serde_json::json;

#[tokio::test]
async fn an_app_that_was_made_is_served_now_and_after_a_restart() {
    let server = start(Mode::Production, |_| {}).await;
    let made = server
        .operator(
            Method::POST,
            "/admin/apps",
            r#"{"id":"shop","rest_key":"r","parse":{"maxLimit":1}}"#,
        )
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let key = made.json()["keys"]["master_key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(made.json()["keys"]["rest_key"], "r");
    let created = server
        .parse(Method::POST, "/classes/A", "shop", &key, r#"{"a":1}"#)
        .await;
    assert_eq!(created.status, 201, "{created:?}");

    let again = server
        .operator(Method::POST, "/admin/apps", r#"{"id":"shop"}"#)
        .await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["reason"]),
        (409, &json!("duplicate_value"))
    );
    let folder = server.stop().await;

    let server = start_with(settings(&folder, Mode::Production), folder).await;
    let found = server
        .parse(Method::GET, "/classes/A", "shop", &key, "")
        .await;
    assert_eq!(
        found.json()["results"].as_array().unwrap().len(),
        1,
        "{found:?}"
    );
    let list = server.operator(Method::GET, "/admin/apps", "").await.json();
    let ids: Vec<_> = list["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| app["id"].clone())
        .collect();
    assert_eq!(ids, ["main", "shop"]);
    server.stop().await;
}

#[tokio::test]
async fn an_app_that_can_not_be_made_leaves_nothing_behind() {
    let server = start(Mode::Production, |_| {}).await;
    for body in [
        "",
        r#"{"id":"../x"}"#,
        r#"{"id":"x","parse":{"liveQuery":{"classNames":[1]}}}"#,
        r#"{"id":"x","parse":{"nonsense":1}}"#,
        r#"{"id":"x","colour":"red"}"#,
    ] {
        let answer = server.operator(Method::POST, "/admin/apps", body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    let list = server.operator(Method::GET, "/admin/apps", "").await.json();
    assert_eq!(list["apps"].as_array().unwrap().len(), 1);
    server.stop().await;
}

#[tokio::test]
async fn operators_prove_it() {
    let server = start(Mode::Production, |_| {}).await;
    for (name, value) in [
        ("authorization", "Bearer wrong"),
        ("authorization", "server-test-operator"),
        ("x-parse-master-key", MASTER),
    ] {
        for (method, path) in [(Method::GET, "/admin/apps"), (Method::POST, "/admin/apps")] {
            let answer = server.send(method, path, &[(name, value)], "{}").await;
            assert_eq!(answer.status, 403, "{name} {path}");
            assert_eq!(answer.json()["reason"], "unauthorized");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_master_key_clears_its_own_app_in_development() {
    let server = start(Mode::Development, |_| {}).await;
    server
        .parse(
            Method::POST,
            "/classes/A",
            "main",
            MASTER,
            r#"{"a":"text"}"#,
        )
        .await;
    let clear = async |app: &str, sent: &str, key: &str| {
        let headers = [
            ("x-parse-application-id", sent),
            ("x-parse-master-key", key),
        ];
        server
            .send(
                Method::POST,
                &format!("/admin/apps/{app}/clear"),
                &headers,
                "{}",
            )
            .await
            .status
            .as_u16()
    };
    assert_eq!(clear("main", "main", "wrong").await, 403);
    assert_eq!(clear("main", "other", MASTER).await, 403);
    assert_eq!(clear("other", "other", MASTER).await, 403);
    assert_eq!(clear("main", "main", MASTER).await, 200);
    let found = server
        .parse(Method::GET, "/classes/A", "main", MASTER, "")
        .await;
    assert_eq!(found.json()["results"], json!([]));
    // The schema went with the objects: the field may have another type now.
    let other = server
        .parse(Method::POST, "/classes/A", "main", MASTER, r#"{"a":1}"#)
        .await;
    assert_eq!(other.status, 201, "{other:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_master_key_counts_at_no_door_from_where_it_is_not_taken() {
    let elsewhere = json!({"masterKeyIps": ["10.0.0.0/8"]});
    let server = start(Mode::Development, |settings| {
        let app = &mut settings.apps[0];
        app.parse = elsewhere.as_object().unwrap().clone();
    })
    .await;
    let headers = [
        ("x-parse-application-id", "main"),
        ("x-parse-master-key", MASTER),
    ];
    for (method, path) in [
        (Method::POST, "/admin/apps/main/clear"),
        (Method::GET, "/admin/apps/main/logs"),
        (Method::GET, "/parse/schemas"),
    ] {
        let answer = server.send(method, path, &headers, "{}").await;
        assert_eq!(answer.status, 403, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn nobody_clears_an_app_in_production() {
    let server = start(Mode::Production, |_| {}).await;
    let headers = [
        ("x-parse-application-id", "main"),
        ("x-parse-master-key", MASTER),
    ];
    let answer = server
        .send(Method::POST, "/admin/apps/main/clear", &headers, "{}")
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["reason"]),
        (403, &json!("operation_forbidden"))
    );
    server.stop().await;
}

#[tokio::test]
async fn more_apps_than_may_be_open_are_served_all_the_same() {
    let server = start(Mode::Production, |settings| settings.apps_open_max = 2).await;
    let mut keys = Vec::new();
    for index in 0..5 {
        let body = format!(r#"{{"id":"app{index}"}}"#);
        let made = server
            .operator(Method::POST, "/admin/apps", &body)
            .await
            .json();
        keys.push(made["keys"]["master_key"].as_str().unwrap().to_owned());
    }
    for round in 1..=2 {
        for (index, key) in keys.iter().enumerate() {
            let app = format!("app{index}");
            let body = format!(r#"{{"app":{index}}}"#);
            server
                .parse(Method::POST, "/classes/A", &app, key, &body)
                .await;
            let found = server
                .parse(Method::GET, "/classes/A", &app, key, "")
                .await
                .json();
            let rows = found["results"].as_array().unwrap();
            assert_eq!(rows.len(), round, "{app}: {found}");
            assert!(rows.iter().all(|row| row["app"] == index), "{app}: {found}");
        }
    }
    let health = server.get("/health?details").await.json();
    assert!(health["apps_open"].as_u64().unwrap() <= 2, "{health}");
    server.stop().await;
}
