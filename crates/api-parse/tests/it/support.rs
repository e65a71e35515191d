//! What the tests share: a server without sockets, and scenarios as data.

use basalt_api_parse::{App, Apps, Keys, LiveEvents, Options, ParseApi, ParseWire, SessionRights};
use basalt_base::{AppId, BoxFuture, ManualClock, Network, Result, Secret, SeededRng};
use basalt_data::{Data, Deps};
use basalt_flow::{JobCode, JobRun, Jobs, JobsDeps, Queue};
use basalt_functions::{
    Egress, Functions, LogOptions, LogStore, Outside, OutsideOptions, SystemResolver,
};
use basalt_identity::{GuardDeps, Identity, PasswordPool, SystemGuard};
use basalt_listener::{Client, Request, RequestBody, Route};
use basalt_live::{Feed, FeedOptions, Live, LiveDeps};
use basalt_store::{AppStore, Store, StoreId};
use basalt_store_sqlite::{SqliteStore, Synchronous};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

pub const APP: &str = "app";
pub const MASTER: &str = "master-key";

/// A server over a store that goes away with it.
pub struct World {
    pub api: ParseApi,
    pub clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

struct One(Arc<App>);

impl Apps for One {
    fn app<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Arc<App>>>> {
        Box::pin(async move { Ok((id == APP).then(|| self.0.clone())) })
    }
}

fn passwords() -> Arc<PasswordPool> {
    static POOL: OnceLock<Arc<PasswordPool>> = OnceLock::new();
    let start = || PasswordPool::start(Arc::new(SeededRng::new(7))).unwrap();
    POOL.get_or_init(start).clone()
}

/// What a test changes of the defaults: open classes, no client keys, telling refusals.
pub struct Settings {
    pub keys: Keys,
    pub options: Options,
    pub data: basalt_data::Options,
    pub functions: basalt_functions::Options,
    /// Networks that webhooks may be in.
    pub egress: Vec<Network>,
}

impl Default for Settings {
    fn default() -> Self {
        let secret = |text: &str| Some(Secret::new(text));
        Self {
            keys: Keys {
                master: secret(MASTER),
                read_only_master: secret("read-only-key"),
                maintenance: secret("maintenance-key"),
                ..Keys::default()
            },
            options: Options {
                public_url: "http://api.test/parse".to_owned(),
                sanitize_refusals: false,
                ..Options::default()
            },
            data: basalt_data::Options {
                allow_client_collection_creation: true,
                new_collections_open: true,
                sanitize_refusals: false,
                ..basalt_data::Options::default()
            },
            functions: basalt_functions::Options {
                webhook_key: secret("hook-key"),
                ..basalt_functions::Options::default()
            },
            egress: Network::loopback().to_vec(),
        }
    }
}

pub async fn world() -> World {
    world_with(|_| {}).await
}

fn logs_in(dir: &tempfile::TempDir, clock: Arc<ManualClock>) -> LogStore {
    LogStore::open(dir.path().join("logs"), LogOptions::default(), clock).unwrap()
}

pub async fn world_with(change: impl FnOnce(&mut Settings)) -> World {
    let mut settings = Settings::default();
    change(&mut settings);
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let store_options = basalt_store_sqlite::Options {
        synchronous: Synchronous::Normal,
        clock: clock.clone(),
        ..Default::default()
    };
    let store = SqliteStore::open(dir.path(), store_options).unwrap();
    let store = store.open_app(StoreId(1)).await.unwrap();
    let (feed, store) = followed(store, clock.clone());
    let rng = Arc::new(SeededRng::new(1));
    let guard_deps = GuardDeps {
        store: store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        passwords: passwords(),
        id_length: settings.data.id_length,
    };
    let guard = SystemGuard::new(guard_deps, basalt_identity::Options::default());
    let guard = Arc::new(guard);
    let limits = settings.options.limits.clone();
    let wire = ParseWire::new(APP, &settings.options.public_url, limits, clock.clone());
    let outside = OutsideOptions {
        egress: Egress::new(settings.egress),
        answer_bytes_max: 64 * 1024,
        ..OutsideOptions::default()
    };
    let logs = logs_in(&dir, clock.clone());
    let hooks = basalt_functions::Deps {
        app: AppId::new(APP),
        store: store.clone(),
        clock: clock.clone(),
        rng: rng.clone(),
        wire: Arc::new(wire),
        outside: Outside::new(outside, Arc::new(SystemResolver)),
        logs: logs.app("1"),
    };
    let functions = Functions::open(hooks, settings.functions).await.unwrap();
    let deps = Deps {
        store,
        clock: clock.clone(),
        rng,
        hooks: Arc::new(functions.clone()),
        guard: guard.clone(),
    };
    let data = Data::new(deps, settings.data);
    let identity = Identity::new(data.clone(), &guard);
    let (events, live) = live(&data, &identity, feed);
    let app = App {
        id: AppId::new(APP),
        jobs: jobs(&data, clock.clone()),
        keys: settings.keys,
        identity,
        data,
        functions,
        live,
        live_events: events,
        live_epoch: 1,
        options: settings.options,
    };
    World {
        api: ParseApi::new(Arc::new(One(Arc::new(app)))),
        clock,
        _dir: dir,
    }
}

fn jobs(data: &Data, clock: Arc<ManualClock>) -> Jobs {
    Jobs::new(JobsDeps {
        queue: Queue::new(Arc::clone(&data.deps().store), clock),
        rng: Arc::new(SeededRng::new(2)),
        code: Arc::new(SomeJobs),
    })
}

fn followed(store: Arc<dyn AppStore>, clock: Arc<ManualClock>) -> (Feed, Arc<dyn AppStore>) {
    let options = FeedOptions {
        poll: None,
        clock,
        rng: Arc::new(SeededRng::new(3)),
    };
    Feed::over(store, options)
}

fn live(data: &Data, identity: &Identity, feed: Feed) -> (Arc<LiveEvents>, Live) {
    let events = Arc::new(LiveEvents::new(APP, "http://localhost/parse", 1));
    let rights = SessionRights::new(AppId::new(APP), identity.clone());
    let deps = LiveDeps {
        data: data.clone(),
        feed,
        rights: Arc::new(rights),
        encode: events.clone(),
    };
    (events, Live::start(deps, basalt_live::Options::default()))
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
    /// What the log is told.
    pub route: Option<Route>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// A text within the JSON.
    pub fn text_at(&self, pointer: &str) -> String {
        let json = self.json();
        let found = json.pointer(pointer).and_then(Value::as_str);
        found
            .unwrap_or_else(|| panic!("{pointer}: {json}"))
            .to_owned()
    }
}

/// Sends one request with exactly these headers.
pub async fn raw(
    world: &World,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
    ip: IpAddr,
) -> Answer {
    let mut builder = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let request = Request {
        head,
        body: RequestBody::new(Full::new(body.into())),
        client: Client { ip, secure: false },
        id: "request".into(),
    };
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let response = world.api.handle(&path, request).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
        route: parts.extensions.get().cloned(),
    }
}

pub const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Sends a request with the app's id, as `who`: `""`, `master`, `read-only`, `maintenance`, or a
/// session token.
pub async fn send(world: &World, who: &str, method: &str, target: &str, body: &str) -> Answer {
    let mut headers = vec![("x-parse-application-id", APP)];
    match who {
        "" => {}
        "master" => headers.push(("x-parse-master-key", MASTER)),
        "read-only" => headers.push(("x-parse-master-key", "read-only-key")),
        "maintenance" => headers.push(("x-parse-maintenance-key", "maintenance-key")),
        token => headers.push(("x-parse-session-token", token)),
    }
    raw(world, method, target, &headers, body.to_owned(), LOCAL).await
}

/// One row of a scenario: who, method, target, body, status, what the answer must contain; what
/// starts with `!` it must not contain.
pub type Row<'a> = (&'a str, &'a str, &'a str, &'a str, u16, &'a [&'a str]);

/// Sends the rows one after the other.
pub async fn check(world: &World, rows: &[Row<'_>]) {
    for (who, method, target, body, status, parts) in rows {
        let answer = send(world, who, method, target, body).await;
        let shown = format!(
            "{who} {method} {target} {body}\n=> {} {}",
            answer.status, answer.text
        );
        assert_eq!(answer.status, *status, "{shown}");
        for part in *parts {
            match part.strip_prefix('!') {
                Some(part) => assert!(!answer.text.contains(part), "not {part} in {shown}"),
                None => assert!(answer.text.contains(part), "{part} in {shown}"),
            }
        }
        assert!(answer.status < 500, "{shown}");
    }
}

/// Makes an object and returns its id.
pub async fn make(world: &World, who: &str, class: &str, body: &str) -> String {
    let answer = send(world, who, "POST", &format!("/classes/{class}"), body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.text_at("/objectId")
}

/// Signs up and returns the user's id and session token.
pub async fn sign_up(world: &World, name: &str) -> (String, String) {
    let body = format!(r#"{{"username":"{name}","password":"password-{name}"}}"#);
    let answer = send(world, "", "POST", "/users", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    (answer.text_at("/objectId"), answer.text_at("/sessionToken"))
}

/// Percent-encodes a value for a query string.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Two jobs that nobody runs.
struct SomeJobs;

impl JobCode for SomeJobs {
    fn names(&self) -> Vec<String> {
        vec!["clean".to_owned(), "report".to_owned()]
    }

    fn run(&self, _: JobRun) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async { Ok(None) })
    }
}
