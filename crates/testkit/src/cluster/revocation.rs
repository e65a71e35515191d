//! Whether a session that was ended is ended on every server, and how soon.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use basalt_base::Monotonic;
use serde_json::json;

use crate::history::{History, Outcome};
use crate::http::Answer;
use crate::parse::{Parse, text};
use crate::wait;

/// What is promised.
const PROMISED: Duration = Duration::from_secs(5);
/// A server that has not answered for so long is left alone.
const LIMIT: Duration = Duration::from_secs(12);

/// What the watch saw.
#[derive(Debug, Default)]
pub struct Revocations {
    /// Sessions that were ended.
    pub ended: u64,
    /// When the last question was asked that a server answered with a session that was ended
    /// before: how long one was good in truth. Servers that stood still or could not be reached
    /// count with what they answered afterwards.
    pub good_for: Duration,
    /// Sessions that were good for too long.
    pub broken: Vec<String>,
    /// The users that were made for it.
    pub history: History,
}

/// Logs in and out until `stop`, and after each time asks every server whether the session is good.
pub fn watch(front: SocketAddr, nodes: &[SocketAddr], stop: &AtomicBool, tag: &str) -> Revocations {
    let mut seen = Revocations::default();
    let mut names = 0;
    let mut user: Option<String> = None;
    while !stop.load(Ordering::Relaxed) {
        let Some(name) = &user else {
            names += 1;
            let name = format!("{tag}n{names}");
            if sign_up(front, &name, &mut seen.history) {
                user = Some(name);
            }
            continue;
        };
        let Some(token) = log_in(front, name) else {
            wait::pause();
            continue;
        };
        for node in nodes {
            // Each has it at hand when it is ended.
            let _ = is_good(*node, &token);
        }
        let gone = Parse::user(front, &token).write("POST", "/logout", Some(&json!({})));
        if let Outcome::Acknowledged(_) = gone {
            seen.ended += 1;
            follow(nodes, &token, wait::now(), &mut seen);
        }
    }
    seen
}

fn sign_up(front: SocketAddr, name: &str, history: &mut History) -> bool {
    let body = json!({"username": name, "password": format!("secret of {name}")});
    let outcome = Parse::rest(front).write("POST", "/users", Some(&body));
    let claim = history.claims.entry(("_User".to_owned(), name.to_owned()));
    let claim = claim.or_default();
    match outcome {
        Outcome::Acknowledged(answer) => {
            claim.winners.push(text(&answer, "objectId").to_owned());
            true
        }
        outcome => {
            claim.unknown += u64::from(outcome.is_unknown());
            wait::pause();
            false
        }
    }
}

fn log_in(front: SocketAddr, name: &str) -> Option<String> {
    let body = json!({"username": name, "password": format!("secret of {name}")});
    let answer = Parse::rest(front).send("POST", "/login", Some(&body));
    let body = answer.ok().filter(|answer| answer.status == 200)?.body;
    Some(text(&body, "sessionToken").to_owned())
}

/// Whether the server takes the session; `None` when it does not say.
fn is_good(node: SocketAddr, token: &str) -> Option<bool> {
    let answer = Parse::user(node, token).send("GET", "/users/me", None);
    match answer {
        Ok(Answer { status: 200, .. }) => Some(true),
        Ok(Answer { status, .. }) if status < 500 => Some(false),
        _ => None,
    }
}

/// Asks all servers side by side until each refuses.
fn follow(nodes: &[SocketAddr], token: &str, ended: Monotonic, seen: &mut Revocations) {
    let found: Vec<_> = std::thread::scope(|scope| {
        let asking: Vec<_> = nodes
            .iter()
            .map(|node| scope.spawn(move || ask(*node, token, ended)))
            .collect();
        let asked = asking.into_iter();
        asked.map(|thread| thread.join().ok()).collect()
    });
    for (node, found) in nodes.iter().zip(found) {
        match found {
            Some(Ok(good_for)) => seen.good_for = seen.good_for.max(good_for),
            Some(Err(late)) => seen.broken.push(format!(
                "{node}: a session was good {} ms after it was ended",
                late.as_millis()
            )),
            None => seen.broken.push(format!("{node}: the watch panicked")),
        }
    }
}

/// When the last question was asked to which the session was good still, until the server refuses it;
/// an error with the time of a question that it
/// answered wrongly after the promised time.
fn ask(node: SocketAddr, token: &str, ended: Monotonic) -> Result<Duration, Duration> {
    let mut good_for = Duration::ZERO;
    loop {
        let asked = wait::now().since(ended);
        match is_good(node, token) {
            Some(false) => return Ok(good_for),
            Some(true) if asked > PROMISED => return Err(asked),
            _ if asked > LIMIT => return Ok(good_for),
            Some(true) => good_for = asked,
            None => {}
        }
        wait::pause();
    }
}
