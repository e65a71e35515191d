//! Siblings of known attacks, each through every door: REST, `_method`, and a batch.

use super::support::{
    APP, Answer, LOCAL, World, encoded, make, raw, send, sign_up, world, world_with,
};
use serde_json::{Value, json};

/// One operation as each door carries it; GET parameters are in `params`.
async fn doors(world: &World, who: &str, method: &str, path: &str, params: &Value) -> Vec<Answer> {
    let rest = if method == "GET" {
        let pairs = params.as_object().into_iter().flatten();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| match value {
                Value::String(text) => format!("{name}={}", encoded(text)),
                other => format!("{name}={}", encoded(&other.to_string())),
            })
            .collect();
        send(
            world,
            who,
            method,
            &format!("{path}?{}", pairs.join("&")),
            "",
        )
        .await
    } else {
        send(world, who, method, path, &params.to_string()).await
    };
    let mut hidden = params.clone();
    hidden["_method"] = json!(method);
    let hidden = send(world, who, "POST", path, &hidden.to_string()).await;
    let step = json!({"method": method, "path": format!("/parse{path}"), "body": params});
    let batch = json!({ "requests": [step] }).to_string();
    let batch = send(world, who, "POST", "/batch", &batch).await;
    vec![rest, hidden, batch]
}

/// Every door refuses with this code, and shows nothing of the words.
async fn refused(world: &World, who: &str, method: &str, path: &str, params: Value, code: i32) {
    for (n, answer) in doors(world, who, method, path, &params)
        .await
        .iter()
        .enumerate()
    {
        let shown = format!(
            "door {n}: {method} {path} {params} => {} {}",
            answer.status, answer.text
        );
        assert!(answer.text.contains(&format!("\"code\":{code}")), "{shown}");
        assert!(!answer.text.contains("canary"), "{shown}");
        assert!(answer.status < 500, "{shown}");
    }
}

#[tokio::test]
async fn a_session_token_is_no_field_of_a_user() {
    let world = world().await;
    let (id, token) = sign_up(&world, "ada").await;
    let path = format!("/users/{id}");
    for answer in doors(
        &world,
        &token,
        "PUT",
        &path,
        &json!({"sessionToken": "r:canary", "a": 1}),
    )
    .await
    {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let made = json!({"username": "eve", "password": "x", "sessionToken": "r:canary"});
    let made = send(&world, "", "POST", "/users", &made.to_string()).await;
    assert_eq!(
        made.text.matches("sessionToken").count(),
        1,
        "{}",
        made.text
    );
    let all = send(&world, "master", "GET", "/users", "").await;
    assert!(
        !all.text.contains("canary") && all.text.contains("\"a\":1"),
        "{}",
        all.text
    );
    let me = send(&world, &token, "GET", "/users/me", "").await;
    assert_eq!(me.text.matches("sessionToken").count(), 1, "{}", me.text);
    let dotted = json!({"sessionToken.x": "r:canary"});
    doors(&world, &token, "PUT", &path, &dotted).await;
    let all = send(&world, "master", "GET", "/users", "").await;
    assert!(!all.text.contains("canary"), "{}", all.text);
    let by_it = send(&world, "r:canary", "GET", "/users/me", "").await;
    assert!(by_it.text.contains("\"code\":209"), "{}", by_it.text);
}

#[tokio::test]
async fn nobody_searches_or_sorts_by_secrets() {
    let world = world().await;
    let (_, token) = sign_up(&world, "ada").await;
    let hash = json!({"where": {"_hashed_password": {"$regex": "^.argon2"}}});
    for who in ["", "master", "read-only", "maintenance", &token] {
        refused(&world, who, "GET", "/users", hash.clone(), 105).await;
        refused(
            &world,
            who,
            "GET",
            "/users",
            json!({"order": "_hashed_password"}),
            105,
        )
        .await;
        refused(
            &world,
            who,
            "GET",
            "/users",
            json!({"order": "sessionToken"}),
            105,
        )
        .await;
        let nested = json!({"where": {"$or": [{"$and": [{"sessionToken": {"$gt": "r:"}}]}]}});
        refused(&world, who, "GET", "/users", nested, 105).await;
    }
    make(&world, "master", "Q", r#"{"n":1}"#).await;
    let sub = json!({"where": {"u": {"$inQuery": {"className": "_User", "where": {"_hashed_password": {"$regex": "."}}}}}});
    for who in ["", "maintenance"] {
        refused(&world, who, "GET", "/classes/Q", sub.clone(), 105).await;
    }
    for who in [&*token, "master", "read-only"] {
        refused(
            &world,
            who,
            "GET",
            "/sessions",
            json!({"order": "-sessionToken"}),
            102,
        )
        .await;
        refused(
            &world,
            who,
            "GET",
            "/sessions",
            json!({"where": {"sessionToken": {"$gt": "a"}}}),
            102,
        )
        .await;
    }
}

#[tokio::test]
async fn denied_keys_are_denied_in_an_acl_too() {
    let world = world_with(|settings| {
        settings.data.key_denylist = vec!["__proto__".into(), "constructor".into()];
    })
    .await;
    let id = make(&world, "", "Thing", r#"{"n":1}"#).await;
    for key in ["__proto__", "constructor"] {
        let acl = json!({"ACL": {key: {"read": true}}});
        refused(&world, "", "POST", "/classes/Thing", acl.clone(), 105).await;
        refused(&world, "", "PUT", &format!("/classes/Thing/{id}"), acl, 105).await;
    }
}

#[tokio::test]
async fn purged_users_leave_no_session_and_no_place_in_a_role() {
    let world = world_with(|settings| settings.data.allow_custom_ids = true).await;
    let user = r#"{"objectId":"boss","username":"boss","password":"x"}"#;
    let made = send(&world, "", "POST", "/users", user).await;
    let token = made.text_at("/sessionToken");
    let role = r#"{"name":"admins","ACL":{},"users":{"__op":"AddRelation","objects":[{"__type":"Pointer","className":"_User","objectId":"boss"}]}}"#;
    assert_eq!(
        send(&world, "master", "POST", "/roles", role).await.status,
        201
    );
    make(
        &world,
        "master",
        "Secret",
        r#"{"s":"canary","ACL":{"role:admins":{"read":true}}}"#,
    )
    .await;
    let seen = send(&world, &token, "GET", "/classes/Secret", "").await;
    assert!(seen.text.contains("canary"), "{}", seen.text);
    assert_eq!(
        send(&world, "master", "DELETE", "/purge/_User", "")
            .await
            .status,
        200
    );
    let sessions = send(&world, "master", "GET", "/sessions", "").await;
    assert_eq!(sessions.text, r#"{"results":[]}"#);
    let old = send(&world, &token, "GET", "/classes/Secret", "").await;
    assert!(old.text.contains("\"code\":209"), "{}", old.text);
    let again = send(&world, "", "POST", "/users", user).await;
    let seen = send(
        &world,
        &again.text_at("/sessionToken"),
        "GET",
        "/classes/Secret",
        "",
    )
    .await;
    assert_eq!(
        seen.text, r#"{"results":[]}"#,
        "a later user of that id inherits the role"
    );
}

#[tokio::test]
async fn names_have_a_length() {
    let world = world().await;
    let long = "x".repeat(513);
    let user = json!({"username": long, "password": "x"});
    refused(&world, "", "POST", "/users", user, 142).await;
    let email =
        json!({"username": "a", "password": "x", "email": format!("a@{}", "x".repeat(400))});
    refused(&world, "", "POST", "/users", email, 125).await;
    refused(
        &world,
        "",
        "POST",
        "/roles",
        json!({"name": long, "ACL": {}}),
        139,
    )
    .await;
    let (id, token) = sign_up(&world, "ada").await;
    refused(
        &world,
        &token,
        "PUT",
        &format!("/users/{id}"),
        json!({"username": long}),
        142,
    )
    .await;
}

#[tokio::test]
async fn regular_expressions_can_be_switched_off_for_clients() {
    let world = world_with(|settings| settings.options.allow_regex = false).await;
    make(&world, "", "Thing", r#"{"s":"abc"}"#).await;
    for filter in [
        json!({"s": {"$regex": "^a"}}),
        json!({"$or": [{"s": {"$not": {"$regex": "z"}}}]}),
        json!({"s": {"$all": [{"$regex": "^a"}]}}),
        json!({"s": {"$inQuery": {"className": "Thing", "where": {"s": {"$regex": "a"}}}}}),
    ] {
        refused(
            &world,
            "",
            "GET",
            "/classes/Thing",
            json!({ "where": filter }),
            102,
        )
        .await;
    }
    let params = json!({"where": {"s": {"$regex": "^a"}}});
    for answer in doors(&world, "master", "GET", "/classes/Thing", &params).await {
        assert!(answer.text.contains("abc"), "{}", answer.text);
    }
}

#[tokio::test]
async fn compressed_bodies_are_refused_before_they_are_read() {
    let world = world().await;
    // Ten bytes of a gzip header stand for any bomb: nothing is unpacked.
    let bomb: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for coding in [
        "gzip",
        "GZIP",
        "br",
        "zstd",
        "deflate",
        "identity, gzip",
        "x",
    ] {
        let headers = [
            ("x-parse-application-id", APP),
            ("content-type", "application/json"),
            ("content-encoding", coding),
        ];
        for (method, path) in [
            ("POST", "/classes/Thing"),
            ("POST", "/batch"),
            ("PUT", "/users/x"),
        ] {
            let answer = raw(&world, method, path, &headers, bomb, LOCAL).await;
            assert_eq!(answer.status, 400, "{coding} {}", answer.text);
            assert!(
                answer.text.contains("can't be compressed"),
                "{}",
                answer.text
            );
        }
    }
    let plain = [
        ("x-parse-application-id", APP),
        ("content-encoding", "identity"),
    ];
    let answer = raw(
        &world,
        "POST",
        "/classes/Thing",
        &plain,
        r#"{"n":1}"#,
        LOCAL,
    )
    .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

#[tokio::test]
async fn the_maintenance_key_does_not_run_the_app() {
    let world = world().await;
    let table = [
        ("GET", "/schemas", json!({})),
        ("POST", "/schemas/New", json!({"className": "New"})),
        ("DELETE", "/purge/Post", json!({})),
        ("GET", "/aggregate/Post", json!({})),
        ("PUT", "/config", json!({"params": {"a": 1}})),
        ("GET", "/hooks/functions", json!({})),
        ("POST", "/jobs/any", json!({})),
    ];
    for (method, path, params) in table {
        for answer in doors(&world, "maintenance", method, path, &params).await {
            let shown = format!("{method} {path} => {}", answer.text);
            assert!(answer.text.contains("master key is required"), "{shown}");
        }
    }
}

#[tokio::test]
async fn the_first_user_adds_no_fields_where_users_may_not() {
    let world = world_with(|settings| settings.data.new_collections_open = false).await;
    let body = json!({"username": "ada", "password": "x", "isAdmin": true});
    let first = send(&world, "", "POST", "/users", &body.to_string()).await;
    assert!(first.text.contains("\"code\":119"), "{}", first.text);
    let (_, token) = sign_up(&world, "ada").await;
    let device = json!({"installationId": "a", "deviceType": "ios", "extra": 1});
    let first = send(
        &world,
        &token,
        "POST",
        "/installations",
        &device.to_string(),
    )
    .await;
    assert!(first.text.contains("\"code\":119"), "{}", first.text);
}
