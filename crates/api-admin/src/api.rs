//! The routes.

use crate::errors::error_response;
use crate::work::Work;
use basalt_base::{AppId, BoxFuture, Error, Reason, Result, Secret, Timestamp};
use basalt_flow::Jobs;
use basalt_listener::{Request, Response, Route, json_response};
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Requests of this API are small.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// An app in a list.
#[derive(Clone, Debug)]
pub struct AppSummary {
    /// Its public id.
    pub id: AppId,
    /// Its account number: twelve digits.
    pub account: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether the settings declare it; then it can't be changed here.
    pub declared: bool,
    /// Whether it is served; an app that the settings do not declare any more is not.
    pub served: bool,
}

/// An app to make.
#[derive(Debug, Default)]
pub struct NewApp {
    /// Its public id.
    pub id: String,
    /// Client keys by their names in the settings (`rest_key`, …).
    pub client_keys: Vec<(String, Secret)>,
    /// Whether classes made without permissions are open.
    pub new_classes_open: Option<bool>,
    /// Parse Server options.
    pub parse: Map<String, Value>,
}

/// A new app.
#[derive(Debug)]
pub struct MadeApp {
    /// As listed.
    pub summary: AppSummary,
    /// All its keys by their names in the settings.
    pub keys: Vec<(&'static str, Secret)>,
}

/// Which lines of an app's logs.
#[derive(Debug, Default)]
pub struct LogsAsked {
    /// Parameters of a search: `level`, `size`, `order`.
    pub search: Vec<(String, String)>,
    /// The point after which lines are wanted, to follow the end; empty for now.
    pub after: Option<String>,
}

/// The server's apps, as this API needs them.
pub trait AdminApps: Send + Sync {
    /// All apps, oldest first.
    fn list(&self) -> BoxFuture<'_, Result<Vec<AppSummary>>>;

    /// Makes an app. Errors: `DuplicateValue` for a taken id, `InvalidSetting`.
    fn make(&self, app: NewApp) -> BoxFuture<'_, Result<MadeApp>>;

    /// Deletes every object and class of an app.
    fn clear<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<()>>;

    /// What an app's functions have used, as JSON: `{"functions": {NAME: {"invocations", "errors",
    /// "billed_ms"}}}`.
    fn usage<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<String>>;

    /// What an app's functions and hooks have logged, as JSON: `{"lines": […]}`, and `next`, the
    /// point after them, when the end is followed.
    fn logs<'a>(&'a self, id: &'a str, asked: LogsAsked) -> BoxFuture<'a, Result<String>>;

    /// The jobs and queues of a served app, opened on first use. Errors: `ObjectNotFound`.
    fn jobs<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Jobs>>;

    /// The master key of a served app, if it counts when it comes from this address.
    fn master_key(&self, id: &str, from: IpAddr) -> Option<Secret>;
}

/// The adapter.
pub struct AdminApi {
    apps: Arc<dyn AdminApps>,
    operator_token: Secret,
    may_clear: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    List,
    Make,
    Clear,
    Logs,
    Usage,
    /// Something about an app's queues, which are the operator's alone.
    Queue(Work),
    /// Something about its jobs, which the app's master key may ask for, too.
    Job(Work),
}

/// Method, path below `/admin` (`:app` stands for one segment), operation, template for the log.
const ROUTES: &[(Method, &str, Operation, &str)] = &[
    (Method::GET, "/apps", Operation::List, "/admin/apps"),
    (Method::POST, "/apps", Operation::Make, "/admin/apps"),
    (
        Method::POST,
        "/apps/:app/clear",
        Operation::Clear,
        "/admin/apps/:app/clear",
    ),
    (
        Method::GET,
        "/apps/:app/logs",
        Operation::Logs,
        "/admin/apps/:app/logs",
    ),
    (Method::GET, "/usage", Operation::Usage, "/admin/usage"),
    (
        Method::GET,
        "/apps/:app/queues",
        Operation::Queue(Work::Queues),
        "/admin/apps/:app/queues",
    ),
    (
        Method::GET,
        "/apps/:app/queues/:name",
        Operation::Queue(Work::Peek),
        "/admin/apps/:app/queues/:name",
    ),
    (
        Method::POST,
        "/apps/:app/queues/:name/retry",
        Operation::Queue(Work::Retry),
        "/admin/apps/:app/queues/:name/retry",
    ),
    (
        Method::POST,
        "/apps/:app/queues/:name/purge",
        Operation::Queue(Work::Purge),
        "/admin/apps/:app/queues/:name/purge",
    ),
    (
        Method::GET,
        "/apps/:app/jobs",
        Operation::Job(Work::Runs),
        "/admin/apps/:app/jobs",
    ),
    (
        Method::POST,
        "/apps/:app/jobs",
        Operation::Job(Work::Start),
        "/admin/apps/:app/jobs",
    ),
    (
        Method::POST,
        "/apps/:app/jobs/:name/cancel",
        Operation::Job(Work::Cancel),
        "/admin/apps/:app/jobs/:name/cancel",
    ),
    (
        Method::GET,
        "/apps/:app/schedules",
        Operation::Job(Work::Schedules),
        "/admin/apps/:app/schedules",
    ),
    (
        Method::POST,
        "/apps/:app/schedules/:name/start",
        Operation::Job(Work::StartSchedule),
        "/admin/apps/:app/schedules/:name/start",
    ),
    (
        Method::POST,
        "/apps/:app/schedules/:name/pause",
        Operation::Job(Work::Pause(true)),
        "/admin/apps/:app/schedules/:name/pause",
    ),
    (
        Method::POST,
        "/apps/:app/schedules/:name/resume",
        Operation::Job(Work::Pause(false)),
        "/admin/apps/:app/schedules/:name/resume",
    ),
];

/// Does what a route about queues, jobs or schedules does, for a caller who may do everything; the
/// path is below `/admin` and may have a query. Errors: `RouteNotFound` for any other route.
pub async fn operate(
    apps: &dyn AdminApps,
    method: &Method,
    path: &str,
    body: &[u8],
) -> Result<Value> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    match find(method, path) {
        Some((Operation::Queue(work) | Operation::Job(work), [app, name], _)) => {
            work.run(&apps.jobs(app).await?, name, query, body).await
        }
        _ => Err(Error::new(Reason::RouteNotFound, "Not found.")),
    }
}

impl AdminApi {
    /// Over these apps. `may_clear`: whether a master key may clear its app, as in development.
    pub fn new(apps: Arc<dyn AdminApps>, operator_token: Secret, may_clear: bool) -> Self {
        Self {
            apps,
            operator_token,
            may_clear,
        }
    }

    /// Whether the headers carry the operator's token.
    pub fn is_operator(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let token = sent.and_then(|value| value.strip_prefix(b"Bearer "));
        token.is_some_and(|token| same(token, &self.operator_token))
    }

    /// Answers one request; `path` is the raw path below `/admin`.
    pub async fn handle(&self, path: &str, request: Request) -> Response {
        let id = Arc::clone(&request.id);
        let found = find(&request.head.method, path);
        let result = match found {
            Some((operation, args, _)) => self.run(operation, args, request).await,
            None => Err(Error::new(Reason::RouteNotFound, "Not found.")),
        };
        let mut response = result.unwrap_or_else(|error| error_response(&error, &id));
        if let Some((_, _, template)) = found {
            let route = Route {
                template,
                app: None,
            };
            response.extensions_mut().insert(route);
        }
        response
    }

    async fn run(
        &self,
        operation: Operation,
        [app, name]: [&str; 2],
        request: Request,
    ) -> Result<Response> {
        match operation {
            Operation::Queue(work) => {
                self.demand_operator(&request.head.headers)?;
                self.work(work, app, name, request).await
            }
            Operation::Job(work) => {
                if !self.is_operator(&request.head.headers) {
                    self.demand_master(app, &request.head.headers, request.client.ip)?;
                }
                self.work(work, app, name, request).await
            }
            Operation::List => {
                self.demand_operator(&request.head.headers)?;
                let apps: Vec<_> = self.apps.list().await?.iter().map(shown).collect();
                Ok(json_response(
                    StatusCode::OK,
                    json!({ "apps": apps }).to_string(),
                ))
            }
            Operation::Make => {
                self.demand_operator(&request.head.headers)?;
                let body = request.body.collect(BODY_BYTES_MAX).await?;
                let made = self.apps.make(new_app(&body)?).await?;
                let mut body = shown(&made.summary);
                let keys = made.keys.iter();
                let keys: Map<_, _> = keys
                    .map(|(name, key)| ((*name).to_owned(), Value::from(key.expose())))
                    .collect();
                body["keys"] = Value::from(keys);
                Ok(json_response(StatusCode::CREATED, body.to_string()))
            }
            Operation::Logs => self.logs(app, &request.head, request.client.ip).await,
            Operation::Usage => self.usage(&request.head, request.client.ip).await,
            Operation::Clear => {
                let is_operator = self.is_operator(&request.head.headers);
                if !is_operator {
                    self.demand_master(app, &request.head.headers, request.client.ip)?;
                }
                if !is_operator && !self.may_clear {
                    let message = "An app's own key can clear it in development mode only; operators can in any.";
                    return Err(Error::new(Reason::OperationForbidden, message));
                }
                self.apps.clear(app).await?;
                tracing::info!(app, "an app was cleared");
                Ok(json_response(StatusCode::OK, "{}"))
            }
        }
    }

    /// The operator, or who holds the app's master key.
    async fn usage(&self, head: &Parts, from: IpAddr) -> Result<Response> {
        let query = head.uri.query().unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut apps = pairs.filter(|(name, _)| *name == "app").map(|(_, app)| app);
        let message = "The parameter `app` names the app.";
        let app = apps.next().filter(|app| !app.is_empty());
        let app = app.ok_or_else(|| Error::new(Reason::InvalidQuery, message))?;
        if !self.is_operator(&head.headers) {
            self.demand_master(app, &head.headers, from)?;
        }
        let body = self.apps.usage(app).await?;
        Ok(json_response(StatusCode::OK, body))
    }

    async fn logs(&self, app: &str, head: &Parts, from: IpAddr) -> Result<Response> {
        if !self.is_operator(&head.headers) {
            self.demand_master(app, &head.headers, from)?;
        }
        let mut asked = LogsAsked::default();
        let query = head.uri.query().unwrap_or_default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match name {
                "after" => asked.after = Some(value.to_owned()),
                "level" | "size" | "order" => {
                    asked.search.push((name.to_owned(), value.to_owned()));
                }
                _ => return Err(Error::new(Reason::InvalidQuery, "An unknown parameter.")),
            }
        }
        let body = self.apps.logs(app, asked).await?;
        Ok(json_response(StatusCode::OK, body))
    }

    async fn work(&self, work: Work, app: &str, name: &str, request: Request) -> Result<Response> {
        let jobs = self.apps.jobs(app).await?;
        let query = request.head.uri.query().unwrap_or_default().to_owned();
        let body = request.body.collect(BODY_BYTES_MAX).await?;
        let answer = work.run(&jobs, name, &query, &body).await?;
        Ok(json_response(StatusCode::OK, answer.to_string()))
    }

    fn demand_operator(&self, headers: &HeaderMap) -> Result<()> {
        if self.is_operator(headers) {
            return Ok(());
        }
        Err(Error::new(
            Reason::Unauthorized,
            "An operator's token is required.",
        ))
    }

    /// The app's own master key, presented as its clients do.
    fn demand_master(&self, app: &str, headers: &HeaderMap, from: IpAddr) -> Result<()> {
        let sent = |name: &str| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        let is_app = sent("x-parse-application-id") == app.as_bytes();
        let key = self.apps.master_key(app, from);
        if is_app && key.is_some_and(|key| same(sent("x-parse-master-key"), &key)) {
            return Ok(());
        }
        Err(Error::new(Reason::Unauthorized, "unauthorized"))
    }
}

fn same(sent: &[u8], secret: &Secret) -> bool {
    sent.ct_eq(secret.expose().as_bytes()).into()
}

/// The operation, the app's id and the queue's name (empty where the route has none), and the
/// template.
fn find<'p>(method: &Method, path: &'p str) -> Option<(Operation, [&'p str; 2], &'static str)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ROUTES
        .iter()
        .find_map(|(wanted, pattern, operation, template)| {
            let mut args = [""; 2];
            let mut parts = path.split('/');
            let fits = pattern
                .split('/')
                .all(|wanted| match (wanted, parts.next()) {
                    (":app", Some(part)) if !part.is_empty() => {
                        args[0] = part;
                        true
                    }
                    (":name", Some(part)) if !part.is_empty() => {
                        args[1] = part;
                        true
                    }
                    (wanted, part) => part == Some(wanted),
                });
            (wanted == method && fits && parts.next().is_none())
                .then_some((*operation, args, *template))
        })
}

fn shown(app: &AppSummary) -> Value {
    json!({
        "id": app.id.as_str(),
        "account": app.account,
        "created_at_ms": app.created_at.millis(),
        "declared": app.declared,
        "served": app.served,
    })
}

/// `{"id": …, "rest_key": …, "new_classes": "open", "parse": {…}}`.
fn new_app(body: &[u8]) -> Result<NewApp> {
    let wrong = |message: String| Error::new(Reason::InvalidSetting, message);
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
        return Err(Error::new(
            Reason::InvalidJson,
            "The body is no JSON object.",
        ));
    };
    let mut app = NewApp::default();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("id", Value::String(id)) => app.id = id,
            ("parse", Value::Object(options)) => app.parse = options,
            ("new_classes", Value::String(word)) if word == "open" || word == "closed" => {
                app.new_classes_open = Some(word == "open");
            }
            ("rest_key" | "javascript_key" | "client_key" | "dotnet_key", Value::String(key))
                if !key.is_empty() && !key.contains(char::is_whitespace) =>
            {
                app.client_keys.push((name, Secret::new(key)));
            }
            _ => return Err(wrong(format!("`{name}` is unknown or has the wrong form"))),
        }
    }
    if app.id.is_empty() {
        return Err(wrong("`id` is missing".to_owned()));
    }
    Ok(app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_match_whole_paths() {
        let find = |method, path| find(&method, path).map(|found| (found.0, found.1[0]));
        assert_eq!(find(Method::GET, "/apps"), Some((Operation::List, "")));
        assert_eq!(find(Method::POST, "/apps/"), Some((Operation::Make, "")));
        assert_eq!(
            find(Method::POST, "/apps/a.b/clear"),
            Some((Operation::Clear, "a.b"))
        );
        for path in [
            "",
            "/",
            "/apps/a",
            "/apps//clear",
            "/apps/a/clear/x",
            "/apps/a/b/clear",
        ] {
            assert_eq!(find(Method::POST, path), None, "{path}");
        }
        assert_eq!(find(Method::GET, "/apps/a/clear"), None);
    }

    #[test]
    fn bodies_are_checked() {
        let app =
            new_app(br#"{"id":"a","rest_key":"r","new_classes":"open","parse":{"x":1}}"#).unwrap();
        assert_eq!((app.id.as_str(), app.new_classes_open), ("a", Some(true)));
        assert_eq!(app.client_keys.len(), 1);
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"id":5}"#,
            r#"{"id":"a","x":1}"#,
            r#"{"id":"a","rest_key":"a b"}"#,
        ] {
            assert!(new_app(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
