//! Objects: create, read, change, delete.

use super::support::{check, make, send, sign_up, world, world_with};
use serde_json::json;

#[tokio::test]
async fn the_life_of_an_object() {
    let world = world().await;
    let answer = send(&world, "", "POST", "/classes/Thing", r#"{"a":1,"b":"x"}"#).await;
    assert_eq!(answer.status, 201);
    let id = answer.text_at("/objectId");
    let at = answer.text_at("/createdAt");
    assert_eq!(answer.json(), json!({"objectId": id, "createdAt": at}));
    let location = format!("http://api.test/parse/classes/Thing/{id}");
    assert_eq!(answer.headers["location"], location.as_str());
    assert_eq!(answer.headers["cache-control"], "no-store");

    let path = format!("/classes/Thing/{id}");
    let got = send(&world, "", "GET", &path, "").await;
    let expected = json!({"objectId": id, "a": 1, "b": "x", "createdAt": at, "updatedAt": at});
    assert_eq!(got.json(), expected);

    let changed = send(
        &world,
        "",
        "PUT",
        &path,
        r#"{"a":{"__op":"Increment","amount":2},"b":"y"}"#,
    )
    .await;
    assert_eq!(changed.json()["a"], 3);
    assert_eq!(
        changed.json().as_object().unwrap().len(),
        2,
        "{}",
        changed.text
    );
    check(
        &world,
        &[
            (
                "",
                "PUT",
                &path,
                r#"{"b":{"__op":"Delete"},"a":null,"d":[1]}"#,
                200,
                &["updatedAt"],
            ),
            (
                "",
                "GET",
                &path,
                "",
                200,
                &["\"a\":null", "\"d\":[1]", "!\"b\""],
            ),
            (
                "",
                "PUT",
                &path,
                r#"{"d":{"__op":"AddUnique","objects":[1,2]}}"#,
                200,
                &["\"d\":[1,2]"],
            ),
            (
                "",
                "PUT",
                &path,
                r#"{"d":{"__op":"Remove","objects":[1]}}"#,
                200,
                &["\"d\":[2]"],
            ),
            (
                "",
                "PUT",
                &path,
                r#"{"a":"text"}"#,
                400,
                &[
                    "\"code\":111",
                    "schema mismatch for Thing.a; expected Number but got String",
                ],
            ),
            ("", "DELETE", &path, "", 200, &["{}"]),
            (
                "",
                "GET",
                &path,
                "",
                404,
                &[r#"{"code":101,"error":"Object not found."}"#],
            ),
            ("", "PUT", &path, r#"{"a":1}"#, 404, &["\"code\":101"]),
            ("", "DELETE", &path, "", 404, &["\"code\":101"]),
            (
                "",
                "GET",
                "/classes/Nothing",
                "",
                200,
                &["{\"results\":[]}"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn nested_values_are_changed_by_dotted_keys() {
    let world = world().await;
    let id = make(&world, "", "New", r#"{"o.a":1,"o.b.c":"x"}"#).await;
    let made = send(&world, "", "GET", &format!("/classes/New/{id}"), "").await;
    assert_eq!(
        made.json()["o"],
        serde_json::json!({"a": 1, "b": {"c": "x"}})
    );
    let id = make(&world, "", "Thing", r#"{"o":{"n":1,"s":"x","l":[1]}}"#).await;
    let path = format!("/classes/Thing/{id}");
    check(
        &world,
        &[
            (
                "",
                "PUT",
                &path,
                r#"{"o.n":{"__op":"Increment","amount":0.5}}"#,
                200,
                &["1.5"],
            ),
            (
                "",
                "PUT",
                &path,
                r#"{"o.s":{"__op":"Delete"},"o.t":"y"}"#,
                200,
                &[],
            ),
            (
                "",
                "PUT",
                &path,
                r#"{"o.l":{"__op":"Add","objects":[2]}}"#,
                200,
                &[],
            ),
            (
                "",
                "GET",
                &path,
                "",
                200,
                &["\"n\":1.5", "\"l\":[1,2]", "\"t\":\"y\"", "!\"s\""],
            ),
            ("", "PUT", &path, r#"{"o.$x":1}"#, 400, &["\"code\":105"]),
            (
                "",
                "POST",
                "/classes/Thing",
                r#"{"o.$x":1}"#,
                400,
                &["\"code\":105"],
            ),
            ("", "PUT", &path, r#"{"o..x":1}"#, 400, &["\"code\":105"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn every_kind_of_value_comes_back() {
    let world = world().await;
    let body = json!({
        "n": 9_007_199_254_740_993_i64, "f": 0.1, "s": "é😀\n", "t": true, "z": null,
        "o": {"a": [1, {"b": null}]}, "l": [],
        "d": {"__type": "Date", "iso": "2026-11-21T10:20:30.456Z"},
        "b": {"__type": "Bytes", "base64": "AAEC/w=="},
        "g": {"__type": "GeoPoint", "latitude": 40.5, "longitude": -30},
        "p": {"__type": "Pointer", "className": "Other", "objectId": "abc"},
        "y": {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1], [0, 0]]},
        "x": {"__type": "File", "name": "a b.txt", "url": "http://api.test/parse/files/app/a%20b.txt"},
    });
    // A null shows where the class has the field.
    make(&world, "", "Thing", r#"{"z":1}"#).await;
    let id = make(&world, "", "Thing", &body.to_string()).await;
    let mut got = send(&world, "", "GET", &format!("/classes/Thing/{id}"), "")
        .await
        .json();
    for name in ["objectId", "createdAt", "updatedAt"] {
        got.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(got, body);
}

#[tokio::test]
async fn acls_keep_others_out() {
    let world = world().await;
    let (ada, ada_token) = sign_up(&world, "ada").await;
    let (_, bob_token) = sign_up(&world, "bob").await;
    let acl = format!(r#"{{"a":1,"ACL":{{"{ada}":{{"read":true,"write":true}}}}}}"#);
    let id = make(&world, &ada_token, "Thing", &acl).await;
    let path = format!("/classes/Thing/{id}");
    let shown = format!(r#""ACL":{{"{ada}":{{"read":true,"write":true}}}}"#);
    check(
        &world,
        &[
            (&ada_token, "GET", &path, "", 200, &[&shown]),
            (&bob_token, "GET", &path, "", 404, &["\"code\":101"]),
            ("", "GET", "/classes/Thing", "", 200, &["{\"results\":[]}"]),
            ("master", "GET", &path, "", 200, &[&shown]),
            (
                &bob_token,
                "PUT",
                &path,
                r#"{"a":2}"#,
                404,
                &["\"code\":101"],
            ),
            (&bob_token, "DELETE", &path, "", 404, &["\"code\":101"]),
            (
                &ada_token,
                "PUT",
                &path,
                r#"{"ACL":{"*":{"read":true}}}"#,
                200,
                &[],
            ),
            (
                &bob_token,
                "GET",
                &path,
                "",
                200,
                &[r#""ACL":{"*":{"read":true}}"#],
            ),
            (
                &ada_token,
                "PUT",
                &path,
                r#"{"a":3}"#,
                404,
                &["\"code\":101"],
            ),
            (
                "read-only",
                "PUT",
                &path,
                r#"{"a":3}"#,
                400,
                &["\"code\":119"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn includes_and_relations() {
    let world = world().await;
    let city = make(&world, "", "City", r#"{"name":"Oslo","size":3}"#).await;
    let pointer = |class: &str, id: &str| {
        format!(r#"{{"__type":"Pointer","className":"{class}","objectId":"{id}"}}"#)
    };
    let body = format!(
        r#"{{"city":{},"gone":{},"all":[{},{}],"o":{{"in":{}}}}}"#,
        pointer("City", &city),
        pointer("City", "nobody"),
        pointer("City", &city),
        pointer("City", "nobody"),
        pointer("City", &city),
    );
    let id = make(&world, "", "Person", &body).await;
    let path = format!("/classes/Person/{id}");
    let plain = send(&world, "", "GET", &path, "").await;
    assert!(!plain.text.contains("Oslo"));
    let full = send(
        &world,
        "",
        "GET",
        &format!("{path}?include=city,gone,all,o.in"),
        "",
    )
    .await
    .json();
    assert_eq!(full["city"]["__type"], "Object");
    assert_eq!(full["city"]["className"], "City");
    assert_eq!(full["city"]["name"], "Oslo");
    assert_eq!(full["all"].as_array().unwrap().len(), 1, "{full}");
    assert_eq!(full["o"]["in"]["name"], "Oslo");
    assert_eq!(full.get("gone"), None);
    let some = send(&world, "", "GET", &format!("{path}?keys=city.name"), "")
        .await
        .json();
    assert_eq!(some["city"]["name"], "Oslo");
    assert_eq!(some["city"].get("size"), None, "{some}");
    assert_eq!(some.get("all"), None);
}

#[tokio::test]
async fn relations_are_added_to_and_asked_about() {
    let world = world().await;
    let city = make(&world, "", "City", r#"{"name":"Oslo"}"#).await;
    let id = make(&world, "", "Person", "{}").await;
    let path = format!("/classes/Person/{id}");
    let pointer = |class: &str, id: &str| {
        format!(r#"{{"__type":"Pointer","className":"{class}","objectId":"{id}"}}"#)
    };
    let add = format!(
        r#"{{"friends":{{"__op":"AddRelation","objects":[{}]}}}}"#,
        pointer("City", &city)
    );
    let related = format!(
        r#"{{"_method":"GET","where":{{"$relatedTo":{{"object":{},"key":"friends"}}}}}}"#,
        pointer("Person", &id)
    );
    let remove = format!(
        r#"{{"friends":{{"__op":"RemoveRelation","objects":[{}]}}}}"#,
        pointer("City", &city)
    );
    check(
        &world,
        &[
            ("", "PUT", &path, &add, 200, &["updatedAt"]),
            (
                "",
                "GET",
                &path,
                "",
                200,
                &[r#""friends":{"__type":"Relation","className":"City"}"#],
            ),
            ("", "POST", "/classes/City", &related, 200, &["Oslo"]),
            ("", "PUT", &path, &remove, 200, &[]),
            (
                "",
                "POST",
                "/classes/City",
                &related,
                200,
                &["{\"results\":[]}"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn custom_ids_where_they_are_allowed() {
    let world = world_with(|s| s.data.allow_custom_ids = true).await;
    check(
        &world,
        &[
            (
                "",
                "POST",
                "/classes/Thing",
                r#"{"objectId":"my id"}"#,
                201,
                &["\"objectId\":\"my id\""],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                r#"{"objectId":"my id"}"#,
                400,
                &["\"code\":137"],
            ),
            ("", "GET", "/classes/Thing/my%20id", "", 200, &["my id"]),
            (
                "",
                "POST",
                "/classes/Thing",
                r#"{"objectId":""}"#,
                400,
                &["\"code\":104"],
            ),
            (
                "",
                "POST",
                "/classes/Thing",
                r#"{"objectId":{"$ne":1}}"#,
                400,
                &["\"code\":107"],
            ),
            (
                "",
                "POST",
                "/users",
                r#"{"objectId":"role:admin","username":"x","password":"y"}"#,
                400,
                &["\"code\":119", "Invalid object ID."],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn installations_are_one_per_client() {
    let world = world().await;
    let body = r#"{"installationId":"ABC","deviceType":"ios","deviceToken":"t1"}"#;
    let first = send(&world, "", "POST", "/installations", body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = r#"{"installationId":"abc","deviceType":"ios","deviceToken":"t2"}"#;
    let second = send(&world, "", "POST", "/classes/_Installation", again).await;
    assert_eq!(second.status, 200, "{}", second.text);
    assert_eq!(first.text_at("/objectId"), second.text_at("/objectId"));
    check(
        &world,
        &[
            ("", "POST", "/installations", "{}", 400, &["\"code\":135"]),
            (
                "",
                "POST",
                "/installations",
                r#"{"installationId":"n"}"#,
                400,
                &["deviceType must be"],
            ),
            (
                "",
                "POST",
                "/installations",
                r#"{"installationId":{"$ne":1}}"#,
                400,
                &["\"code\":107"],
            ),
            ("", "GET", "/installations", "", 400, &["\"code\":119"]),
            (
                "master",
                "GET",
                "/installations?count=1",
                "",
                200,
                &["\"count\":1", "t2"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_installations_id_gives_no_rights_to_it() {
    let world = world().await;
    let own =
        r#"{"installationId":"own","deviceType":"ios","ACL":{"u1":{"read":true,"write":true}}}"#;
    let made = send(&world, "master", "POST", "/installations", own).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let change = r#"{"installationId":"own","deviceType":"ios","channels":["x"]}"#;
    for (who, status) in [("", 404), ("read-only", 400), ("master", 200)] {
        let answer = send(&world, who, "POST", "/installations", change).await;
        assert_eq!(answer.status, status, "{who}: {}", answer.text);
    }
}

#[tokio::test]
async fn installations_keep_their_id_and_tokens_move_on() {
    let world = world().await;
    let body = r#"{"installationId":"ABC","deviceType":"ios","deviceToken":"t2"}"#;
    let first = send(&world, "", "POST", "/installations", body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let path = format!("/installations/{}", first.text_at("/objectId"));
    let moved = r#"{"installationId":"New","deviceType":"ios","deviceToken":"t2"}"#;
    check(
        &world,
        &[
            (
                "master",
                "PUT",
                &path,
                r#"{"installationId":"other"}"#,
                400,
                &[
                    "\"code\":136",
                    "installationId may not be changed in this operation",
                ],
            ),
            (
                "",
                "PUT",
                &path,
                r#"{"deviceType":"android"}"#,
                400,
                &["\"code\":136"],
            ),
            (
                "",
                "PUT",
                &path,
                r#"{"installationId":"ABC","deviceToken":"t3"}"#,
                200,
                &[],
            ),
            ("", "PUT", &path, r#"{"deviceToken":"t2"}"#, 200, &[]),
            // A device token belongs to the installation that named it last.
            ("", "POST", "/installations", moved, 201, &["objectId"]),
            ("master", "GET", &path, "", 404, &["\"code\":101"]),
            (
                "master",
                "GET",
                "/installations?count=1",
                "",
                200,
                &["\"count\":1", "\"installationId\":\"new\""],
            ),
        ],
    )
    .await;
}
