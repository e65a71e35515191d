//! Schemas and class-level permissions.

use super::support::{check, make, send, world};
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
    assert_eq!(
        schema["indexes"],
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
