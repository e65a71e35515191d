//! Cloud Code of apps: reading it, putting it in force, answering what it asks.

mod bundle;
mod probe;
mod watch;

pub(crate) use probe::probe;

use crate::apps::Parts;
use basalt_api_parse::App;
use basalt_base::{BoxFuture, Error};
use basalt_data::Call;
use basalt_functions::{Backend, Fetch, IsolateDeps, IsolateOptions, Isolates, Outside, Sums};
use basalt_sandbox::frame::Bundle;
use basalt_store::Reading;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// How long a request of code to the outside may take.
const FETCH_TIME_MAX: Duration = Duration::from_mins(1);

/// Loads the code of an app and puts it in force. With `watches`, again whenever it changes.
/// Errors: what is wrong with it, with file, line and column as far as they are known.
pub(crate) async fn load(
    parts: &Parts,
    app: &Arc<App>,
    options: IsolateOptions,
    path: &Path,
    watches: bool,
) -> Result<(), String> {
    let program = parts.program.clone();
    let program = program.ok_or("this program can't be started again as a worker")?;
    let backend = Inside {
        app: Arc::downgrade(app),
        outside: parts.outside.clone(),
    };
    let deps = IsolateDeps {
        app: app.id.clone(),
        program,
        clock: Arc::clone(&parts.clock),
        logs: app.functions.logs().clone(),
        backend: Arc::new(backend),
    };
    let isolates = Isolates::new(deps, options);
    let outcome = put(app, &isolates, path).await;
    if outcome.is_ok() {
        let jail = isolates.jail().unwrap_or_default();
        let lacking = jail.parts().into_iter().filter(|(_, on)| !on);
        let lacking: Vec<_> = lacking.map(|(name, _)| name).collect();
        tracing::info!(
            app = %app.id,
            isolation = jail.level().name(),
            lacking = lacking.join(","),
            "the Cloud Code is in force"
        );
        if watches {
            let app = Arc::downgrade(app);
            tokio::spawn(watch::follow(app, isolates, path.to_owned()));
        }
    }
    outcome
}

/// Reads the code and puts it in force; what was in force stays when it can't be.
async fn put(app: &App, isolates: &Isolates, path: &Path) -> Result<(), String> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || bundle::read(&path));
    let read = reading
        .await
        .map_err(|_| "reading the code panicked".to_owned())?;
    let bundle = Bundle {
        about: about(app),
        ..read?
    };
    let prepared = isolates.prepare(bundle).await?;
    app.functions.put_code(isolates, prepared).await
}

/// What code is told of its app.
fn about(app: &App) -> Vec<u8> {
    let about = json!({
        "appId": app.id.as_str(),
        "serverURL": app.options.public_url,
        "mountPath": app.options.mount_path,
    });
    about.to_string().into_bytes()
}

/// What code asks of the server.
struct Inside {
    app: Weak<App>,
    outside: Outside,
}

impl Backend for Inside {
    fn ask<'a>(
        &'a self,
        call: &'a Call,
        what: &'a str,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, Vec<u8>>> {
        Box::pin(async move {
            let app = self.app.upgrade();
            let app = app.ok_or_else(|| refused("The app is being closed."))?;
            match what {
                "rest" => basalt_api_parse::inside(&app, call, body).await,
                "fetch" => self.fetch(body).await,
                "progress" => progress(&app, body).await,
                _ => Err(refused("There is no such call.")),
            }
        })
    }
}

fn refused(message: &str) -> Vec<u8> {
    json!({ "code": 141, "error": message })
        .to_string()
        .into_bytes()
}

impl Inside {
    /// A request to the outside, within the rules for where that may be.
    async fn fetch(&self, body: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
        let asked: Value =
            serde_json::from_slice(body).map_err(|_| refused("The request makes no sense."))?;
        let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let pairs = asked["headers"].as_array().into_iter().flatten();
        let headers = pairs.filter_map(|pair| {
            let (name, value) = (pair.get(0)?.as_str()?, pair.get(1)?.as_str()?);
            Some((name.to_owned(), value.to_owned()))
        });
        let fetch = Fetch {
            url: text("url"),
            method: text("method"),
            headers: headers.collect(),
            body: STANDARD.decode(text("body")).unwrap_or_default(),
        };
        let answer = tokio::time::timeout(FETCH_TIME_MAX, self.outside.fetch(&fetch)).await;
        let answer = answer.map_err(|_| refused("the address did not answer in time"))?;
        let answer = answer.map_err(|why| refused(&why))?;
        let answer = json!({
            "status": answer.status,
            "headers": answer.headers,
            "url": answer.url,
            "body": STANDARD.encode(&answer.body),
        });
        Ok(answer.to_string().into_bytes())
    }
}

/// A job tells how far it is.
async fn progress(app: &App, body: &[u8]) -> Result<Vec<u8>, Vec<u8>> {
    let told: Value = serde_json::from_slice(body).unwrap_or_default();
    let (job, message) = (told["job"].as_str(), told["message"].as_str());
    if let (Some(job), Some(message)) = (job, message) {
        let told = app.jobs.progress(job).message(message).await;
        told.map_err(|error: Error| refused(error.message()))?;
    }
    Ok(b"{}".to_vec())
}

/// What the functions of an app have used, for `GET /admin/usage`.
pub(crate) fn usage(isolates: Option<&Isolates>) -> String {
    let mut functions = Map::new();
    for (name, sums) in isolates.map(Isolates::sums).unwrap_or_default() {
        let sums = json!({
            "invocations": sums.invocations,
            "errors": sums.errors,
            "billed_ms": sums.billed_ms,
            "cpu_ms": sums.cpu_micros / 1_000,
        });
        functions.insert(name, sums);
    }
    json!({ "functions": functions }).to_string()
}

/// A number of a function's sums.
type Of = fn(&Sums) -> u64;

/// The same of all apps, and how their workers are locked in, for `/metrics`.
pub(crate) fn readings(all: &[(String, Isolates)]) -> Vec<Reading> {
    let mut readings = Vec::new();
    for (app, isolates) in all {
        if let Some(jail) = isolates.jail() {
            readings.push(Reading {
                name: "basalt_function_isolation",
                labels: vec![
                    ("app", app.clone()),
                    ("level", jail.level().name().to_owned()),
                ],
                value: 1.0,
            });
        }
    }
    let names: [(&'static str, Of); 4] = [
        ("basalt_function_invocations_total", |sums| sums.invocations),
        ("basalt_function_errors_total", |sums| sums.errors),
        ("basalt_function_billed_ms_total", |sums| sums.billed_ms),
        ("basalt_function_cpu_us_total", |sums| sums.cpu_micros),
    ];
    let sums: Vec<_> = all.iter().map(|(app, own)| (app, own.sums())).collect();
    for (name, of) in names {
        for (app, own) in &sums {
            for (function, sums) in own {
                readings.push(Reading {
                    name,
                    labels: vec![("app", (*app).clone()), ("function", function.clone())],
                    value: of(sums) as f64,
                });
            }
        }
    }
    readings
}
