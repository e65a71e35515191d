//! Two servers on one store: what one does the other knows soon, with a bus, without one, and while
//! the bus dies.

use crate::nats::Nats;
use crate::server::{MASTER, Server, settings, start_over};
use crate::shared::NodeStore;
use basalt_base::{Clock, Secret, SystemClock};
use basalt_bus::{Bus, LocalBus, NatsBus, NatsOptions};
use basalt_server::Over;
use basalt_server::config::{Mode, Settings};
use basalt_store::Store;
use basalt_store_sqlite::{Options, SqliteStore};
use http::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longest wait for what is promised within five seconds; a loaded machine may be late.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Two {
    pub a: Server,
    pub b: Server,
    /// What they share.
    store: Arc<dyn Store>,
    _data: tempfile::TempDir,
}

pub async fn two(buses: [Arc<dyn Bus>; 2], change: impl Fn(&mut Settings)) -> Two {
    let data = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = SqliteStore::open(data.path(), Options::default()).unwrap();
    let node = || Arc::new(NodeStore(Arc::clone(&store))) as Arc<dyn Store>;
    two_over([node(), node()], data, buses, change).await
}

/// Two nodes over one PostgreSQL; `None` where there is none, which fails in CI.
pub async fn over_postgres(buses: [Arc<dyn Bus>; 2]) -> Option<Two> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    #[expect(clippy::disallowed_methods, reason = "it is the script's, no setting")]
    let Ok(url) = std::env::var("BASALT_TEST_POSTGRES_URL") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "BASALT_TEST_POSTGRES_URL is missing"
        );
        eprintln!("skipped: BASALT_TEST_POSTGRES_URL is missing");
        return None;
    };
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let options = basalt_store_postgres::Options {
        schema_prefix: format!("nodes{}_{number}", std::process::id()),
        ..basalt_store_postgres::Options::default()
    };
    let node = async || {
        let store = basalt_store_postgres::PostgresStore::open(&url, options.clone()).await;
        store.unwrap() as Arc<dyn Store>
    };
    let stores = [node().await, node().await];
    let data = tempfile::tempdir().unwrap();
    Some(two_over(stores, data, buses, |_| {}).await)
}

async fn two_over(
    stores: [Arc<dyn Store>; 2],
    data: tempfile::TempDir,
    buses: [Arc<dyn Bus>; 2],
    change: impl Fn(&mut Settings),
) -> Two {
    let mut servers = Vec::new();
    let shared = Arc::clone(&stores[0]);
    for (store, bus) in stores.into_iter().zip(buses) {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(&folder, Mode::Development);
        change(&mut settings);
        servers.push(start_over(settings, folder, Over { store, bus }).await);
    }
    let b = servers.remove(1);
    let a = servers.remove(0);
    Two {
        a,
        b,
        store: shared,
        _data: data,
    }
}

/// Nodes that do not hear each other.
pub fn no_bus() -> [Arc<dyn Bus>; 2] {
    [LocalBus::new(), LocalBus::new()]
}

pub fn one_bus() -> [Arc<dyn Bus>; 2] {
    let bus = LocalBus::new();
    [bus.clone(), bus]
}

pub async fn over_nats(nats: &Nats) -> [Arc<dyn Bus>; 2] {
    let options = NatsOptions {
        url: Secret::new(nats.url()),
        token: None,
        credentials: None,
        ca: None,
        cluster: "main".to_owned(),
        name: "a test".to_owned(),
    };
    let one = NatsBus::connect(options.clone()).await.unwrap();
    [one, NatsBus::connect(options).await.unwrap()]
}

/// Asks again until the answer is as wished.
async fn until(what: &str, mut wish: impl AsyncFnMut() -> bool) {
    let start = SystemClock.monotonic();
    while !wish().await {
        assert!(SystemClock.monotonic().since(start) < PATIENCE, "{what}");
    }
}

impl Two {
    pub async fn stop(self) {
        self.a.stop().await;
        self.b.stop().await;
    }
}

/// A client's request, with a session or without.
async fn client(server: &Server, method: Method, path: &str, token: &str, body: &str) -> Value {
    let mut headers = vec![("x-parse-application-id", "main")];
    if !token.is_empty() {
        headers.push(("x-parse-session-token", token));
    }
    let path = format!("/parse{path}");
    let answer = server.send(method, &path, &headers, body);
    answer.await.json()
}

async fn master(server: &Server, method: Method, path: &str, body: &str) -> Value {
    let answer = server.parse(method, path, "main", MASTER, body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text);
    answer.json()
}

/// A new user's id and session.
async fn sign_up(server: &Server, name: &str) -> (String, String) {
    let body = json!({ "username": name, "password": "secret-1" }).to_string();
    let user = client(server, Method::POST, "/users", "", &body).await;
    let text = |name: &str| user[name].as_str().unwrap_or_else(|| panic!("{user}"));
    (text("objectId").to_owned(), text("sessionToken").to_owned())
}

async fn works(server: &Server, token: &str) -> bool {
    let found = client(server, Method::GET, "/classes/Probe", token, "").await;
    match found["code"].as_i64() {
        None => true,
        Some(209) => false,
        Some(_) => panic!("{found}"),
    }
}

/// Everything that takes rights away, done on one node and seen on the other.
async fn revocations(a: &Server, b: &Server, round: &str) {
    let (_, token) = sign_up(a, &format!("out {round}")).await;
    assert!(works(b, &token).await);
    client(a, Method::POST, "/logout", &token, "{}").await;
    until("a session that ended", async || !works(b, &token).await).await;

    let (id, token) = sign_up(a, &format!("password {round}")).await;
    assert!(works(b, &token).await);
    let path = format!("/users/{id}");
    let changed = json!({ "password": "secret-2" }).to_string();
    client(a, Method::PUT, &path, &token, &changed).await;
    until("a changed password", async || !works(b, &token).await).await;

    let (id, token) = sign_up(a, &format!("gone {round}")).await;
    assert!(works(b, &token).await);
    master(a, Method::DELETE, &format!("/users/{id}"), "").await;
    until("a deleted user", async || !works(b, &token).await).await;
}

/// A role that is given and taken on one node, used on the other.
async fn roles(a: &Server, b: &Server, round: &str) {
    let (id, token) = sign_up(a, &format!("member {round}")).await;
    let role = format!("role{round}");
    let member = json!({ "__type": "Pointer", "className": "_User", "objectId": id });
    let users = |op: &str| json!({ "users": { "__op": op, "objects": [member] } });
    let mut body = users("AddRelation");
    body["name"] = json!(role);
    body["ACL"] = json!({});
    let made = master(a, Method::POST, "/roles", &body.to_string()).await;
    let role_path = format!("/roles/{}", made["objectId"].as_str().unwrap());
    let mut acl = serde_json::Map::new();
    acl.insert(format!("role:{role}"), json!({ "read": true }));
    let body = json!({ "ACL": acl }).to_string();
    let made = master(a, Method::POST, "/classes/Hidden", &body).await;
    let path = format!("/classes/Hidden/{}", made["objectId"].as_str().unwrap());
    let sees = async || {
        let found = client(b, Method::GET, &path, &token, "").await;
        found["objectId"].is_string()
    };
    until("a role that was given", sees).await;
    let taken = users("RemoveRelation").to_string();
    master(a, Method::PUT, &role_path, &taken).await;
    until("a role that was taken", async || !sees().await).await;
    let given = users("AddRelation").to_string();
    master(a, Method::PUT, &role_path, &given).await;
    until("a role that was given back", sees).await;
    master(a, Method::DELETE, &role_path, "").await;
    until("a role that was deleted", async || !sees().await).await;
}

/// Classes and their permissions.
async fn schema(a: &Server, b: &Server, round: &str) {
    let class = format!("C{round}");
    let path = format!("/classes/{class}");
    let fields = json!({ "fields": { "n": { "type": "Number" } } }).to_string();
    master(a, Method::POST, &format!("/schemas/{class}"), &fields).await;
    until("a class that was made", async || {
        let schemas = master(b, Method::GET, "/schemas", "").await;
        let list = schemas["results"].as_array().unwrap();
        list.iter().any(|s| s["className"] == json!(class))
    })
    .await;
    master(a, Method::POST, &path, r#"{"n":1}"#).await;
    let found = client(b, Method::GET, &path, "", "").await;
    assert_eq!(
        found["results"][0]["n"], 1,
        "reads are exact at once: {found}"
    );
    let wrong = client(b, Method::POST, &path, "", r#"{"n":"text"}"#).await;
    assert_eq!(wrong["code"], 111, "{wrong}");
    let closed = json!({ "classLevelPermissions": { "find": {}, "get": {} } }).to_string();
    master(a, Method::PUT, &format!("/schemas/{class}"), &closed).await;
    until("permissions that were taken", async || {
        let found = client(b, Method::GET, &path, "", "").await;
        found["code"] == 119
    })
    .await;
}

/// An app made on one node.
async fn app_creation(a: &Server, b: &Server, id: &str) {
    let new = json!({ "id": id }).to_string();
    let made = a.operator(Method::POST, "/admin/apps", &new);
    let made = made.await.json();
    let key = made["keys"]["master_key"].as_str();
    let key = key.unwrap_or_else(|| panic!("{made}"));
    until("an app that was made", async || {
        let answer = b.parse(Method::GET, "/schemas", id, key, "").await;
        answer.status.is_success()
    })
    .await;
    let wrong = b.parse(Method::GET, "/schemas", id, "another", "").await;
    assert!(wrong.status.is_client_error());
}

async fn everything(a: &Server, b: &Server, round: &str) {
    revocations(a, b, round).await;
    roles(a, b, round).await;
    schema(a, b, round).await;
    app_creation(a, b, &format!("made-{round}")).await;
}

async fn details(server: &Server) -> Value {
    server.get("/health?details").await.json()["node"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bus_nodes_learn_by_looking() {
    let two = two(no_bus(), |_| {}).await;
    everything(&two.a, &two.b, "1").await;
    let node = details(&two.a).await;
    assert_eq!(node["falls_back_to_polling"], true, "{node}");
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_all_hear_works_too() {
    let two = two(one_bus(), |_| {}).await;
    everything(&two.b, &two.a, "1").await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_nats_loses_nothing() {
    let Some(nats) = Nats::start(None) else {
        return;
    };
    let two = two(over_nats(&nats).await, |_| {}).await;
    nats_dies(nats, two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losing_nats_loses_nothing_on_postgres() {
    let Some(nats) = Nats::start(None) else {
        return;
    };
    let Some(two) = over_postgres(over_nats(&nats).await).await else {
        return;
    };
    nats_dies(nats, two).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bus_nodes_learn_by_looking_at_postgres() {
    let Some(two) = over_postgres(no_bus()).await else {
        return;
    };
    everything(&two.a, &two.b, "1").await;
    two.stop().await;
}

#[tokio::test]
async fn an_object_of_a_new_class_is_there_for_all_nodes_at_once() {
    let Some(two) = over_postgres(no_bus()).await else {
        return;
    };
    for round in 0..5 {
        let class = format!("/classes/New{round}");
        let made = master(&two.a, Method::POST, &class, r#"{"n":1}"#).await;
        let object = format!("{class}/{}", made["objectId"].as_str().unwrap());
        // Nobody told the other node, and it did not look.
        let done = match round {
            0 => master(&two.b, Method::PUT, &object, r#"{"n":2}"#).await["updatedAt"].is_string(),
            1 => master(&two.b, Method::GET, &object, "").await["n"] == 1,
            2 => master(&two.b, Method::GET, &class, "").await["results"][0]["n"] == 1,
            3 => master(&two.b, Method::DELETE, &object, "").await == json!({}),
            _ => {
                let path = format!("/aggregate/New{round}?%24match=%7B%7D");
                master(&two.b, Method::GET, &path, "").await["results"][0]["n"] == 1
            }
        };
        assert!(done, "round {round}");
    }
    two.stop().await;
}

async fn nats_dies(nats: Nats, two: Two) {
    let polling = async |expected: bool| {
        until("the bus is seen as it is", async || {
            let nodes = [details(&two.a).await, details(&two.b).await];
            nodes.iter().all(|n| n["falls_back_to_polling"] == expected)
        })
        .await;
    };
    polling(false).await;
    everything(&two.a, &two.b, "with").await;
    let port = nats.port;
    drop(nats);
    polling(true).await;
    everything(&two.b, &two.a, "without").await;
    let page = two.a.get("/metrics").await.text;
    assert!(page.contains("basalt_node_polling 1"), "{page}");
    let _again = Nats::start(Some(port));
    polling(false).await;
    everything(&two.a, &two.b, "again").await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_see_each_other_come_and_go() {
    let Two { a, b, _data, .. } = two(no_bus(), |_| {}).await;
    until("both are there", async || {
        let [one, other] = [details(&a).await, details(&b).await];
        let ids = |node: &Value| -> Vec<Value> {
            let peers = node["peers"].as_array().unwrap();
            peers.iter().map(|peer| peer["id"].clone()).collect()
        };
        ids(&one).len() == 2 && ids(&one) == ids(&other) && ids(&one).contains(&one["id"])
    })
    .await;
    let feeds = details(&a).await["feeds"].clone();
    assert_eq!(feeds[0]["app"], "main", "{feeds}");
    b.stop().await;
    until("one is gone", async || {
        details(&a).await["peers"].as_array().unwrap().len() == 1
    })
    .await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_says_draining_before_the_server_stops() {
    let two = two(no_bus(), |settings| {
        settings.drain_delay = Duration::from_mins(10);
    })
    .await;
    let address = two.a.address.clone();
    assert_eq!(two.a.get("/health").await.status, 200);
    let stopping = two.a.begin_stop();
    until("it drains", async || {
        let health = crate::server::get(&address, "/health").await;
        health.status == 503 && health.json()["status"] == "stopping"
    })
    .await;
    let served = crate::server::get(&address, "/parse/health").await;
    assert_eq!(served.status, 200, "requests are still answered");
    stopping.abort();
    two.b.begin_stop().abort();
}

/// The functions that a node knows.
async fn functions(server: &Server) -> Vec<String> {
    let listed = master(server, Method::GET, "/hooks/functions", "").await;
    let listed = listed.as_array().unwrap().iter();
    let names = listed.map(|hook| hook["functionName"].as_str().unwrap().to_owned());
    names.collect()
}

/// Hooks that are declared and removed on one node, seen on the other.
async fn hooks(a: &Server, b: &Server) {
    let declare = async |name: &str| {
        let body = json!({ "functionName": name, "url": "http://127.0.0.1:9/x" }).to_string();
        master(a, Method::POST, "/hooks/functions", &body).await;
    };
    let knows = async |what: &str, names: &[&str]| {
        until(what, async || functions(b).await == names).await;
    };
    declare("one").await;
    declare("two").await;
    knows("hooks that were declared", &["one", "two"]).await;
    let gone = r#"{"__op":"Delete"}"#;
    master(a, Method::PUT, "/hooks/functions/one", gone).await;
    knows("a hook that was removed", &["two"]).await;
    master(a, Method::DELETE, "/purge/_Hooks", "").await;
    assert!(functions(a).await.is_empty(), "a purge is seen at once");
    knows("hooks that were purged", &[]).await;
    declare("three").await;
    knows("a hook after a purge", &["three"]).await;
    let cleared = a.operator(Method::POST, "/admin/apps/main/clear", "");
    let cleared = cleared.await;
    assert!(cleared.status.is_success(), "{cleared:?}");
    assert!(functions(a).await.is_empty(), "so is a clear");
    knows("hooks that were cleared away", &[]).await;
    declare("four").await;
    knows("a hook after a clear", &["four"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_an_import_fills_is_not_served() {
    let two = two(no_bus(), |_| {}).await;
    app_creation(&two.a, &two.b, "moved").await;
    let system = two.store.system();
    let rows = system.apps().await.unwrap();
    let row = rows.iter().find(|row| row.app_id.as_str() == "moved");
    let row = row.unwrap();
    // As an import into an app that is there marks it, while nodes serve it.
    let mut marked = row.settings.clone();
    marked.insert("importing".to_owned(), basalt_base::Value::Bool(true));
    for (settings, served) in [(marked, false), (row.settings.clone(), true)] {
        system.update_app(row.store_id, settings).await.unwrap();
        for node in [&two.a, &two.b] {
            until("what the row says", async || {
                let path = "/classes/Any";
                let answer = node.parse(Method::GET, path, "moved", "", "").await;
                answer.status.is_success() == served
            })
            .await;
        }
    }
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_of_one_node_are_those_of_the_other() {
    let two = two(no_bus(), |_| {}).await;
    hooks(&two.a, &two.b).await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_of_one_node_are_those_of_the_other_on_postgres() {
    let Some(two) = over_postgres(one_bus()).await else {
        return;
    };
    hooks(&two.a, &two.b).await;
    two.stop().await;
}
