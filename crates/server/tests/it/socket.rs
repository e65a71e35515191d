//! A client of live queries, message by message.

use crate::server::{MASTER, Server};
use futures_util::{SinkExt, StreamExt};
use http::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Socket {
    pub stream: WebSocketStream<TcpStream>,
}

impl Socket {
    /// A socket that has not said who it is.
    pub async fn open(server: &Server, path: &str) -> Self {
        let tcp = TcpStream::connect(&server.address).await.unwrap();
        let url = format!("ws://{}{path}", server.address);
        let (stream, answer) = tokio_tungstenite::client_async(url, tcp).await.unwrap();
        assert_eq!(answer.status(), 101);
        Self { stream }
    }

    /// A connected client.
    pub async fn connect(server: &Server, more: Value) -> Self {
        let mut socket = Self::open(server, "/parse").await;
        let mut connect = json!({ "op": "connect", "applicationId": "main" });
        for (key, value) in more.as_object().unwrap() {
            connect[key] = value.clone();
        }
        let connected = socket.ask(connect).await;
        assert_eq!(connected["op"], "connected", "{connected}");
        socket
    }

    pub async fn say(&mut self, message: Value) {
        let text = Message::Text(message.to_string().into());
        self.stream.send(text).await.unwrap();
    }

    /// The next message; `None` when the server closed the socket.
    pub async fn hear(&mut self) -> Option<Value> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match next.expect("a message comes")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub async fn ask(&mut self, message: Value) -> Value {
        self.say(message).await;
        self.hear().await.expect("an answer")
    }

    pub async fn subscribe(&mut self, id: i64, class: &str, filter: Value) -> Value {
        let query = json!({ "className": class, "where": filter });
        let ask = json!({ "op": "subscribe", "requestId": id, "query": query });
        let answer = self.ask(ask).await;
        assert_eq!(answer["op"], "subscribed", "{answer}");
        answer
    }

    /// Expects events: the subscription, the operation, and the number `n` of its object.
    pub async fn expect(&mut self, events: &[(i64, &str, i64)]) {
        for (id, op, n) in events {
            let event = self.hear().await.expect("an event");
            let found = (&event["requestId"], &event["op"], &event["object"]["n"]);
            assert_eq!(found, (&json!(id), &json!(op), &json!(n)), "{event}");
        }
    }

    /// The code with which the server closes the socket.
    pub async fn closed(&mut self) -> u16 {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match next.expect("the socket is closed") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("closed without a word: {other:?}"),
            }
        }
    }
}

/// A request with the master key.
pub async fn master(server: &Server, method: Method, path: &str, body: Value) -> Value {
    let headers = [
        ("x-parse-application-id", "main"),
        ("x-parse-master-key", MASTER),
    ];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let path = format!("/parse{path}");
    let answer = server.send(method, &path, &headers, &body).await;
    assert!(answer.status.is_success(), "{answer:?}");
    answer.json()
}

/// Makes an object; its id.
pub async fn create(server: &Server, class: &str, fields: Value) -> String {
    let path = format!("/classes/{class}");
    let made = master(server, Method::POST, &path, fields).await;
    made["objectId"].as_str().unwrap().to_owned()
}

pub async fn update(server: &Server, class: &str, id: &str, fields: Value) {
    master(
        server,
        Method::PUT,
        &format!("/classes/{class}/{id}"),
        fields,
    )
    .await;
}

/// Signs up; the id and a session token.
pub async fn sign_up(server: &Server, name: &str) -> (String, String) {
    let headers = [("x-parse-application-id", "main")];
    let body = json!({ "username": name, "password": "secret" }).to_string();
    let answer = server
        .send(Method::POST, "/parse/users", &headers, &body)
        .await;
    let user = answer.json();
    let text = |key: &str| {
        user[key]
            .as_str()
            .unwrap_or_else(|| panic!("{user}"))
            .to_owned()
    };
    (text("objectId"), text("sessionToken"))
}
