//! Live queries through sockets.

use crate::server::{start, start_with};
use crate::socket::{Socket, create, master, sign_up, update};
use basalt_server::config::Mode;
use futures_util::SinkExt;
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

async fn server() -> crate::server::Server {
    start(Mode::Development, |_| {}).await
}

#[tokio::test]
async fn what_a_query_means_is_told_in_order() {
    let server = server().await;
    let mut socket = Socket::connect(&server, json!({ "installationId": "i1" })).await;
    socket.subscribe(1, "A", json!({ "n": { "$gt": 1 } })).await;
    socket.subscribe(2, "A", json!({})).await;
    let id = create(&server, "A", json!({ "n": 1 })).await;
    socket.expect(&[(2, "create", 1)]).await;
    update(&server, "A", &id, json!({ "n": 2 })).await;
    let mut pair = [socket.hear().await.unwrap(), socket.hear().await.unwrap()];
    pair.sort_by_key(|event| event["requestId"].as_i64());
    assert_eq!(pair[0]["op"], "enter");
    assert_eq!(pair[0]["original"]["n"], 1);
    assert_eq!(pair[0]["object"]["className"], "A");
    assert_eq!(pair[0]["installationId"], "i1");
    assert_eq!(pair[1]["op"], "update");
    let answer = socket
        .ask(json!({ "op": "unsubscribe", "requestId": 2 }))
        .await;
    assert_eq!(answer["op"], "unsubscribed");
    update(&server, "A", &id, json!({ "n": 0 })).await;
    socket.expect(&[(1, "leave", 0)]).await;
    let query = json!({ "className": "A", "where": { "n": 0 } });
    let answer = socket
        .ask(json!({ "op": "update", "requestId": 1, "query": query }))
        .await;
    assert_eq!(answer["op"], "subscribed");
    master(
        &server,
        Method::DELETE,
        &format!("/classes/A/{id}"),
        Value::Null,
    )
    .await;
    socket.expect(&[(1, "delete", 0)]).await;
    server.stop().await;
}

#[tokio::test]
async fn any_path_will_do_and_a_broken_handshake_will_not() {
    let server = server().await;
    for path in ["/", "/parse", "/parse/", "/1", "/some/where"] {
        let mut socket = Socket::open(&server, path).await;
        let connected = socket
            .ask(json!({ "op": "connect", "applicationId": "main" }))
            .await;
        assert_eq!(connected["op"], "connected", "{path}");
    }
    for headers in [
        vec![("upgrade", "websocket")],
        vec![("upgrade", "websocket"), ("connection", "upgrade")],
        vec![
            ("upgrade", "websocket"),
            ("connection", "upgrade"),
            ("sec-websocket-version", "8"),
            ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ],
    ] {
        let answer = server.send(Method::GET, "/parse", &headers, "").await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    server.stop().await;
}

#[tokio::test]
async fn messages_of_another_form_are_errors() {
    let server = server().await;
    let mut socket = Socket::open(&server, "/parse").await;
    let query = json!({ "className": "A", "where": {} });
    let table = [
        (
            json!({ "op": "subscribe", "requestId": 1, "query": query }),
            2,
        ),
        (
            json!({ "op": "connect", "applicationId": "main", "more": 1 }),
            1,
        ),
        (json!({ "op": "shout" }), 3),
        (json!([]), 1),
    ];
    for (message, code) in table {
        let error = socket.ask(message).await;
        assert_eq!(error["op"], "error");
        assert_eq!(error["code"], code, "{error}");
        assert_eq!(error["reconnect"], true, "{error}");
    }
    let connect = json!({ "op": "connect", "applicationId": "main" });
    assert_eq!(socket.ask(connect).await["op"], "connected");
    let answer = socket
        .ask(json!({ "op": "unsubscribe", "requestId": 9 }))
        .await;
    assert_eq!(
        (&answer["code"], &answer["requestId"]),
        (&json!(2), &json!(9))
    );
    for (filter, name) in [
        (
            json!({ "p": { "$inQuery": { "className": "B", "where": {} } } }),
            "$inQuery",
        ),
        (
            json!({ "p": { "$notInQuery": { "className": "B", "where": {} } } }),
            "$notInQuery",
        ),
        (
            json!({ "$or": [{ "p": { "$select": { "key": "k", "query": { "className": "B", "where": {} } } } }] }),
            "$select",
        ),
        (
            json!({ "$relatedTo": { "object": { "__type": "Pointer", "className": "B", "objectId": "x" }, "key": "k" } }),
            "$relatedTo",
        ),
        (
            json!({ "p": { "$text": { "$search": { "$term": "x" } } } }),
            "$text",
        ),
    ] {
        let query = json!({ "className": "A", "where": filter });
        let error = socket
            .ask(json!({ "op": "subscribe", "requestId": 1, "query": query }))
            .await;
        assert_eq!(error["code"], 102, "{error}");
        assert!(error["error"].as_str().unwrap().contains(name), "{error}");
    }
    server.stop().await;
}

/// A server whose live clients have the master's rights with its key.
async fn server_for_masters() -> crate::server::Server {
    start(Mode::Development, |settings| {
        let pairs = json!({ "keyPairs": { "masterKey": crate::server::MASTER } });
        let parse = &mut settings.apps[0].parse;
        parse.insert("liveQueryServerOptions".to_owned(), pairs);
    })
    .await
}

#[tokio::test]
async fn the_master_key_gives_rights_where_the_options_say_so() {
    for (server, sees) in [(server().await, false), (server_for_masters().await, true)] {
        let master = json!({ "masterKey": crate::server::MASTER });
        let mut socket = Socket::connect(&server, master).await;
        socket.subscribe(1, "A", json!({})).await;
        create(&server, "A", json!({ "n": 1, "ACL": {} })).await;
        create(&server, "A", json!({ "n": 2 })).await;
        if sees {
            socket.expect(&[(1, "create", 1)]).await;
        }
        socket.expect(&[(1, "create", 2)]).await;
        drop(socket);
        server.stop().await;
    }
}

#[tokio::test]
async fn keys_are_those_of_rest() {
    let server = start(Mode::Development, |settings| {
        settings.apps[0].javascript_key = Some(basalt_base::Secret::new("js"));
        settings.apps[0].rest_key = Some(basalt_base::Secret::new("rest"));
    })
    .await;
    for (keys, fine) in [
        (json!({ "javascriptKey": "js" }), true),
        (json!({ "restAPIKey": "rest" }), true),
        (json!({ "masterKey": crate::server::MASTER }), true),
        (json!({}), false),
        (json!({ "javascriptKey": "rest" }), false),
        (json!({ "masterKey": "js" }), false),
        (
            json!({ "applicationId": "other", "javascriptKey": "js" }),
            false,
        ),
    ] {
        let mut socket = Socket::open(&server, "/parse").await;
        let mut connect = json!({ "op": "connect", "applicationId": "main" });
        for (key, value) in keys.as_object().unwrap() {
            connect[key] = value.clone();
        }
        let answer = socket.ask(connect).await;
        if fine {
            assert_eq!(answer["op"], "connected", "{keys}");
        } else {
            assert_eq!(answer["code"], 4, "{keys}");
            assert_eq!(socket.closed().await, 1008);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a03_an_ended_session_is_told_nothing() {
    let server = server().await;
    let (id, token) = sign_up(&server, "ann").await;
    let own = json!({ &*id: { "read": true } });
    let mut socket = Socket::connect(&server, json!({ "sessionToken": token })).await;
    socket.subscribe(1, "P", json!({})).await;
    create(&server, "P", json!({ "n": 1, "ACL": own })).await;
    socket.expect(&[(1, "create", 1)]).await;
    let headers = [
        ("x-parse-application-id", "main"),
        ("x-parse-session-token", &*token),
    ];
    let out = server
        .send(Method::POST, "/parse/logout", &headers, "{}")
        .await;
    assert_eq!(out.status, 200);
    create(&server, "P", json!({ "n": 2, "ACL": own })).await;
    let ended = socket.hear().await.unwrap();
    assert_eq!(
        (&ended["code"], &ended["requestId"]),
        (&json!(209), &json!(1))
    );
    let session = socket.hear().await.unwrap();
    assert_eq!(session["code"], 209, "{session}");
    assert_eq!(socket.closed().await, 1008);
    // It may come back, and gets nothing.
    let mut socket = Socket::connect(&server, json!({ "sessionToken": token })).await;
    let query = json!({ "className": "P", "where": {} });
    let ask = json!({ "op": "subscribe", "requestId": 1, "query": query });
    assert_eq!(socket.ask(ask).await["code"], 209);
    server.stop().await;
}

#[tokio::test]
async fn a_client_goes_on_where_it_was() {
    let server = server().await;
    let mut socket = Socket::connect(&server, json!({})).await;
    let ask = |position: &Value| {
        let query = json!({ "className": "R", "where": { "n": { "$lt": 100 } } });
        json!({ "op": "subscribe", "requestId": 1, "query": query, "position": position })
    };
    let subscribed = socket.ask(ask(&json!("now"))).await;
    assert_eq!(subscribed["op"], "subscribed");
    let id = create(&server, "R", json!({ "n": 1 })).await;
    let event = socket.hear().await.unwrap();
    assert_eq!(event["op"], "create");
    drop(socket);
    update(&server, "R", &id, json!({ "n": 2 })).await;
    update(&server, "R", &id, json!({ "n": 200 })).await;
    update(&server, "R", &id, json!({ "n": 3 })).await;
    let mut socket = Socket::connect(&server, json!({})).await;
    let resumed = socket.ask(ask(&event["position"])).await;
    assert_eq!(resumed["op"], "subscribed");
    update(&server, "R", &id, json!({ "n": 4 })).await;
    socket
        .expect(&[
            (1, "update", 2),
            (1, "leave", 200),
            (1, "enter", 3),
            (1, "update", 4),
        ])
        .await;
    // Of other data, or of a time that has not come.
    for position in [
        "1-1",
        "nonsense",
        &format!("{}f", subscribed["position"].as_str().unwrap()),
    ] {
        let mut socket = Socket::connect(&server, json!({})).await;
        assert_eq!(socket.ask(ask(&json!(position))).await["op"], "subscribed");
        assert_eq!(socket.hear().await.unwrap()["op"], "resync", "{position}");
        update(&server, "R", &id, json!({ "n": 5 })).await;
        socket.expect(&[(1, "update", 5)]).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye() {
    let server = server().await;
    let mut socket = Socket::connect(&server, json!({})).await;
    socket.subscribe(1, "A", json!({})).await;
    let stopping = server.begin_stop();
    assert_eq!(socket.closed().await, 1001);
    stopping.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_folder_can_be_served_again_after_live_clients() {
    let server = server().await;
    let mut socket = Socket::connect(&server, json!({})).await;
    socket.subscribe(1, "A", json!({})).await;
    create(&server, "A", json!({ "n": 1 })).await;
    let folder = server.stop().await;
    let settings = crate::server::settings(&folder, Mode::Development);
    let server = start_with(settings, folder).await;
    let mut socket = Socket::connect(&server, json!({})).await;
    socket.subscribe(1, "A", json!({})).await;
    create(&server, "A", json!({ "n": 2 })).await;
    socket.expect(&[(1, "create", 2)]).await;
    server.stop().await;
}

#[tokio::test]
async fn e11_one_id_is_one_subscription_and_nothing_is_left_of_a_client() {
    let server = server().await;
    let mut socket = Socket::connect(&server, json!({})).await;
    for n in 0..100 {
        socket.subscribe(1, "A", json!({ "n": n })).await;
    }
    create(&server, "A", json!({ "n": 98 })).await;
    create(&server, "A", json!({ "n": 99 })).await;
    socket.expect(&[(1, "create", 99)]).await;
    let metric = async |name: &str| {
        let page = server.get("/metrics").await.text;
        let line = page.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    assert_eq!(metric("basalt_live_subscriptions").await, "1");
    drop(socket);
    while metric("basalt_live_subscriptions").await != "0"
        || metric("basalt_live_clients").await != "0"
    {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn e18_frames_that_are_too_much_close_the_socket() {
    let server = start(Mode::Development, |settings| {
        settings.limits.live_message_bytes_max = 10_000;
        settings.limits.live_messages_per_second_max = 1;
        settings.limits.live_subscriptions_per_client_max = 10;
    })
    .await;
    // A frame that says it has a GiB.
    let mut huge = vec![0x81, 0xff];
    huge.extend_from_slice(&(1_u64 << 30).to_be_bytes());
    huge.extend_from_slice(&[0; 4]);
    // Frames without end that make no message.
    let mut empty = vec![0x01, 0x80, 0, 0, 0, 0];
    for _ in 0..100_000 {
        empty.extend_from_slice(&[0x00, 0x80, 0, 0, 0, 0]);
    }
    let ping = [0x89_u8, 0x80, 0, 0, 0, 0].repeat(1_000);
    let unmasked = vec![0x81, 0x02, b'{', b'}'];
    let compressed = vec![0xc1, 0x82, 0, 0, 0, 0, 1, 2];
    for (bytes, code) in [
        (huge, 1009),
        (empty, 1008),
        (ping, 1008),
        (unmasked, 1002),
        (compressed, 1002),
    ] {
        let socket = Socket::connect(&server, json!({})).await;
        let mut tcp = socket.stream.into_inner();
        // The server may hang up before all is written.
        let _ = tcp.write_all(&bytes).await;
        let mut answer = Vec::new();
        let _ = tcp.read_to_end(&mut answer).await;
        // Pongs, or nothing, then the reason.
        let code = u16::to_be_bytes(code);
        let found = answer.windows(4).any(|w| w[0] == 0x88 && w[2..] == code);
        assert!(found || answer.is_empty(), "{code:?}: {}", answer.len());
    }
    let mut socket = Socket::connect(&server, json!({})).await;
    let long = "x".repeat(20_000);
    let _ = socket.stream.send(Message::Text(long.into())).await;
    assert_eq!(socket.closed().await, 1009);
    let mut socket = Socket::connect(&server, json!({})).await;
    for id in 0..10 {
        socket.subscribe(id, "A", json!({})).await;
    }
    let query = json!({ "className": "A", "where": {} });
    let ask = json!({ "op": "subscribe", "requestId": 11, "query": query });
    assert_eq!(socket.ask(ask).await["code"], 140);
    // The others go on.
    create(&server, "A", json!({ "n": 1 })).await;
    assert_eq!(socket.hear().await.unwrap()["op"], "create");
    server.stop().await;
}

#[tokio::test]
async fn k31_a_crowd_that_comes_at_once_is_served() {
    let server = server().await;
    let come = async || {
        let mut socket = Socket::connect(&server, json!({})).await;
        socket.subscribe(1, "A", json!({})).await;
        socket
    };
    let crowd = (0..200).map(|_| come());
    let mut sockets = futures_util::future::join_all(crowd).await;
    create(&server, "A", json!({ "n": 7 })).await;
    for socket in &mut sockets {
        socket.expect(&[(1, "create", 7)]).await;
    }
    drop(sockets);
    server.stop().await;
}

#[tokio::test]
async fn a02_tokens_and_secrets_of_users_are_in_no_event() {
    let server = server_for_masters().await;
    let master = json!({ "masterKey": crate::server::MASTER });
    let mut all = Socket::connect(&server, master).await;
    all.subscribe(1, "_User", json!({})).await;
    all.subscribe(2, "_Session", json!({})).await;
    let (_, token) = sign_up(&server, "ann").await;
    let events = [all.hear().await.unwrap(), all.hear().await.unwrap()];
    for event in events {
        let text = event.to_string();
        assert_eq!(event["op"], "create", "{text}");
        assert!(
            !text.contains(&token) && !text.contains("sessionToken"),
            "{text}"
        );
        assert!(
            !text.contains("_hashed_password") && !text.contains("argon2"),
            "{text}"
        );
    }
    server.stop().await;
}
