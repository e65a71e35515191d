//! Schemas and class-level permissions.

use super::support::{check, make, send, world, world_with};
use serde_json::json;

#[tokio::test]
async fn the_life_of_a_schema() {
    let world = world().await;
    let body = r#"{"className":"Thing","fields":{"n":{"type":"Number","required":true},
        "p":{"type":"Pointer","targetClass":"_User"},"r":{"type":"Relation","targetClass":"Thing"},
        "d":{"type":"String","defaultValue":"x"}},"indexes":{"by_n":{"n":-1}}}"#;
    let made = send(&world, "master", "POST", "/schemas", body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let schema = made.json();
    assert_eq!(schema["className"], "Thing");
    assert_eq!(schema["fields"]["ACL"], json!({"type": "ACL"}));
    assert_eq!(schema["fields"]["objectId"], json!({"type": "String"}));
    assert_eq!(
        schema["fields"]["n"],
        json!({"type": "Number", "required": true})
    );
    assert_eq!(
        schema["fields"]["p"],
        json!({"type": "Pointer", "targetClass": "_User"})
    );
    assert_eq!(
        schema["fields"]["d"],
        json!({"type": "String", "defaultValue": "x"})
    );
    assert_eq!(schema["indexes"], json!({"by_n": {"n": -1}}));
    let again = send(&world, "master", "GET", "/schemas/Thing", "")
        .await
        .json();
    assert_eq!(
        again["indexes"],
        json!({"_id_": {"_id": 1}, "by_n": {"n": -1}})
    );
    assert_eq!(schema["classLevelPermissions"]["find"], json!({"*": true}));
    assert_eq!(
        schema["classLevelPermissions"]["protectedFields"],
        json!({"*": []})
    );

    let all = send(&world, "master", "GET", "/schemas", "").await.json();
    let listed = all["results"].as_array().unwrap();
    assert!(listed.iter().any(|s| s["className"] == "Thing"));
    assert!(
        listed
            .iter()
            .all(|s| !s["className"].as_str().unwrap().starts_with("_Join"))
    );
    check(
        &world,
        &[
            (
                "",
                "GET",
                "/schemas",
                "",
                403,
                &["{\"error\":\"unauthorized: master key is required\"}"],
            ),
            (
                "read-only",
                "POST",
                "/schemas",
                body,
                400,
                &[
                    "\"code\":119",
                    "read-only masterKey isn't allowed to create a schema.",
                ],
            ),
            ("read-only", "GET", "/schemas/Thing", "", 200, &["Thing"]),
            (
                "master",
                "POST",
                "/schemas",
                body,
                400,
                &["\"code\":103", "Class Thing already exists."],
            ),
            ("master", "POST", "/schemas", "{}", 400, &["\"code\":135"]),
            (
                "master",
                "POST",
                "/schemas/Other",
                body,
                400,
                &["Class name mismatch between Thing and Other."],
            ),
            (
                "master",
                "GET",
                "/schemas/Nope",
                "",
                400,
                &["\"code\":103", "Class Nope does not exist."],
            ),
            (
                "master",
                "PUT",
                "/schemas/Nope",
                "{}",
                400,
                &["\"code\":103"],
            ),
            (
                "master",
                "PUT",
                "/schemas/Thing",
                r#"{"fields":{"n":{"type":"String"}}}"#,
                400,
                &["\"code\":255", "Field n exists, cannot update."],
            ),
            (
                "master",
                "PUT",
                "/schemas/Thing",
                r#"{"fields":{"zz":{"__op":"Delete"}}}"#,
                400,
                &["\"code\":255", "Field zz does not exist, cannot delete."],
            ),
            (
                "master",
                "PUT",
                "/schemas/Thing",
                r#"{"fields":{"d":{"__op":"Delete"},"m":{"type":"Date"}},
          "indexes":{"by_n":{"__op":"Delete"}}}"#,
                200,
                &["\"m\":{\"type\":\"Date\"}", "!by_n"],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                "{\"n\":1}",
                201,
                &["objectId"],
            ),
            (
                "master",
                "DELETE",
                "/schemas/Thing",
                "",
                400,
                &["\"code\":255", "is not empty"],
            ),
            ("", "DELETE", "/purge/Thing", "", 403, &["master key"]),
            ("master", "DELETE", "/purge/Thing", "", 200, &["{}"]),
            ("master", "DELETE", "/schemas/Thing", "", 200, &["{}"]),
            ("master", "DELETE", "/schemas/Thing", "", 200, &["{}"]),
            ("master", "DELETE", "/purge/Thing", "", 200, &["{}"]),
            (
                "master",
                "DELETE",
                "/schemas/a'b",
                "",
                400,
                &["\"code\":103"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn indexes_are_shown_where_there_are_any() {
    let world = world().await;
    let rows: &[(&str, &str, &str, Option<serde_json::Value>)] = &[
        ("POST", "/schemas/Thing", r#"{"indexes":{}}"#, None),
        ("GET", "/schemas/Thing", "", None),
        (
            "PUT",
            "/schemas/Thing",
            r#"{"fields":{"p":{"type":"Pointer","targetClass":"_User"}},
                "indexes":{"a":{"_p_p":1,"createdAt":-1}}}"#,
            Some(json!({"_id_": {"_id": 1}, "a": {"_p_p": 1, "createdAt": -1}})),
        ),
        (
            "GET",
            "/schemas/Thing",
            "",
            Some(json!({"_id_": {"_id": 1}, "a": {"_p_p": 1, "createdAt": -1}})),
        ),
        (
            "PUT",
            "/schemas/Thing",
            r#"{"indexes":{"a":{"__op":"Delete"}}}"#,
            Some(json!({"_id_": {"_id": 1}})),
        ),
        ("PUT", "/schemas/Thing", "{}", None),
    ];
    for (method, path, body, expected) in rows {
        let answer = send(&world, "master", method, path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(
            answer.json().get("indexes"),
            expected.as_ref(),
            "{method} {body}"
        );
    }
}

#[tokio::test]
async fn permissions_go_back_to_the_default_by_null() {
    let hidden = basalt_data::FieldRule {
        group: "*".into(),
        fields: vec!["email".into()],
    };
    let world = world_with(|s| s.data.protected_fields.push(("_User".into(), hidden))).await;
    let public = json!({"*": {"read": true, "write": true}});
    let made = send(&world, "master", "POST", "/schemas/Thing", "{}").await;
    let default = made.json()["classLevelPermissions"].clone();
    assert_eq!(default["ACL"], public);
    let put = |path: &'static str, body: &'static str| {
        let world = &world;
        async move {
            let answer = send(world, "master", "PUT", path, body).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.json()["classLevelPermissions"].clone()
        }
    };
    let closed = put("/schemas/Thing", r#"{"classLevelPermissions":{"get":{}}}"#).await;
    assert_eq!((&closed["find"], closed.get("ACL")), (&json!({}), None));
    check(
        &world,
        &[("", "GET", "/classes/Thing", "", 400, &["\"code\":119"])],
    )
    .await;
    let body = r#"{"classLevelPermissions":null}"#;
    assert_eq!(put("/schemas/Thing", body).await, default);
    check(
        &world,
        &[("", "GET", "/classes/Thing", "", 200, &["results"])],
    )
    .await;
    // What options hide is in the answer of a change, and not in what is kept.
    let user = put("/schemas/_User", r#"{"fields":{"nick":{"type":"String"}}}"#).await;
    assert_eq!(user["protectedFields"], json!({"*": ["email"]}));
    let user = send(&world, "master", "GET", "/schemas/_User", "")
        .await
        .json();
    assert_eq!(user["classLevelPermissions"], default);
}

#[tokio::test]
async fn the_servers_own_collections_have_no_schema() {
    let world = world().await;
    let own = r#"{"fields":{"localeIdentifier":{"type":"String"}}}"#;
    let settings = &["\"code\":103", "Invalid classname: _GlobalConfig, "][..];
    check(
        &world,
        &[
            (
                "master",
                "PUT",
                "/config",
                r#"{"params":{"a":1}}"#,
                200,
                &[],
            ),
            (
                "master",
                "DELETE",
                "/schemas/_GlobalConfig",
                "",
                400,
                settings,
            ),
            ("master", "DELETE", "/schemas/_JobStatus", "", 200, &["{}"]),
            (
                "master",
                "POST",
                "/schemas/_Hooks",
                "{}",
                400,
                &["\"code\":103"],
            ),
            (
                "master",
                "POST",
                "/schemas/_Installation",
                own,
                400,
                &["\"code\":136", "field localeIdentifier cannot be added"],
            ),
            (
                "master",
                "POST",
                "/schemas/_Installation",
                r#"{"fields":{"mood":{"type":"String"}}}"#,
                200,
                &["localeIdentifier", "mood"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn permissions_are_kept_and_obeyed() {
    let world = world().await;
    let body = r#"{"className":"Thing","fields":{"owner":{"type":"Pointer","targetClass":"_User"},
        "hidden":{"type":"String"}},"classLevelPermissions":{"find":{"requiresAuthentication":true},
        "get":{"*":true},"create":{"role:Admins":true,"abc1234567":true},
        "update":{"pointerFields":["owner"]},"readUserFields":["owner"],
        "protectedFields":{"*":["hidden"]}}}"#;
    let made = send(&world, "master", "POST", "/schemas", body).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let rules = &made.json()["classLevelPermissions"];
    assert_eq!(rules["find"], json!({"requiresAuthentication": true}));
    assert_eq!(
        rules["create"],
        json!({"role:Admins": true, "abc1234567": true})
    );
    assert_eq!(rules["update"], json!({"pointerFields": ["owner"]}));
    assert_eq!(rules["delete"], json!({}));
    assert_eq!(rules["readUserFields"], json!(["owner"]));
    assert_eq!(rules["protectedFields"], json!({"*": ["hidden"]}));
    let id = make(&world, "master", "Thing", r#"{"hidden":"x"}"#).await;
    let path = format!("/classes/Thing/{id}");
    check(
        &world,
        &[
            ("", "GET", &path, "", 200, &["!hidden"]),
            ("master", "GET", &path, "", 200, &["hidden"]),
            (
                "",
                "GET",
                "/classes/Thing",
                "",
                404,
                &["\"code\":101", "needs to be authenticated"],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                "{}",
                400,
                &["\"code\":119", "Permission denied for action create"],
            ),
            ("", "DELETE", &path, "", 400, &["\"code\":119"]),
        ],
    )
    .await;
}
