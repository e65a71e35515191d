//! `SIGTERM` under load: every request that the server took gets its answer.

use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::history::{History, Outcome, Tracked};
use crate::http::Held;
use crate::load::ITEM;
use crate::parse::{Parse, class_path, text};
use crate::round::{Effort, Run};
use crate::server::Server;
use crate::wait;

use super::Finding;

/// Requests that wait for their body while the server is told to end.
const HELD: u64 = 8;
const REFUSES_LIMIT: Duration = Duration::from_secs(10);
/// Longer than the time that the server gives its requests.
const END_LIMIT: Duration = Duration::from_mins(1);

/// Ends `server` in good order and starts it again. Requests without an answer must not have
/// happened: those were never taken.
pub fn check(run: &mut Run, server: Server) -> anyhow::Result<(Server, Finding)> {
    let draw = run.draw();
    let address = server.address;
    let mut broken = Vec::new();
    let mut held = Vec::new();
    for number in 0..HELD {
        let key = format!("held{number}of{}", draw.number());
        let fields = json!({"key": key, "number": number, "twin": number});
        let client = Parse::rest(address).into_client();
        let path = format!("/parse{}", class_path(ITEM));
        held.push((key, fields.clone(), client.hold("POST", &path, &fields)?));
    }
    let effort = Effort {
        threads: 8,
        time: Duration::from_millis(200),
    };
    let tally = run.load(address, &draw, effort, |history, _| {
        server.terminate()?;
        wait::until(REFUSES_LIMIT, "new connections to be refused", || {
            TcpStream::connect(address).err()
        })?;
        broken.extend(finish(held, history));
        Ok(())
    })?;
    let ended = server.ended(END_LIMIT)?;
    if !ended.status.success() {
        broken.push(format!("ended with {}:\n{}", ended.status, ended.log));
    }
    run.history.nothing_unknown_happened();
    let failures = std::mem::take(&mut run.history.failures);
    broken.extend(failures);
    let server = run.setup.start()?;
    broken.extend(run.check(&server)?.1);
    let found = format!("{HELD} held requests answered, {tally} around the end");
    Ok((server, (found, broken)))
}

/// Sends the bodies; each must be accepted.
fn finish(held: Vec<(String, Value, Held)>, history: &mut History) -> Vec<String> {
    let mut broken = Vec::new();
    for (key, fields, held) in held {
        let outcome = Outcome::of(held.finish());
        history.count("held request", &outcome, &[]);
        let Outcome::Acknowledged(answer) = outcome else {
            broken.push(format!("held request: {outcome:?}"));
            continue;
        };
        let tracked = Tracked {
            class: ITEM.to_owned(),
            id: Some(text(&answer, "objectId").to_owned()),
            now: fields.as_object().cloned(),
            pending: None,
            stamp: Some(text(&answer, "createdAt").to_owned()),
        };
        history.objects.insert(key, tracked);
    }
    broken
}
