//! `basalt doctor` and `basalt verify`.

use crate::cli::Flags;
use crate::settings::{block_on, load};
use basalt_server::{Severity, settle, tools};
use std::process::ExitCode;

pub fn doctor(flags: &Flags) -> anyhow::Result<ExitCode> {
    let mut settings = load(flags, None)?;
    settle(&mut settings)?;
    let findings = block_on(basalt_server::doctor(&settings))?;
    for finding in &findings {
        let word = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        println!("{word}: {}", finding.message);
    }
    if findings.is_empty() {
        println!("nothing to complain about");
    }
    let wrong = findings
        .iter()
        .any(|finding| finding.severity == Severity::Error);
    Ok(if wrong {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

pub fn verify(flags: &Flags) -> anyhow::Result<ExitCode> {
    let settings = load(flags, None)?;
    let problems = block_on(tools::verify(&settings))??;
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() {
        println!("all databases are sound");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}
