//! Live queries on several nodes.

use crate::cluster::{Two, no_bus, one_bus, over_nats, over_postgres, two};
use crate::nats::Nats;
use crate::socket::{Socket, create, sign_up, update};
use http::Method;
use serde_json::json;

/// A client of each node is told of the writes of both, once and in order.
async fn told(two: &Two) {
    let mut on_a = Socket::connect(&two.a, json!({})).await;
    let mut on_b = Socket::connect(&two.b, json!({})).await;
    on_a.subscribe(1, "N", json!({})).await;
    on_b.subscribe(1, "N", json!({})).await;
    let mut expected = vec![(1, "create", 0)];
    let id = create(&two.a, "N", json!({ "n": 0 })).await;
    for n in 1..20 {
        let node = if n % 2 == 0 { &two.a } else { &two.b };
        update(node, "N", &id, json!({ "n": n })).await;
        expected.push((1, "update", n));
    }
    on_a.expect(&expected).await;
    on_b.expect(&expected).await;
}

/// Logging out on one node ends what the session had on the other.
async fn revoked(two: &Two) {
    let (id, token) = sign_up(&two.a, "ann").await;
    let mut socket = Socket::connect(&two.b, json!({ "sessionToken": token })).await;
    socket.subscribe(1, "S", json!({})).await;
    let own = json!({ &*id: { "read": true } });
    create(&two.a, "S", json!({ "n": 1, "ACL": own })).await;
    socket.expect(&[(1, "create", 1)]).await;
    let headers = [
        ("x-parse-application-id", "main"),
        ("x-parse-session-token", &*token),
    ];
    let out = two
        .a
        .send(Method::POST, "/parse/logout", &headers, "{}")
        .await;
    assert_eq!(out.status, 200);
    create(&two.a, "S", json!({ "n": 2, "ACL": own })).await;
    assert_eq!(socket.hear().await.unwrap()["code"], 209);
    assert_eq!(socket.hear().await.unwrap()["code"], 209);
    assert_eq!(socket.closed().await, 1008);
}

/// A client goes on at the other node, exactly where it was.
async fn moved(two: &Two) {
    let ask = |position: &serde_json::Value| {
        let query = json!({ "className": "M", "where": {} });
        json!({ "op": "subscribe", "requestId": 1, "query": query, "position": position })
    };
    let mut socket = Socket::connect(&two.a, json!({})).await;
    assert_eq!(socket.ask(ask(&json!("now"))).await["op"], "subscribed");
    let id = create(&two.b, "M", json!({ "n": 1 })).await;
    let event = socket.hear().await.unwrap();
    assert_eq!(event["op"], "create", "{event}");
    drop(socket);
    update(&two.a, "M", &id, json!({ "n": 2 })).await;
    let mut socket = Socket::connect(&two.b, json!({})).await;
    assert_eq!(
        socket.ask(ask(&event["position"])).await["op"],
        "subscribed"
    );
    update(&two.a, "M", &id, json!({ "n": 3 })).await;
    socket.expect(&[(1, "update", 2), (1, "update", 3)]).await;
}

async fn all(two: Two) {
    told(&two).await;
    revoked(&two).await;
    moved(&two).await;
    two.stop().await;
}

#[tokio::test]
async fn clients_of_all_nodes_are_told_over_the_bus() {
    all(two(one_bus(), |_| {}).await).await;
}

#[tokio::test]
async fn clients_of_all_nodes_are_told_without_a_bus() {
    all(two(no_bus(), |_| {}).await).await;
}

#[tokio::test]
async fn clients_of_all_nodes_are_told_on_postgres() {
    if let Some(two) = over_postgres(no_bus()).await {
        all(two).await;
    }
}

#[tokio::test]
async fn nothing_is_missed_while_nats_is_dead() {
    let Some(nats) = Nats::start(None) else {
        return;
    };
    let buses = over_nats(&nats).await;
    let Some(two) = over_postgres(buses).await else {
        return;
    };
    told(&two).await;
    let mut socket = Socket::connect(&two.b, json!({})).await;
    socket.subscribe(1, "D", json!({})).await;
    let id = create(&two.a, "D", json!({ "n": 0 })).await;
    drop(nats);
    for n in 1..10 {
        update(&two.a, "D", &id, json!({ "n": n })).await;
    }
    let mut expected = vec![(1, "create", 0)];
    expected.extend((1..10).map(|n| (1, "update", n)));
    socket.expect(&expected).await;
    two.stop().await;
}
