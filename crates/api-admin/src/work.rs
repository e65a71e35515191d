//! What can be done about the queues, jobs and schedules of an app.

use crate::{jobs, queues};
use basalt_base::{Error, Reason, Result};
use basalt_flow::Jobs;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Queues,
    Peek,
    Retry,
    Purge,
    Runs,
    Start,
    Cancel,
    Schedules,
    StartSchedule,
    Pause(bool),
}

/// A part of a path or query as it is meant.
fn decoded(text: &str) -> Result<Cow<'_, str>> {
    let message = "The address has a part that is no text.";
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| Error::new(Reason::InvalidQuery, message))
}

impl Work {
    /// Does it: `name` and `query` as they are in the address.
    pub async fn run(self, jobs: &Jobs, name: &str, query: &str, body: &[u8]) -> Result<Value> {
        let name = &*decoded(name)?;
        let asked = |wanted: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let found = pairs.find(|(name, _)| *name == wanted);
            found.map(|(_, value)| decoded(value)).transpose()
        };
        let number = |wanted: &str| match asked(wanted)? {
            None => Ok(None),
            Some(text) => text.parse::<u64>().map(Some).map_err(|_| {
                let message = format!("`{wanted}` is no number.");
                Error::new(Reason::InvalidQuery, message)
            }),
        };
        let queue = jobs.queue();
        match self {
            Self::Queues => queues::list(queue).await,
            Self::Peek => {
                let dead = asked("dead")?.as_deref() == Some("1");
                queues::peek(queue, name, dead, number("after")?).await
            }
            Self::Retry => queues::retry(queue, name, body).await,
            Self::Purge => queues::purge(queue, name, body).await,
            Self::Runs => {
                let schedule = asked("schedule")?;
                jobs::runs(jobs, schedule.as_deref(), number("limit")?).await
            }
            Self::Start => jobs::start(jobs, body).await,
            Self::Cancel => jobs::cancel(jobs, name).await,
            Self::Schedules => jobs::schedules(jobs).await,
            Self::StartSchedule => jobs::start_schedule(jobs, name).await,
            Self::Pause(paused) => jobs::pause(jobs, name, paused).await,
        }
    }
}
