//! What a person at a terminal sees.

use crate::arguments::Arguments;
use std::io::Write;
use std::process::ExitCode;

/// Broken promises shown of one step.
const SHOWN_MAX: usize = 8;
/// Characters shown of one of them.
const SHOWN_CHARS_MAX: usize = 400;

/// Counts steps that passed and failed, and prints a line for each.
#[derive(Debug, Default)]
pub struct Report {
    passed: u64,
    failed: u64,
}

impl Report {
    /// Prints a step: its name, what it found, and the broken promises if there are any.
    pub fn step(&mut self, name: &str, found: &str, broken: &[String]) {
        if broken.is_empty() {
            self.passed += 1;
            say(&format!("{name}: {found}: ok"));
            return;
        }
        self.failed += 1;
        say(&format!("{name}: {found}: FAILED, {} broken", broken.len()));
        for message in broken.iter().take(SHOWN_MAX) {
            let message: String = message.chars().take(SHOWN_CHARS_MAX).collect();
            say(&format!("  {message}"));
        }
        if broken.len() > SHOWN_MAX {
            say(&format!("  … and {} more", broken.len() - SHOWN_MAX));
        }
    }

    /// Prints a step that found out by itself, or that could not be made.
    pub fn outcome(&mut self, name: &str, outcome: anyhow::Result<(String, Vec<String>)>) {
        match outcome {
            Ok((found, broken)) => self.step(name, &found, &broken),
            Err(error) => self.step(name, "not finished", &[format!("{error:#}")]),
        }
    }

    /// Whether any step failed.
    pub fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// Prints the closing line.
    pub fn end(self) -> ExitCode {
        say(&format!("{} passed, {} failed", self.passed, self.failed));
        ExitCode::from(u8::from(self.failed > 0))
    }
}

/// The whole of a program that checks something: reads its arguments, of these names, and runs it.
/// The exit code is 0 if every check passed, 1 if one failed and 2 for bad arguments.
pub fn conduct(
    help: &str,
    names: &[&str],
    run: impl FnOnce(&Arguments, &mut Report) -> anyhow::Result<()>,
) -> ExitCode {
    let arguments = match Arguments::of_process(names) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            say(help);
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            say(&format!("{error:#}"));
            return ExitCode::from(2);
        }
    };
    let mut report = Report::default();
    if let Err(error) = run(&arguments, &mut report) {
        report.outcome("run", Err(error));
    }
    report.end()
}

/// Prints a line; nobody may be reading any more.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
