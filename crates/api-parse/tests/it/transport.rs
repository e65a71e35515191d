//! Keys, headers, bodies that carry them, and what is wrong with them.

use super::support::{
    APP, LOCAL, MASTER, check, encoded, make, raw, send, sign_up, world, world_with,
};
use basalt_base::Secret;
use serde_json::json;

/// Headers, the address they come from, and the status that they get.
type Attempt<'a> = (&'a [(&'a str, &'a str)], std::net::IpAddr, u16);

const ID: (&str, &str) = ("x-parse-application-id", APP);

#[tokio::test]
async fn keys_decide_who_gets_in() {
    let world = world_with(|s| s.keys.rest = Some(Secret::new("rest"))).await;
    let unauthorized = r#"{"error":"unauthorized"}"#;
    let far = "10.1.2.3".parse().unwrap();
    let get = "/classes/Thing";
    let table: &[Attempt<'_>] = &[
        (&[], LOCAL, 403),
        (&[("x-parse-application-id", "other")], LOCAL, 403),
        (&[ID], LOCAL, 403),
        (&[ID, ("x-parse-rest-api-key", "wrong")], LOCAL, 403),
        (&[ID, ("x-parse-javascript-key", "rest")], LOCAL, 403),
        (&[ID, ("x-parse-rest-api-key", "rest")], LOCAL, 200),
        (&[ID, ("x-parse-master-key", MASTER)], LOCAL, 200),
        (&[ID, ("x-parse-master-key", "wrong")], LOCAL, 403),
        (&[ID, ("x-parse-master-key", MASTER)], far, 403),
        (
            &[ID, ("x-parse-maintenance-key", "maintenance-key")],
            far,
            403,
        ),
        (&[ID, ("x-parse-master-key", "read-only-key")], far, 200),
        // The address is the socket's; a header does not change it.
        (
            &[
                ID,
                ("x-parse-master-key", MASTER),
                ("x-forwarded-for", "127.0.0.1"),
            ],
            far,
            403,
        ),
        // app:master-key, app:javascript-key=x, other:master-key
        (
            &[("authorization", "Basic YXBwOm1hc3Rlci1rZXk=")],
            LOCAL,
            200,
        ),
        (
            &[("authorization", "Basic YXBwOmphdmFzY3JpcHQta2V5PXg=")],
            LOCAL,
            403,
        ),
        (
            &[("authorization", "Basic b3RoZXI6bWFzdGVyLWtleQ==")],
            LOCAL,
            403,
        ),
        (&[("authorization", "Basic ")], LOCAL, 403),
    ];
    for (headers, ip, status) in table {
        let answer = raw(&world, "GET", get, headers, "", *ip).await;
        assert_eq!(answer.status, *status, "{headers:?} {}", answer.text);
        if *status == 403 {
            assert_eq!(answer.text, unauthorized);
        }
    }
}

#[tokio::test]
async fn bodies_carry_what_headers_would() {
    let world = world().await;
    let (_, token) = sign_up(&world, "ada").await;
    let post = |path: &'static str, body: serde_json::Value| {
        let world = &world;
        async move {
            let headers = [("content-type", "text/plain")];
            raw(world, "POST", path, &headers, body.to_string(), LOCAL).await
        }
    };
    let created = post(
        "/classes/Thing",
        json!({"a": 1, "_ApplicationId": APP, "_ClientVersion": "js5.0.0",
               "_InstallationId": "i", "_RevocableSession": "1", "_ContentType": "x",
               "_noBody": true, "_context": "{\"k\":1}"}),
    )
    .await;
    assert_eq!(created.status, 201, "{}", created.text);
    let found = post(
        "/classes/Thing",
        json!({"_method": "GET", "_ApplicationId": APP, "_MasterKey": MASTER, "where": {"a": 1}}),
    )
    .await;
    assert_eq!(
        (found.status, found.text.matches("objectId").count()),
        (200, 1)
    );
    assert!(!found.text.contains("_Client"), "{}", found.text);
    let me = post(
        "/users/me",
        json!({"_method": "get", "_ApplicationId": APP, "_SessionToken": token}),
    )
    .await;
    assert_eq!(
        (me.status, me.text_at("/sessionToken")),
        (200, token.clone())
    );
}

#[tokio::test]
async fn forms_are_bodies_of_text() {
    let world = world().await;
    sign_up(&world, "ada").await;
    let form = (
        "content-type",
        "application/x-www-form-urlencoded; charset=UTF-8",
    );
    let app = ("x-parse-application-id", APP);
    let table = [
        (
            "/login",
            "username=ada&password=password-ada",
            200,
            "sessionToken",
        ),
        (
            "/login",
            "username=ada&password=password%2Dada",
            200,
            "sessionToken",
        ),
        (
            "/login",
            "username=ada&password=x",
            404,
            "Invalid username/password.",
        ),
        // Tools that say so of every body send JSON too.
        (
            "/login",
            r#" {"username":"ada","password":"password-ada"}"#,
            200,
            "sessionToken",
        ),
        ("/classes/Form", "text=a+b%26c&n=1", 201, "objectId"),
        ("/classes/Form", "text=%ff", 400, "UTF-8"),
    ];
    for (path, body, status, part) in table {
        let answer = raw(&world, "POST", path, &[app, form], body, LOCAL).await;
        assert_eq!(answer.status, status, "{body} {}", answer.text);
        assert!(answer.text.contains(part), "{body} {}", answer.text);
    }
    let found = send(&world, "", "GET", "/classes/Form", "").await;
    assert!(
        found.text.contains(r#""text":"a b&c","n":"1""#),
        "{}",
        found.text
    );
    let embedded = format!("_ApplicationId={APP}&_method=GET");
    let answer = raw(&world, "POST", "/classes/Form", &[form], embedded, LOCAL).await;
    assert_eq!(
        answer.text.matches("objectId").count(),
        1,
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn what_bodies_carry_has_to_be_text() {
    let world = world().await;
    let post = |path: &'static str, body: serde_json::Value| {
        let world = &world;
        async move { raw(world, "POST", path, &[], body.to_string(), LOCAL).await }
    };
    let table = [
        (json!({"_ApplicationId": []}), 403, ""),
        (json!({"_ApplicationId": {"$ne": 1}}), 403, ""),
        (
            json!({"_ApplicationId": APP, "_MasterKey": {"$ne": 1}}),
            403,
            "",
        ),
        (
            json!({"_ApplicationId": APP, "_SessionToken": {"$regex": "r:"}}),
            400,
            "209",
        ),
        (
            json!({"_ApplicationId": APP, "_SessionToken": "r:nobody"}),
            400,
            "209",
        ),
        (
            json!({"_ApplicationId": APP, "_InstallationId": 5}),
            400,
            "107",
        ),
        (
            json!({"_ApplicationId": APP, "_context": 5}),
            400,
            "Invalid object for context.",
        ),
        (
            json!({"_ApplicationId": APP, "_context": "[]"}),
            400,
            "Invalid object for context.",
        ),
        (json!({"_ApplicationId": APP, "_method": {}}), 400, "107"),
        (
            json!({"_ApplicationId": APP, "_method": "PATCH"}),
            404,
            "107",
        ),
        (json!(5), 400, "107"),
        (json!("x"), 400, "107"),
    ];
    for (body, status, part) in table {
        let answer = post("/classes/Thing", body.clone()).await;
        assert_eq!(answer.status, status, "{body} {}", answer.text);
        assert!(answer.text.contains(part), "{body} {}", answer.text);
    }
}

#[tokio::test]
async fn beside_a_header_those_names_are_no_part_of_the_protocol() {
    let world = world().await;
    check(
        &world,
        &[
            (
                "",
                "POST",
                "/classes/Thing",
                r#"{"_ApplicationId":"app"}"#,
                400,
                &["\"code\":105"],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                r#"{"_method":"GET","_ApplicationId":"app"}"#,
                400,
                &[
                    "\"code\":102",
                    "Invalid parameter for query: _ApplicationId",
                ],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn malformed_requests_are_the_callers_fault() {
    let world = world().await;
    let deep = "[".repeat(100_000);
    let long = format!(r#"{{"where":{{"a":"{}"}}}}"#, "x".repeat(10_000));
    check(
        &world,
        &[
            ("", "POST", "/classes/Thing", "{", 400, &["\"code\":107"]),
            ("", "POST", "/classes/Thing", "[]", 400, &["\"code\":107"]),
            (
                "",
                "POST",
                "/classes/Thing",
                &deep,
                400,
                &["nested too deeply"],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                "{\"a\":\"\\u0000\"}",
                400,
                &["U+0000"],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                "{\"a\":\"\\ud800\"}",
                400,
                &["surrogate"],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                "{\"a\":1e400}",
                400,
                &["out of range"],
            ),
            (
                "",
                "GET",
                "/classes/Thing?where=%7B",
                "",
                400,
                &["where parameter is not valid JSON"],
            ),
            (
                "",
                "GET",
                "/classes/Thing?where=%FF",
                "",
                400,
                &["\"code\":102"],
            ),
            (
                "",
                "GET",
                "/classes/Thing?limit=x",
                "",
                400,
                &["\"code\":102"],
            ),
            (
                "",
                "GET",
                "/classes/Thing?limit[a]=1",
                "",
                400,
                &["\"code\":102"],
            ),
            (
                "",
                "GET",
                "/classes/Thing?keys[a]=1",
                "",
                400,
                &["\"code\":102"],
            ),
            ("", "GET", "/classes/a%27b", "", 400, &["\"code\":103"]),
            (
                "",
                "GET",
                "/classes/_Join:users:_Role",
                "",
                400,
                &["\"code\":103"],
            ),
            (
                "",
                "GET",
                "/classes/Thing/x?where=1",
                "",
                400,
                &["Improper encode of parameter"],
            ),
            (
                "",
                "GET",
                "/constructor",
                "",
                404,
                &["cannot route GET /constructor"],
            ),
            ("", "GET", "/classes/%00", "", 404, &[]),
            ("", "PATCH", "/classes/Thing", "", 404, &[]),
            ("", "GET", "/classes/Thing", &long, 200, &["results"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn large_bodies_are_refused_early() {
    let world = world_with(|s| s.options.limits.body_bytes_max = 1_000).await;
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(2_000));
    let answer = send(&world, "", "POST", "/classes/Thing", &body).await;
    assert_eq!(
        (answer.status, answer.json()["code"].as_i64()),
        (413, Some(116))
    );
}

#[tokio::test]
async fn cross_origin_answers() {
    let world = world_with(|s| {
        s.options.allow_origin = vec!["https://a.test".to_owned(), "https://b.test".to_owned()];
    })
    .await;
    let preflight = raw(&world, "OPTIONS", "/classes/Thing", &[], "", LOCAL).await;
    assert_eq!((preflight.status, preflight.text.as_str()), (200, ""));
    assert_eq!(
        preflight.headers["access-control-allow-methods"],
        "GET,PUT,POST,DELETE,OPTIONS"
    );
    for (origin, expected) in [
        ("https://b.test", "https://b.test"),
        ("https://evil.test", "https://a.test"),
        ("null", "https://a.test"),
    ] {
        let headers = [ID, ("origin", origin)];
        let answer = raw(&world, "GET", "/classes/Thing", &headers, "", LOCAL).await;
        assert_eq!(answer.headers["access-control-allow-origin"], expected);
        assert_eq!(
            answer.headers["access-control-expose-headers"],
            "X-Parse-Job-Status-Id, X-Parse-Push-Status-Id"
        );
        assert!(
            !answer
                .headers
                .contains_key("access-control-allow-credentials")
        );
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let world = world().await;
    let mut rows: Vec<super::support::Row<'_>> = vec![
        ("", "GET", "/health", "", 200, &["{\"status\":\"ok\"}"]),
        (
            "",
            "POST",
            "/health",
            r#"{"_method":"GET"}"#,
            200,
            &["{\"status\":\"ok\"}"],
        ),
        ("", "POST", "/events/AppOpened", "{}", 200, &["{}"]),
        (
            "",
            "GET",
            "/serverInfo",
            "",
            403,
            &["{\"error\":\"unauthorized: master key is required\"}"],
        ),
        (
            "master",
            "GET",
            "/serverInfo",
            "",
            200,
            &["parseServerVersion", "\"addClass\":true"],
        ),
        ("", "POST", "/hooks/functions", "{}", 403, &["master key"]),
        ("master", "POST", "/jobs/j", "{}", 400, &["Invalid job."]),
        (
            "",
            "POST",
            "/files/x.txt",
            "\u{1}not json",
            400,
            &["\"code\":108", "files"],
        ),
    ];
    for name in [
        "files/f",
        "push",
        "requestPasswordReset",
        "verificationEmailRequest",
        "challenge",
        "validate_purchase",
    ] {
        let target: &'static str = Box::leak(format!("/{name}").into_boxed_str());
        rows.push(("master", "POST", target, "{}", 400, &["\"code\":108"]));
    }
    check(&world, &rows).await;
}

#[tokio::test]
async fn the_same_request_is_done_once() {
    let world = world_with(|s| {
        s.options.idempotency_paths = vec!["classes/Thing".to_owned()];
    })
    .await;
    let headers = [ID, ("x-parse-request-id", "r1")];
    let create = || {
        raw(
            &world,
            "POST",
            "/classes/Thing",
            &headers,
            "{\"a\":1}",
            LOCAL,
        )
    };
    assert_eq!(create().await.status, 201);
    let again = create().await;
    assert_eq!(again.status, 400);
    assert_eq!(
        again.json(),
        json!({"code": 159, "error": "Duplicate request"})
    );
    let other = raw(&world, "POST", "/classes/Other", &headers, "{}", LOCAL).await;
    assert_eq!(other.status, 201, "the path is not among those");
    world.clock.advance(std::time::Duration::from_secs(301));
    assert_eq!(create().await.status, 201, "the id has expired");
    assert_eq!(create().await.status, 400);
    let count = send(&world, "", "GET", "/classes/Thing?count=1&limit=0", "").await;
    assert_eq!(count.json(), json!({"results": [], "count": 2}));
}

#[tokio::test]
async fn expired_request_ids_do_not_pile_up() {
    let world = world_with(|s| {
        s.options.idempotency_paths = vec!["classes/Thing".to_owned()];
    })
    .await;
    for round in 0..4 {
        for n in 0..100 {
            let id = format!("{round}-{n}");
            let headers = [ID, ("x-parse-request-id", id.as_str())];
            let made = raw(&world, "POST", "/classes/Thing", &headers, "{}", LOCAL).await;
            assert_eq!(made.status, 201, "{}", made.text);
        }
        world.clock.advance(std::time::Duration::from_secs(301));
    }
    let path = "/classes/_Idempotency?count=1&limit=0";
    let kept = send(&world, "master", "GET", path, "").await.json()["count"].take();
    assert!(
        (100..250).contains(&kept.as_u64().unwrap()),
        "{kept} of 400"
    );
}

#[tokio::test]
async fn query_strings_and_bodies_ask_the_same() {
    let world = world().await;
    make(&world, "", "Thing", r#"{"n":1,"o":{"x":1}}"#).await;
    make(&world, "", "Thing", r#"{"n":2,"o":{"x":2}}"#).await;
    let filter = encoded(r#"{"n":{"$gt":1}}"#);
    let by_query = send(
        &world,
        "",
        "GET",
        &format!("/classes/Thing?where={filter}&keys=n"),
        "",
    )
    .await;
    let body = r#"{"_method":"GET","where":{"n":{"$gt":1}},"keys":"n"}"#;
    let by_body = send(&world, "", "POST", "/classes/Thing", body).await;
    assert_eq!(by_query.text, by_body.text);
    assert_eq!(by_query.json()["results"].as_array().unwrap().len(), 1);
}
