//! What the log is told of a request: the route's template and the app, never the path as sent.

use super::support::{APP, LOCAL, raw, send, world};

#[tokio::test]
async fn answers_name_their_route_and_app() {
    let world = world().await;
    let table = [
        ("GET", "/classes/Thing/none", "", "/classes/:class/:id"),
        ("POST", "/users", "{}", "/users"),
        (
            "POST",
            "/classes/Thing",
            r#"{"_method":"GET"}"#,
            "/classes/:class",
        ),
        ("GET", "/schemas", "", "/schemas"),
        ("GET", "/files/secret-name", "", "/files/*"),
        ("GET", "/secret-name", "", "/*"),
        ("POST", "/classes/Thing", "{", "/*"),
    ];
    for (method, target, body, template) in table {
        let answer = send(&world, "", method, target, body).await;
        let route = answer.route.unwrap_or_else(|| panic!("{method} {target}"));
        assert_eq!(route.template, template, "{method} {target}");
        assert_eq!(route.app.unwrap().as_str(), APP, "{method} {target}");
    }
}

#[tokio::test]
async fn an_app_that_does_not_exist_is_not_named() {
    let world = world().await;
    let unknown = [("x-parse-application-id", "unknown")];
    let answer = raw(&world, "GET", "/classes/Thing", &unknown, "", LOCAL).await;
    assert!(answer.route.is_none(), "{answer:?}");
    let answer = raw(&world, "GET", "/health", &[], "", LOCAL).await;
    let route = answer.route.unwrap();
    assert_eq!((route.template, route.app), ("/health", None));
}
