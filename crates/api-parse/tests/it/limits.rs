//! What one request may ask, through the front door: each refusal comes before the work.

use super::support::{APP, LOCAL, MASTER, check, encoded, make, raw, send, world, world_with};

/// `o` and then this many steps below it.
fn steps(count: usize) -> String {
    format!("o{}", ".a".repeat(count))
}

#[tokio::test]
async fn keys_of_a_write_nest_no_deeper_than_values() {
    let world = world().await;
    let id = make(&world, "", "Thing", "{}").await;
    let ops = [
        r#"{"__op":"Add","objects":[]}"#,
        r#"{"__op":"AddUnique","objects":[1]}"#,
        r#"{"__op":"Remove","objects":[]}"#,
        r#"{"__op":"Increment","amount":1}"#,
        r#"{"__op":"SetOnInsert","amount":1}"#,
        r#"{"__op":"Delete"}"#,
        "1",
    ];
    let target = format!("/classes/Thing/{id}");
    for op in ops {
        for count in [101, 600, 500_000] {
            let body = format!(r#"{{"{}":{op}}}"#, steps(count));
            let refusal: &[&str] = &[r#""code":107"#, "nested more than 100 levels"];
            check(
                &world,
                &[
                    ("", "POST", "/classes/Thing", &body, 400, refusal),
                    ("", "PUT", &target, &body, 400, refusal),
                    ("master", "PUT", &target, &body, 400, refusal),
                ],
            )
            .await;
        }
        let body = format!(r#"{{"{}":{op}}}"#, steps(90));
        let done = send(&world, "", "PUT", &target, &body).await;
        assert_eq!(done.status, 200, "{op}: {}", done.text);
        check(&world, &[("", "GET", &target, "", 200, &[])]).await;
        check(&world, &[("", "PUT", &target, r#"{"o":{}}"#, 200, &[])]).await;
    }
}

#[tokio::test]
async fn keys_of_a_query_nest_no_deeper_than_values() {
    let world = world().await;
    make(&world, "", "Thing", r#"{"o":{"a":1}}"#).await;
    for count in [101, 200_000] {
        let path = steps(count);
        for body in [
            format!(r#"{{"where":{{"{path}":1}},"_method":"GET"}}"#),
            format!(r#"{{"order":"{path}","_method":"GET"}}"#),
            format!(r#"{{"keys":"{path}","_method":"GET"}}"#),
            format!(r#"{{"excludeKeys":"{path}","_method":"GET"}}"#),
            format!(r#"{{"include":"{path}","_method":"GET"}}"#),
            format!(
                r#"{{"where":{{"p":{{"$select":{{"query":{{"className":"Thing"}},"key":"{path}"}}}}}},"_method":"GET"}}"#
            ),
        ] {
            let answer = send(&world, "", "POST", "/classes/Thing", &body).await;
            assert_eq!(answer.status, 400, "{}", answer.text);
            assert!(answer.text.len() < 1_000, "{}", answer.text);
        }
    }
    let within = encoded(&format!(r#"{{"{}":1}}"#, steps(90)));
    let target = format!("/classes/Thing?where={within}");
    check(&world, &[("", "GET", &target, "", 200, &["results"])]).await;
}

#[tokio::test]
async fn lists_of_names_are_refused_when_they_get_long() {
    let world = world().await;
    make(&world, "", "Thing", "{}").await;
    let names = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("n{n}")).collect();
        names.join(",")
    };
    for (option, most) in [("keys", 1_000), ("excludeKeys", 1_000), ("order", 32)] {
        for (count, status) in [(most, 200), (most + 1, 400), (300_000, 400)] {
            let body = format!(r#"{{"{option}":"{}","_method":"GET"}}"#, names(count));
            let answer = send(&world, "", "POST", "/classes/Thing", &body).await;
            assert_eq!(answer.status, status, "{option} {count}: {}", answer.text);
            if status == 400 {
                let message = format!("{option} has too many");
                assert!(answer.text.contains(&message), "{}", answer.text);
            }
        }
        // The same name again and again is one, but not for ever.
        let body = format!(
            r#"{{"{option}":"{}n","_method":"GET"}}"#,
            "n,".repeat(300_000)
        );
        let answer = send(&world, "", "POST", "/classes/Thing", &body).await;
        assert_eq!(answer.status, 400, "{option}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_acl_has_a_thousand_entries_at_most() {
    let world = world().await;
    let acl = |count: usize| {
        let users: Vec<String> = (0..count)
            .map(|n| format!(r#""u{n}":{{"read":true}}"#))
            .collect();
        format!(
            r#"{{"ACL":{{"*":{{"read":true,"write":true}},{}}}}}"#,
            users.join(",")
        )
    };
    let id = make(&world, "", "Thing", &acl(999)).await;
    let target = format!("/classes/Thing/{id}");
    let (more, many) = (acl(1_000), acl(80_000));
    let refusal: &[&str] = &[r#""code":123"#];
    check(
        &world,
        &[
            ("", "GET", &target, "", 200, &[r#""u998":{"read":true}}"#]),
            ("", "POST", "/classes/Thing", &more, 400, refusal),
            ("", "POST", "/classes/Thing", &many, 400, refusal),
            ("", "PUT", &target, &many, 400, refusal),
        ],
    )
    .await;
}

/// The n-th of many clauses.
type Clause<'a> = &'a dyn Fn(usize) -> String;
/// How many there may be, and what is said of more.
type Most<'a> = (usize, &'a str);

#[tokio::test]
async fn a_query_has_fifty_patterns_and_a_hundred_sub_queries_at_most() {
    let world = world().await;
    make(&world, "", "Thing", r#"{"name":"a1"}"#).await;
    let some = |count: usize, clause: Clause<'_>| {
        let clauses: Vec<String> = (0..count).map(clause).collect();
        format!(
            r#"{{"where":{{"$or":[{}]}},"_method":"GET"}}"#,
            clauses.join(",")
        )
    };
    let pattern = |n: usize| format!(r#"{{"name":{{"$regex":"[a-z]{n}$"}}}}"#);
    let every = |n: usize| format!(r#"{{"name":{{"$all":[{{"$regex":"^x{n}"}}]}}}}"#);
    let query =
        |n: usize| format!(r#"{{"p":{{"$inQuery":{{"className":"Thing","where":{{"n":{n}}}}}}}}}"#);
    let select = |n: usize| {
        format!(
            r#"{{"p":{{"$select":{{"query":{{"className":"Thing","where":{{"n":{n}}}}},"key":"n"}}}}}}"#
        )
    };
    let patterns = (50, "too many regular expressions");
    let queries = (100, "too many sub-queries");
    let table: [(Most<'_>, Clause<'_>); 4] = [
        (patterns, &pattern),
        (patterns, &every),
        (queries, &query),
        (queries, &select),
    ];
    for ((most, message), clause) in table {
        let (most, more) = (some(most, clause), some(most + 1, clause));
        let far_more = some(3_000, clause);
        check(
            &world,
            &[
                ("", "POST", "/classes/Thing", &most, 200, &["results"]),
                ("", "POST", "/classes/Thing", &more, 400, &[message]),
                ("", "POST", "/classes/Thing", &far_more, 400, &[message]),
            ],
        )
        .await;
    }
}

#[tokio::test]
async fn the_read_only_key_claims_no_request_ids_and_both_spellings_of_a_path_do() {
    let world = world_with(|s| s.options.idempotency_paths = vec!["users".to_owned()]).await;
    let ask = async |key: &str, target: &str, name: &str, id: &str| {
        let body = format!(r#"{{"username":"{name}","password":"p"}}"#);
        let headers = [
            ("x-parse-application-id", APP),
            ("x-parse-master-key", key),
            ("x-parse-request-id", id),
        ];
        raw(&world, "POST", target, &headers, body, LOCAL).await
    };
    let refused = ask("read-only-key", "/users", "a", "one").await;
    assert!(refused.status >= 400, "{}", refused.text);
    let made = ask(MASTER, "/classes/_User", "a", "one").await;
    assert_eq!(made.status, 201, "{}", made.text);
    for target in ["/users", "/classes/_User"] {
        let again = ask(MASTER, target, "b", "one").await;
        assert!(again.text.contains("Duplicate request"), "{}", again.text);
    }
}
