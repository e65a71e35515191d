//! Users, sessions and roles through the front door.

use super::support::{check, send, sign_up, world, world_with};

#[tokio::test]
async fn signing_up_in_and_out() {
    let world = world().await;
    let (id, token) = sign_up(&world, "ada").await;
    let own = format!("/users/{id}");
    let quoted = format!("\"sessionToken\":\"{token}\"");
    check(
        &world,
        &[
            (
                "",
                "POST",
                "/users",
                r#"{"username":"ada","password":"x"}"#,
                400,
                &["\"code\":202", "Account already exists for this username."],
            ),
            (
                "",
                "POST",
                "/users",
                r#"{"password":"x"}"#,
                400,
                &["\"code\":200"],
            ),
            (
                "",
                "POST",
                "/users",
                r#"{"username":"b"}"#,
                400,
                &["\"code\":201"],
            ),
            (
                &token,
                "GET",
                "/users/me",
                "",
                200,
                &[&quoted, "\"username\":\"ada\"", "!password"],
            ),
            (&token, "GET", &own, "", 200, &[&quoted]),
            ("", "GET", "/users/me", "", 400, &["\"code\":209"]),
            (
                "r:wrong",
                "GET",
                "/classes/Thing",
                "",
                400,
                &["\"code\":209"],
            ),
            ("", "GET", &own, "", 404, &["\"code\":101"]),
            ("", "PUT", &own, r#"{"a":1}"#, 400, &["\"code\":206"]),
            (&token, "PUT", &own, r#"{"a":1}"#, 200, &["updatedAt"]),
            (
                "r:wrong",
                "POST",
                "/login",
                r#"{"username":"ada","password":"password-ada"}"#,
                200,
                &["sessionToken", "!password"],
            ),
            (
                "",
                "GET",
                "/login?username=ada&password=password-ada",
                "",
                200,
                &["sessionToken"],
            ),
            (
                "",
                "POST",
                "/login",
                r#"{"username":"ada","password":"wrong"}"#,
                404,
                &["\"code\":101", "Invalid username/password."],
            ),
            (
                "",
                "POST",
                "/login",
                r#"{"username":"nobody","password":"wrong"}"#,
                404,
                &["Invalid username/password."],
            ),
            (
                "",
                "POST",
                "/login",
                r#"{"username":{"$gt":""},"password":"x"}"#,
                404,
                &["Invalid username/password."],
            ),
            (
                "",
                "POST",
                "/login",
                r#"{"username":"ada","password":{"$ne":1}}"#,
                404,
                &["Invalid username/password."],
            ),
            (
                "",
                "POST",
                "/login",
                r#"{"password":"x"}"#,
                400,
                &["username/email is required."],
            ),
            (
                "",
                "POST",
                "/login",
                r#"{"username":"ada"}"#,
                400,
                &["password is required."],
            ),
            (
                "",
                "GET",
                "/verifyPassword?username=ada&password=password-ada",
                "",
                200,
                &["\"username\":\"ada\"", "!sessionToken"],
            ),
            (&token, "POST", "/logout", "{}", 200, &["{}"]),
            (&token, "GET", "/users/me", "", 400, &["\"code\":209"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn sessions_belong_to_their_users() {
    let world = world().await;
    let (id, token) = sign_up(&world, "ada").await;
    let (_, other) = sign_up(&world, "bob").await;
    let me = send(&world, &token, "GET", "/sessions/me", "").await;
    assert_eq!(
        (me.status, me.text_at("/sessionToken")),
        (200, token.clone())
    );
    let session = format!("/sessions/{}", me.text_at("/objectId"));
    let user = format!(r#""objectId":"{id}""#);
    let body = format!(r#"{{"userId":"{id}"}}"#);
    check(
        &world,
        &[
            (
                "",
                "GET",
                "/sessions/me",
                "",
                400,
                &["Session token required."],
            ),
            ("", "GET", "/sessions", "", 400, &["\"code\":209"]),
            (&token, "GET", "/sessions", "", 200, &[&user]),
            (&other, "GET", "/sessions", "", 200, &["!ada"]),
            (&other, "GET", &session, "", 404, &["\"code\":101"]),
            (&other, "DELETE", &session, "", 404, &["\"code\":101"]),
            (
                &other,
                "PUT",
                &session,
                r#"{"foo":"bar"}"#,
                404,
                &["\"code\":101", "Object not found."],
            ),
            (
                &token,
                "PUT",
                &session,
                r#"{"sessionToken":"r:mine"}"#,
                400,
                &["\"code\":105"],
            ),
            (
                &token,
                "PUT",
                &session,
                r#"{"expiresAt":{"__type":"Date","iso":"2100-01-01"}}"#,
                400,
                &["\"code\":105"],
            ),
            (
                &token,
                "POST",
                "/sessions",
                r#"{"sessionToken":"r:mine"}"#,
                400,
                &["\"code\":105"],
            ),
            (
                &token,
                "POST",
                "/sessions",
                "{}",
                201,
                &["\"sessionToken\":\"r:"],
            ),
            (
                &token,
                "POST",
                "/upgradeToRevocableSession",
                "{}",
                200,
                &["\"sessionToken\":\"r:"],
            ),
            (
                "",
                "POST",
                "/upgradeToRevocableSession",
                "{}",
                404,
                &["\"code\":101"],
            ),
            ("", "POST", "/loginAs", &body, 400, &["\"code\":119"]),
            (
                "read-only",
                "POST",
                "/loginAs",
                &body,
                400,
                &["\"code\":119"],
            ),
            (
                "master",
                "POST",
                "/loginAs",
                &body,
                200,
                &["sessionToken", &user],
            ),
            ("master", "POST", "/loginAs", "{}", 400, &["\"code\":162"]),
            (
                "master",
                "POST",
                "/loginAs",
                r#"{"userId":{"$ne":1}}"#,
                400,
                &["\"code\":107"],
            ),
            (
                "master",
                "POST",
                "/loginAs",
                r#"{"userId":"nobody"}"#,
                404,
                &["user not found"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn refusals_of_users_tell_no_details_where_that_is_asked() {
    let world = world_with(|s| {
        s.options.sanitize_refusals = true;
        s.data.sanitize_refusals = true;
    })
    .await;
    let (id, token) = sign_up(&world, "ada").await;
    let (_, other) = sign_up(&world, "bob").await;
    let path = format!("/users/{id}");
    let refused = |code: &'static str| [code, "\"error\":\"Permission denied\""];
    let (missing, forbidden) = (refused("\"code\":206"), refused("\"code\":119"));
    let login_as = format!(r#"{{"userId":"{id}"}}"#);
    let verified = r#"{"emailVerified":true}"#;
    check(
        &world,
        &[
            ("", "PUT", &path, r#"{"a":1}"#, 400, &missing),
            (&other, "PUT", &path, r#"{"a":1}"#, 400, &missing),
            (&other, "DELETE", &path, "", 400, &missing),
            (&token, "PUT", &path, verified, 400, &forbidden),
            ("", "POST", "/loginAs", &login_as, 400, &forbidden),
            ("", "DELETE", "/installations/x", "", 400, &forbidden),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_expired_session_shows_itself_and_opens_nothing() {
    let world = world().await;
    let (_, token) = sign_up(&world, "ada").await;
    let me = send(&world, &token, "GET", "/sessions/me", "").await;
    let session = format!("/sessions/{}", me.text_at("/objectId"));
    let past = r#"{"expiresAt":{"__type":"Date","iso":"2015-01-01T00:00:00.000Z"}}"#;
    let quoted = format!("\"sessionToken\":\"{token}\"");
    check(
        &world,
        &[
            ("master", "PUT", &session, past, 200, &[]),
            (&token, "GET", "/users/me", "", 400, &["\"code\":209"]),
            (&token, "GET", "/sessions", "", 400, &["\"code\":209"]),
            (
                &token,
                "GET",
                "/sessions/me",
                "",
                200,
                &["2015-01-01", &quoted],
            ),
            ("r:no", "GET", "/sessions/me", "", 400, &["\"code\":209"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn anonymous_users_convert_and_are_locked_out() {
    let world = world().await;
    let body = r#"{"authData":{"anonymous":{"id":"one"}}}"#;
    let first = send(&world, "", "POST", "/users", body).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let (path, token) = (
        format!("/users/{}", first.text_at("/objectId")),
        first.text_at("/sessionToken"),
    );
    let named = r#"{"authData":{"anonymous":null},"username":"ada","password":"p"}"#;
    check(
        &world,
        &[
            ("", "POST", "/users", body, 200, &["sessionToken"]),
            // What is left of the sign-in data is told, as clients keep what they sent.
            (&token, "PUT", &path, named, 200, &["\"authData\":{}"]),
            ("", "POST", "/users", body, 201, &["sessionToken"]),
        ],
    )
    .await;
    let other = r#"{"authData":{"anonymous":{"id":"two"}}}"#;
    let second = send(&world, "", "POST", "/users", other).await;
    let path = format!("/users/{}", second.text_at("/objectId"));
    check(
        &world,
        &[
            ("master", "PUT", &path, r#"{"ACL":{}}"#, 200, &[]),
            (
                "",
                "POST",
                "/users",
                other,
                400,
                &["\"code\":208", "!sessionToken"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn roles_let_their_members_in() {
    let world = world().await;
    let (id, token) = sign_up(&world, "ada").await;
    let role = format!(
        r#"{{"name":"Admins","ACL":{{"*":{{"read":true}}}},"users":{{"__op":"AddRelation","objects":[
           {{"__type":"Pointer","className":"_User","objectId":"{id}"}}]}}}}"#
    );
    let thing = r#"{"a":1,"ACL":{"role:Admins":{"read":true}}}"#;
    let fake = r#"{"a":1,"ACL":{"role:Nobody":{"read":true}}}"#;
    check(
        &world,
        &[
            ("master", "POST", "/roles", &role, 201, &["objectId"]),
            ("master", "POST", "/roles", &role, 400, &["\"code\":137"]),
            ("master", "POST", "/classes/Secret", thing, 201, &[]),
            ("master", "POST", "/classes/Secret", fake, 201, &[]),
            (
                &token,
                "GET",
                "/classes/Secret?count=1",
                "",
                200,
                &["\"count\":1", "role:Admins"],
            ),
            ("", "GET", "/classes/Secret", "", 200, &["{\"results\":[]}"]),
            ("", "GET", "/classes/_Hooks", "", 400, &["\"code\":119"]),
            (
                "",
                "GET",
                "/classes/_GlobalConfig",
                "",
                400,
                &["\"code\":119"],
            ),
            (
                "",
                "GET",
                "/classes/_Idempotency",
                "",
                400,
                &["\"code\":119"],
            ),
        ],
    )
    .await;
}
