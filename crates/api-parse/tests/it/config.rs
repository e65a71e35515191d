//! The app's configuration.

use super::support::{check, world, world_with};

#[tokio::test]
async fn parameters_are_set_hidden_and_removed() {
    let world = world().await;
    check(
        &world,
        &[
            ("", "GET", "/config", "", 200, &["{\"params\":{}}"]),
            (
                "",
                "PUT",
                "/config",
                r#"{"params":{}}"#,
                403,
                &["unauthorized: master key is required"],
            ),
            (
                "read-only",
                "PUT",
                "/config",
                r#"{"params":{}}"#,
                400,
                &[
                    "\"code\":119",
                    "read-only masterKey isn't allowed to update the config.",
                ],
            ),
            (
                "master",
                "PUT",
                "/config",
                r#"{"params":{"a":[1],"secret":"x","when":{"__type":"Date",
          "iso":"2026-01-01T00:00:00.000Z"}},"masterKeyOnly":{"secret":true}}"#,
                200,
                &["{\"result\":true}"],
            ),
            (
                "",
                "GET",
                "/config",
                "",
                200,
                &[
                    "\"a\":[1]",
                    "\"__type\":\"Date\"",
                    "!secret",
                    "!masterKeyOnly",
                ],
            ),
            (
                "master",
                "GET",
                "/config",
                "",
                200,
                &["\"secret\":\"x\"", "\"masterKeyOnly\":{"],
            ),
            (
                "master",
                "PUT",
                "/config",
                r#"{"params":{"a":{"__op":"Delete"},"b":2}}"#,
                200,
                &[],
            ),
            (
                "master",
                "GET",
                "/config",
                "",
                200,
                &["\"b\":2", "!\"a\"", "secret"],
            ),
            (
                "master",
                "PUT",
                "/config",
                r#"{"params":5}"#,
                400,
                &["\"code\":107"],
            ),
            (
                "master",
                "PUT",
                "/config",
                r#"{"params":{"a.b":1}}"#,
                400,
                &["\"code\":105"],
            ),
            (
                "master",
                "PUT",
                "/config",
                r#"{"params":{"a":{"__op":"Add"}}}"#,
                400,
                &["\"code\":107"],
            ),
            (
                "master",
                "PUT",
                "/config",
                r#"{"params":{"a":{"__op":"Double"}}}"#,
                400,
                &["\"code\":108"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn refusals_are_silent_where_they_should_be() {
    let world = world_with(|s| s.options.sanitize_refusals = true).await;
    check(
        &world,
        &[(
            "",
            "GET",
            "/schemas",
            "",
            403,
            &["{\"error\":\"Permission denied\"}"],
        )],
    )
    .await;
}
