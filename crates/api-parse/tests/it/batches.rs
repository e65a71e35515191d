//! Batches: each part on its own, or all or nothing.

use super::support::{check, make, send, sign_up, world};
use serde_json::{Value, json};

fn requests(list: &[(&str, &str, Value)]) -> Vec<Value> {
    list.iter()
        .map(|(method, path, body)| json!({"method": method, "path": path, "body": body}))
        .collect()
}

#[tokio::test]
async fn every_part_answers_in_its_place() {
    let world = world().await;
    let id = make(&world, "", "Thing", r#"{"n":1}"#).await;
    let path = format!("/parse/classes/Thing/{id}");
    let (_, token) = sign_up(&world, "ada").await;
    let list = requests(&[
        ("POST", "/parse/classes/Thing", json!({"n": 5})),
        (
            "PUT",
            &path,
            json!({"n": {"__op": "Increment", "amount": 1}}),
        ),
        ("POST", "/parse/classes/Thing", json!({"a-b": 1})),
        ("GET", "/parse/classes/Thing", json!({"where": {"n": 2}})),
        ("DELETE", &path, json!({})),
        ("DELETE", &path, json!({})),
        (
            "POST",
            "/parse/users",
            json!({"username": "eve", "password": "x"}),
        ),
        ("GET", "/parse/users/me", json!({})),
        ("GET", "/parse/schemas", json!({})),
        ("POST", "/parse/files/f", json!({})),
    ]);
    let body = json!({"requests": list}).to_string();
    let answer = send(&world, &token, "POST", "/batch", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let parts = answer.json();
    assert!(parts[0]["success"]["objectId"].is_string(), "{parts}");
    assert_eq!(parts[1]["success"]["n"], 2, "{parts}");
    assert_eq!(parts[2]["error"]["code"], 105);
    assert_eq!(
        parts[3]["success"]["results"].as_array().unwrap().len(),
        1,
        "{parts}"
    );
    assert_eq!(parts[4]["success"], json!({}));
    assert_eq!(
        parts[5]["error"],
        json!({"code": 101, "error": "Object not found."})
    );
    assert!(parts[6]["success"]["sessionToken"].is_string(), "{parts}");
    assert_eq!(parts[7]["success"]["username"], "ada");
    assert_eq!(parts[8]["error"]["code"], 119);
    assert_eq!(parts[9]["error"]["code"], 108);
}

#[tokio::test]
async fn batches_of_the_wrong_shape_are_refused() {
    let world = world().await;
    let one = |path: &str| json!({"requests": [{"method": "POST", "path": path}]}).to_string();
    let many = json!({"requests": vec![json!({"method": "GET", "path": "/parse/config"}); 51]});
    check(
        &world,
        &[
            (
                "",
                "POST",
                "/batch",
                "{}",
                400,
                &["requests must be an array"],
            ),
            (
                "",
                "POST",
                "/batch",
                r#"{"requests":[5]}"#,
                400,
                &["path must be a string"],
            ),
            (
                "",
                "POST",
                "/batch",
                r#"{"requests":[{"path":5}]}"#,
                400,
                &["path must be a string"],
            ),
            (
                "",
                "POST",
                "/batch",
                r#"{"requests":[{"path":"/parse/config","method":{}}]}"#,
                400,
                &["107"],
            ),
            (
                "",
                "POST",
                "/batch",
                &one("/classes/Thing"),
                400,
                &["cannot route batch path /classes/Thing"],
            ),
            (
                "",
                "POST",
                "/batch",
                &one("/parsex/classes/Thing"),
                400,
                &["cannot route batch path"],
            ),
            (
                "",
                "POST",
                "/batch",
                &one("/parse/nowhere"),
                400,
                &["\"code\":107", "cannot route POST"],
            ),
            (
                "",
                "POST",
                "/batch",
                &one("/parse/batch"),
                400,
                &["nested batch requests are not allowed"],
            ),
            (
                "",
                "POST",
                "/batch",
                &one("/parse//batch/"),
                400,
                &["nested batch requests are not allowed"],
            ),
            (
                "",
                "POST",
                "/batch",
                &many.to_string(),
                400,
                &["exceeds the limit of 50"],
            ),
            ("", "POST", "/batch", r#"{"requests":[]}"#, 200, &["[]"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let world = world().await;
    let id = make(&world, "", "Thing", r#"{"n":1}"#).await;
    let path = format!("/parse/classes/Thing/{id}");
    let run = |list: Vec<Value>| {
        let body = json!({"requests": list, "transaction": true}).to_string();
        let world = &world;
        async move { send(world, "", "POST", "/batch", &body).await }
    };
    let failing = run(requests(&[
        ("POST", "/parse/classes/Thing", json!({"n": 5})),
        ("PUT", &path, json!({"n": "text"})),
    ]))
    .await;
    assert_eq!(failing.status, 400, "{}", failing.text);
    assert_eq!(failing.json()[1]["error"]["code"], 111, "{}", failing.text);
    let count = "/classes/Thing?count=1&limit=0";
    assert_eq!(send(&world, "", "GET", count, "").await.json()["count"], 1);
    let fine = run(requests(&[
        ("POST", "/parse/classes/Thing", json!({"n": 5})),
        ("PUT", &path, json!({"n": 7})),
    ]))
    .await;
    assert_eq!(
        (fine.status, fine.json().as_array().unwrap().len()),
        (200, 2)
    );
    assert_eq!(send(&world, "", "GET", count, "").await.json()["count"], 2);
    let read = run(requests(&[("GET", "/parse/classes/Thing", json!({}))])).await;
    assert_eq!(
        (read.status, read.json()["code"].as_i64()),
        (400, Some(107))
    );
}
