//! The command line of the project's own tools: `cargo xtask tidy`, `cargo xtask codegen`.

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  tidy      check the house rules; prints every violation and fails if there is one
  codegen   rewrite the documentation that is generated from code

example: cargo xtask tidy
";

fn main() -> Result<ExitCode> {
    let command = std::env::args().nth(1).unwrap_or_default();
    match command.as_str() {
        "tidy" => tidy(),
        "codegen" => codegen(),
        _ => {
            eprint!("{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

fn tidy() -> Result<ExitCode> {
    let report = xtask::tidy::run(&xtask::tree::root()?)?;
    for line in &report.figures {
        println!("{line}");
    }
    for problem in &report.problems {
        eprintln!("{problem}");
    }
    if report.problems.is_empty() {
        println!("tidy: clean");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} problems", report.problems.len());
    Ok(ExitCode::FAILURE)
}

fn codegen() -> Result<ExitCode> {
    for path in xtask::codegen::write(&xtask::tree::root()?)? {
        println!("wrote {path}");
    }
    Ok(ExitCode::SUCCESS)
}
