//! A second server on the same folder gives up and says why; the first does not notice.

use std::time::Duration;

use crate::round::Run;
use crate::server::Server;

use super::Finding;

const GIVES_UP_LIMIT: Duration = Duration::from_secs(20);

/// Tries to start one beside `first`.
pub fn check(run: &mut Run, first: &Server) -> anyhow::Result<Finding> {
    let second = run.setup.run_second(GIVES_UP_LIMIT)?;
    let mut broken = Vec::new();
    if second.status.code().is_none_or(|code| code == 0) {
        broken.push(format!("it ended with {}", second.status));
    }
    if !second.said.is_empty() {
        broken.push(format!("it printed {:?}", second.said));
    }
    let log = second.log.to_lowercase();
    if !["locked", "in use", "another"]
        .iter()
        .any(|word| log.contains(word))
    {
        broken.push(format!("it does not say why it gave up: {log}"));
    }
    broken.extend(run.check(first)?.1);
    let last = second.log.lines().last().unwrap_or_default();
    Ok((
        format!("refused with {}, \"{last}\"", second.status),
        broken,
    ))
}
