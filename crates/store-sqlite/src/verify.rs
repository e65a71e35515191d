//! Integrity and invariants of an app's file.

use crate::connection::Session;
use crate::error::Typed;
use crate::reads::View;
use basalt_base::Result;

/// One sentence for each problem.
pub(crate) fn problems(session: &Session, _view: &View) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut statement = session.conn.prepare("PRAGMA integrity_check").typed()?;
    let mut rows = statement.query([]).typed()?;
    while let Some(row) = rows.next().typed()? {
        let line: String = row.get(0).typed()?;
        if line != "ok" {
            problems.push(format!("The file is damaged: {line}."));
        }
    }
    Ok(problems)
}
