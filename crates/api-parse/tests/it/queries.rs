//! Queries through the front door: the operators' own tests are the engine's.

use super::support::{World, encoded, make, send, world};

async fn names(world: &World, filter: &str, rest: &str) -> String {
    let target = format!("/classes/Thing?where={}{rest}", encoded(filter));
    let answer = send(world, "", "GET", &target, "").await;
    assert_eq!(answer.status, 200, "{filter}: {}", answer.text);
    let json = answer.json();
    let results = json["results"].as_array().unwrap();
    results
        .iter()
        .map(|o| o["name"].as_str().unwrap())
        .collect()
}

async fn filled() -> World {
    let world = world().await;
    for body in [
        r#"{"name":"a","n":1,"tags":["x","y"],"o":{"k":1},"at":{"__type":"GeoPoint","latitude":0,"longitude":0}}"#,
        r#"{"name":"b","n":2,"tags":["y"],"o":{"k":2},"at":{"__type":"GeoPoint","latitude":10,"longitude":179}}"#,
        r#"{"name":"c","n":3.5,"tags":[],"at":{"__type":"GeoPoint","latitude":10,"longitude":-179}}"#,
        r#"{"name":"d","n":null}"#,
        r#"{"name":"e"}"#,
    ] {
        make(&world, "", "Thing", body).await;
    }
    world
}

#[tokio::test]
async fn operators_find_what_they_should() {
    let world = filled().await;
    let table = [
        ("{}", "abcde"),
        (r#"{"n":1}"#, "a"),
        (r#"{"n":1.0}"#, "a"),
        (r#"{"n":{"$gt":1,"$lte":3.5}}"#, "bc"),
        (r#"{"n":{"$ne":1}}"#, "bcde"),
        (r#"{"n":null}"#, "de"),
        (r#"{"n":{"$exists":true}}"#, "abcd"),
        (r#"{"n":{"$in":[1,3.5]}}"#, "ac"),
        (r#"{"n":{"$nin":[1,3.5]}}"#, "bde"),
        (r#"{"n":{"$not":{"$gt":1}}}"#, "ade"),
        (r#"{"tags":"y"}"#, "ab"),
        (r#"{"tags":{"$all":["x","y"]}}"#, "a"),
        (r#"{"tags":{"$all":[{"$regex":"^\\Qx\\E"}]}}"#, "a"),
        (r#"{"tags":{"$containedBy":["y","z"]}}"#, "bc"),
        (r#"{"o.k":{"$in":[2]}}"#, "b"),
        (r#"{"o":{"k":1}}"#, "a"),
        (r#"{"name":{"$regex":"^[AB]$","$options":"i"}}"#, "ab"),
        (r#"{"$or":[{"n":1},{"name":"e"}]}"#, "ae"),
        (r#"{"$nor":[{"n":1},{"name":"e"}]}"#, "bcd"),
        (r#"{"$and":[{"tags":"y"},{"n":2}]}"#, "b"),
        (r#"{"createdAt":{"$lte":{"$relativeTime":"now"}}}"#, "abcde"),
        (r#"{"createdAt":{"$lt":"2001-01-01T00:00:00.000Z"}}"#, ""),
        (
            r#"{"at":{"$nearSphere":[179,10],"$maxDistance":0.5}}"#,
            "bc",
        ),
        (r#"{"at":{"$within":{"$box":[[170,0],[-170,20]]}}}"#, "bc"),
        (
            r#"{"at":{"$geoWithin":{"$centerSphere":[[0,0],0.1]}}}"#,
            "a",
        ),
        (
            r#"{"name":{"$inQuery":{"className":"Thing","where":{}}}}"#,
            "",
        ),
        (
            r#"{"name":{"$select":{"key":"name","query":{"className":"Thing","where":{"n":2}}}}}"#,
            "b",
        ),
        (
            r#"{"name":{"$dontSelect":{"key":"name","query":{"className":"Thing","where":{"n":2}}}}}"#,
            "acde",
        ),
    ];
    for (filter, expected) in table {
        assert_eq!(names(&world, filter, "").await, expected, "{filter}");
    }
}

#[tokio::test]
async fn order_paging_and_counts() {
    let world = filled().await;
    assert_eq!(
        names(&world, r#"{"n":{"$gt":0}}"#, "&order=-n").await,
        "cba"
    );
    assert_eq!(
        names(&world, "{}", "&order=name&skip=1&limit=2").await,
        "bc"
    );
    let near = r#"{"at":{"$nearSphere":[-179,10]}}"#;
    assert_eq!(names(&world, near, "").await, "cba");
    assert_eq!(names(&world, near, "&order=name").await, "abc");
    let count = send(&world, "", "GET", "/classes/Thing?count=1&limit=0", "").await;
    assert_eq!(count.text, r#"{"results":[],"count":5}"#);
}

#[tokio::test]
async fn refused_queries_leave_in_their_own_words() {
    let world = filled().await;
    let table = [
        (r#"{"a":{"$text":{"$search":{"$term":"x"}}}}"#, 102, "$text"),
        (r#"{"a":{"$foo":1}}"#, 107, "bad constraint: $foo"),
        (
            r#"{"_hashed_password":{"$regex":"^a"}}"#,
            105,
            "Invalid key name",
        ),
        (r#"{"name":{"$regex":"("}}"#, 102, ""),
        (r#"{"name":{"$regex":"(a+)+$"}}"#, 0, ""),
    ];
    for (filter, code, part) in table {
        let target = format!("/classes/Thing?where={}", encoded(filter));
        let answer = send(&world, "", "GET", &target, "").await;
        let found = answer.json()["code"].as_i64().unwrap_or(0);
        assert_eq!(found, code, "{filter} {}", answer.text);
        assert!(answer.text.contains(part), "{filter} {}", answer.text);
        let lower = answer.text.to_lowercase();
        assert!(
            !lower.contains("sqlite") && !lower.contains("select"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn aggregates_need_the_master_key() {
    let world = filled().await;
    let group =
        encoded(r#"[{"$match":{"n":{"$gt":0}}},{"$group":{"_id":null,"sum":{"$sum":"$n"}}}]"#);
    let target = format!("/aggregate/Thing?pipeline={group}");
    assert_eq!(send(&world, "", "GET", &target, "").await.status, 403);
    let answer = send(&world, "master", "GET", &target, "").await;
    assert_eq!(answer.text, r#"{"results":[{"objectId":null,"sum":6.5}]}"#);
    let answer = send(
        &world,
        "master",
        "GET",
        "/aggregate/Thing?distinct=tags",
        "",
    )
    .await;
    assert_eq!(answer.text, r#"{"results":["x","y"]}"#);
    let bad = encoded(r#"{"$teleport":1}"#);
    let answer = send(
        &world,
        "master",
        "GET",
        &format!("/aggregate/Thing?pipeline={bad}"),
        "",
    )
    .await;
    assert_eq!(
        answer.json()["error"],
        "Invalid aggregate stage '$teleport'."
    );
}

#[tokio::test]
async fn ids_of_what_a_list_refers_to_can_be_compared() {
    let world = world().await;
    let a = make(&world, "", "Target", "{}").await;
    let b = make(&world, "", "Target", "{}").await;
    let pointer =
        |id: &str| format!(r#"{{"__type":"Pointer","className":"Target","objectId":"{id}"}}"#);
    let list = |list: &str, n: u32| format!(r#"{{"n":{n},"list":[{list}],"o":{{"l":[{list}]}}}}"#);
    for (n, items) in [
        (1, pointer(&a)),
        (2, pointer(&b)),
        (3, format!(r#"{{"objectId":"{a}"}}"#)),
        (4, String::new()),
    ] {
        make(&world, "", "Holder", &list(&items, n)).await;
    }
    for (filter, found) in [
        (format!(r#"{{"list.objectId":"{a}"}}"#), "1,3"),
        (format!(r#"{{"o.l.objectId":"{b}"}}"#), "2"),
        (
            format!(r#"{{"list.objectId":{{"$in":["{a}","{b}"]}}}}"#),
            "1,2,3",
        ),
        (format!(r#"{{"list.objectId":{{"$ne":"{a}"}}}}"#), "2,4"),
        (
            format!(r#"{{"list.objectId":{{"$nin":["{a}","{b}"]}}}}"#),
            "4",
        ),
        (r#"{"list.objectId":"none"}"#.to_owned(), ""),
    ] {
        let target = format!("/classes/Holder?order=n&where={}", encoded(&filter));
        let answer = send(&world, "", "GET", &target, "").await;
        let json = answer.json();
        let numbers = json["results"].as_array().unwrap().iter();
        let numbers: Vec<String> = numbers.map(|o| o["n"].to_string()).collect();
        assert_eq!(numbers.join(","), found, "{filter} {}", answer.text);
    }
}
