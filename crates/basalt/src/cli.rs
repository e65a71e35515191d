//! Commands and flags.
#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help text, which has no markup"
)]

use crate::{app, check, job, logs, queue, settings, transfer, up};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// A backend for mobile and web apps in one program.
#[derive(Debug, Parser)]
#[command(name = "basalt", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Settings that have a flag; all others are in the file or the environment.
#[derive(Args, Clone, Debug, Default)]
pub struct Flags {
    /// Folder of the embedded store, files and keys [BASALT_DATA_DIR; ./basalt-data]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// Address of the public port; port 0 picks a free one [BASALT_LISTEN; 127.0.0.1:1337]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Settings file in TOML [BASALT_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<String>,
    /// development or production [BASALT_MODE; production]
    #[arg(long, value_name = "MODE")]
    pub mode: Option<String>,
    /// The address that links and callbacks use [BASALT_PUBLIC_URL]
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// PostgreSQL as the store of one or several servers [BASALT_DATABASE_URL; SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Bus between nodes that share a database [BASALT_NATS_URL]
    #[arg(long, value_name = "URL")]
    pub nats_url: Option<String>,
    /// S3-compatible storage for files; not available in this version [BASALT_BLOB_URL]
    #[arg(long, value_name = "URL", hide_short_help = true)]
    pub blob_url: Option<String>,
}

impl Flags {
    /// Those that were given.
    pub fn given(&self) -> Vec<(String, String)> {
        let all = [
            ("--data-dir", &self.data_dir),
            ("--listen", &self.listen),
            ("--config", &self.config),
            ("--mode", &self.mode),
            ("--public-url", &self.public_url),
            ("--database-url", &self.database_url),
            ("--nats-url", &self.nats_url),
            ("--blob-url", &self.blob_url),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(flag, value)| Some((flag.to_owned(), value.clone()?)))
            .collect()
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server
    #[command(
        after_help = "Example: basalt serve --data-dir /var/lib/basalt --listen 0.0.0.0:1337"
    )]
    Serve {
        #[command(flatten)]
        flags: Flags,
    },
    /// Run the server in development mode, with a few sample objects
    #[command(after_help = "Example: basalt dev --listen 127.0.0.1:0")]
    Dev {
        #[command(flatten)]
        flags: Flags,
    },
    /// Make, list and clear apps, and print their keys
    #[command(subcommand, after_help = "Example: basalt app keys main")]
    App(AppCommand),
    /// Print settings
    #[command(subcommand, after_help = "Example: basalt config print --effective")]
    Config(ConfigCommand),
    /// Look for unwise settings; fails if something is wrong
    #[command(after_help = "Example: basalt doctor --config /etc/basalt.toml")]
    Doctor {
        #[command(flatten)]
        flags: Flags,
    },
    /// Show what functions and hooks of an app have logged; works while the server runs
    #[command(after_help = "Example: basalt logs --follow --level error")]
    Logs {
        /// Its id; the first app if not given
        id: Option<String>,
        /// Go on with new lines until interrupted
        #[arg(long)]
        follow: bool,
        /// Only lines that matter this much or more: debug, info, warn or error
        #[arg(long, value_name = "LEVEL", default_value = "info")]
        level: String,
        /// How many lines to begin with
        #[arg(long, value_name = "NUMBER", default_value_t = 20)]
        size: usize,
        #[command(flatten)]
        flags: Flags,
    },
    /// Look into the queues of an app, and retry or remove their tasks; works while the server runs
    #[command(subcommand, after_help = "Example: basalt queue list")]
    Queue(QueueCommand),
    /// Look at jobs and schedules, and start, cancel or pause them; works while the server runs
    #[command(subcommand, after_help = "Example: basalt job runs")]
    Job(JobCommand),
    /// Check every database; fails if something is damaged. The server must be stopped
    #[command(after_help = "Example: basalt verify --data-dir /var/lib/basalt")]
    Verify {
        #[command(flatten)]
        flags: Flags,
    },
    /// Write all of an app to one file, to move it to another store. An embedded store's server must
    /// be stopped
    #[command(
        after_help = "Example: basalt export main --out main.basalt --data-dir /var/lib/basalt"
    )]
    Export(Export),
    /// Fill an empty app from such a file
    #[command(after_help = "Example: basalt import main.basalt --data-dir /var/lib/basalt")]
    Import(Import),
}

/// `basalt export`
#[derive(Args, Debug)]
pub struct Export {
    /// The app's id; the first app if not given
    pub app: Option<String>,
    /// The file to write; it holds password hashes, keep it safe
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,
    /// Go on with a file that was broken off, if the app was not written to since
    #[arg(long)]
    pub resume: bool,
    /// Write the app's keys, too
    #[arg(long)]
    pub keys: bool,
    #[command(flatten)]
    pub flags: Flags,
}

/// `basalt import`
#[derive(Args, Debug)]
pub struct Import {
    /// The file to read
    pub file: PathBuf,
    /// Id of the app to fill, made if there is none; the file's if not given
    #[arg(long, value_name = "ID")]
    pub app: Option<String>,
    /// Go on with an import of this file that was broken off
    #[arg(long)]
    pub resume: bool,
    /// Take over the keys that the file holds
    #[arg(long)]
    pub keys: bool,
    /// Only check that the file is whole, and say what it holds
    #[arg(long, conflicts_with_all = ["resume", "keys", "app"])]
    pub dry_run: bool,
    #[command(flatten)]
    pub flags: Flags,
}

/// `basalt app …`
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Make an app that lives in the database, and print its keys. Says how to ask a server that runs
    #[command(
        after_help = "Example: basalt app create shop --rest-key shop-rest-key --parse options.json"
    )]
    Create {
        /// Its id: letters, digits, `.`, `_` and `-`
        id: String,
        /// Key of REST clients
        #[arg(long, value_name = "KEY")]
        rest_key: Option<String>,
        /// Key of JavaScript clients
        #[arg(long, value_name = "KEY")]
        javascript_key: Option<String>,
        /// Key of mobile clients
        #[arg(long, value_name = "KEY")]
        client_key: Option<String>,
        /// Key of .NET clients
        #[arg(long, value_name = "KEY")]
        dotnet_key: Option<String>,
        /// Permissions of classes made without any: open or closed; the mode decides if not given
        #[arg(long, value_name = "WORD", value_parser = ["open", "closed"])]
        new_classes: Option<String>,
        /// JSON file of Parse Server options
        #[arg(long, value_name = "FILE")]
        parse: Option<PathBuf>,
        #[command(flatten)]
        flags: Flags,
    },
    /// List the apps. Says how to ask a server that runs
    #[command(after_help = "Example: basalt app list --data-dir /var/lib/basalt")]
    List {
        #[command(flatten)]
        flags: Flags,
    },
    /// Print the keys of an app; works while the server runs
    #[command(after_help = "Example: basalt app keys main")]
    Keys {
        /// Its id; the first app if not given
        id: Option<String>,
        #[command(flatten)]
        flags: Flags,
    },
    /// Delete every object and class of an app. Says how to ask a server that runs
    #[command(after_help = "Example: basalt app clear main --yes")]
    Clear {
        /// Its id
        id: String,
        /// Really do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        flags: Flags,
    },
}

/// Which app of which server is meant.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// The app's id; the first app if not given
    #[arg(long, value_name = "ID")]
    pub app: Option<String>,
    /// The server to ask, if it is not the one of the settings on this machine
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub flags: Flags,
}

/// Which tasks of a queue are meant.
#[derive(Args, Clone, Debug)]
pub struct Picked {
    /// The queue's name
    pub queue: String,
    /// These tasks; may be given more than once. The dead ones if nothing says which
    #[arg(long = "id", value_name = "NUMBER", conflicts_with = "idle")]
    pub ids: Vec<u64>,
    /// Those that wait
    #[arg(long)]
    pub idle: bool,
}

/// `basalt queue …`
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List the queues: how many tasks wait, are leased, held by their group or dead, and how late
    #[command(after_help = "Example: basalt queue list --app main")]
    List {
        #[command(flatten)]
        target: Target,
    },
    /// Show tasks of a queue with their attempts and why the last one failed, up to 100
    #[command(after_help = "Example: basalt queue peek basalt.hooks --dead")]
    Peek {
        /// The queue's name
        queue: String,
        /// Dead tasks instead of those that wait or are leased
        #[arg(long)]
        dead: bool,
        /// Only tasks with larger numbers
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        #[command(flatten)]
        target: Target,
    },
    /// Make tasks visible now, dead ones with all their attempts again
    #[command(after_help = "Example: basalt queue retry basalt.hooks")]
    Retry {
        #[command(flatten)]
        picked: Picked,
        #[command(flatten)]
        target: Target,
    },
    /// Remove tasks for good
    #[command(after_help = "Example: basalt queue purge basalt.hooks --id 17 --id 18")]
    Purge {
        #[command(flatten)]
        picked: Picked,
        /// All of them, those in work included
        #[arg(long, conflicts_with_all = ["ids", "idle"])]
        all: bool,
        #[command(flatten)]
        target: Target,
    },
}

/// `basalt job …`
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Show the last runs, newest first
    #[command(after_help = "Example: basalt job runs --schedule aB3dE6gH9k")]
    Runs {
        /// Only those of this schedule
        #[arg(long, value_name = "ID")]
        schedule: Option<String>,
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = 20)]
        limit: u64,
        #[command(flatten)]
        target: Target,
    },
    /// Start a job, or the job of a schedule with its parameters, and print the id of its run
    #[command(after_help = "Example: basalt job start nightly --params '{\"days\":7}'")]
    Start {
        /// The job's name
        #[arg(required_unless_present = "schedule")]
        name: Option<String>,
        /// The schedule's id
        #[arg(long, value_name = "ID", conflicts_with_all = ["name", "params"])]
        schedule: Option<String>,
        /// Parameters as a JSON object
        #[arg(long, value_name = "JSON")]
        params: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Cancel a run that waits or is under way
    #[command(after_help = "Example: basalt job cancel aB3dE6gH9k")]
    Cancel {
        /// The run's id
        run: String,
        #[command(flatten)]
        target: Target,
    },
    /// List the schedules with their next runs
    #[command(after_help = "Example: basalt job schedules")]
    Schedules {
        #[command(flatten)]
        target: Target,
    },
    /// Pause a schedule
    #[command(after_help = "Example: basalt job pause aB3dE6gH9k")]
    Pause {
        /// The schedule's id
        schedule: String,
        #[command(flatten)]
        target: Target,
    },
    /// Let a paused schedule go on
    #[command(after_help = "Example: basalt job resume aB3dE6gH9k")]
    Resume {
        /// The schedule's id
        schedule: String,
        #[command(flatten)]
        target: Target,
    },
}

/// `basalt config …`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print what a server would run with and where each value comes from
    #[command(after_help = "Example: basalt config print --default > basalt.toml")]
    Print {
        /// Print every setting with its default instead
        #[arg(long, conflicts_with = "effective")]
        default: bool,
        /// Print what a server would run with; this is the default
        #[arg(long)]
        effective: bool,
        #[command(flatten)]
        flags: Flags,
    },
    /// Write the generated pages of the documentation
    #[command(hide = true, after_help = "Example: basalt config docs docs")]
    Docs {
        /// Folder to write to
        #[arg(default_value = "docs")]
        folder: PathBuf,
    },
}

impl Cli {
    /// Does what was asked for.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve { flags } => up::serve(&flags),
            Command::Dev { flags } => up::dev(&flags),
            Command::App(command) => app::run(command),
            Command::Config(command) => settings::run(command),
            Command::Doctor { flags } => check::doctor(&flags),
            Command::Logs {
                id,
                follow,
                level,
                size,
                flags,
            } => logs::run(id, follow, &level, size, &flags),
            Command::Queue(command) => queue::run(&command),
            Command::Job(command) => job::run(&command),
            Command::Verify { flags } => check::verify(&flags),
            Command::Export(arguments) => transfer::export(&arguments),
            Command::Import(arguments) => transfer::import(&arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_has_help_with_an_example() {
        fn check(command: &clap::Command) {
            command.get_subcommands().for_each(check);
            let name = command.get_name();
            if name != "basalt" && name != "help" {
                assert!(command.get_about().is_some(), "{name}");
                let example = command.get_after_help().map(ToString::to_string);
                assert!(
                    example.is_some_and(|text| text.starts_with("Example: basalt ")),
                    "{name}"
                );
            }
        }
        let command = Cli::command();
        command.clone().debug_assert();
        check(&command);
    }
}
