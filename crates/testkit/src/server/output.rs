//! What a child process says.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::Context;

/// Enough to see what went wrong, too little to fill the memory.
const LOG_LINES_MAX: usize = 200;

type Tail = Arc<Mutex<VecDeque<String>>>;

/// Both outputs of a child, read by two threads so that it never waits for us.
#[derive(Debug)]
pub struct Output {
    /// The lines of standard output; the channel ends with the process.
    pub lines: Receiver<String>,
    tail: Tail,
    log_reader: Option<JoinHandle<()>>,
}

impl Output {
    /// Begins to read.
    pub fn of(child: &mut Child) -> anyhow::Result<Self> {
        let stdout = child.stdout.take().context("the output is not piped")?;
        let stderr = child.stderr.take().context("the log is not piped")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { return };
                // Nobody may listen any more; the pipe must be emptied all the same.
                let _ = sender.send(line);
            }
        });
        let tail = Tail::default();
        let kept = Arc::clone(&tail);
        let log_reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { return };
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() == LOG_LINES_MAX {
                    kept.pop_front();
                }
                kept.push_back(line);
            }
        });
        Ok(Self {
            lines,
            tail,
            log_reader: Some(log_reader),
        })
    }

    /// The last lines of standard error so far.
    pub fn tail(&self) -> String {
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<&str> = tail.iter().map(String::as_str).collect();
        lines.join("\n")
    }

    /// The last lines of standard error of a process that has ended.
    pub fn log(&mut self) -> String {
        if let Some(reader) = self.log_reader.take() {
            let _ = reader.join();
        }
        self.tail()
    }
}
