//! A write-ahead log that lost its end: data is gone by definition, but what is left is consistent.

use std::time::Duration;

use anyhow::Context;

use crate::check::{Seen, consistency};
use crate::parse::Parse;
use crate::round::{Effort, Run};
use crate::server::Server;
use crate::{copy, wal};

use super::Finding;

const COPIES: usize = 4;

/// Kills `server` under load, cuts copies of its folder short, and opens them. The folder itself is
/// started again unharmed.
pub fn check(run: &mut Run, server: Server) -> anyhow::Result<(Server, Finding)> {
    let draw = run.draw();
    let effort = Effort {
        threads: 8,
        time: Duration::from_millis(200),
    };
    run.load(server.address, &draw, effort, |_, _| server.kill())?;
    let scratch = tempfile::tempdir()?;
    let mut broken = Vec::new();
    let mut left = Vec::new();
    for number in 0..COPIES {
        let folder = scratch.path().join(number.to_string());
        copy::folder(&run.setup.data_dir, &folder)?;
        let logs = copy::files(&folder.join("apps"), "-wal")?;
        let log = logs.first().context("there is no write-ahead log")?;
        let index = log.with_file_name("data.db-shm");
        let at_risk = wal::at_risk(log, &index)?;
        let len = at_risk.end - at_risk.start;
        // A few bytes, a torn page, or most of it.
        let most = [40, 6000, 100_000, len][number].min(len);
        let cut = draw.between(1, most);
        copy::cut(log, at_risk.end - cut)?;
        copy::remove(&folder, "-shm")?;
        let setup = run.setup.at(&folder);
        let copy = setup.start()?;
        let seen = Seen::read(&mut Parse::master(copy.address), &run.history)?;
        let what = |message: String| format!("{cut} of {len} bytes cut: {message}");
        broken.extend(consistency(&seen).into_iter().map(what));
        copy.kill()?;
        broken.extend(setup.verify()?.into_iter().map(what));
        left.push(format!("{cut} bytes less: {} objects", seen.len()));
    }
    let server = run.setup.start()?;
    broken.extend(run.check(&server)?.1);
    Ok((server, (left.join(", "), broken)))
}
