//! What server and worker say to each other: a length, a kind, and fields in order. All numbers
//! are little-endian; texts and bodies are bytes with their length before them.
//!
//! Whatever comes from the worker is from somebody who may have been taken over: lengths are
//! checked before anything is kept, and what can't be read ends the worker.

mod read;
mod write;

pub use read::{Decoder, Malformed};

/// The version that both ends must speak; they are the same program, unless it was replaced.
pub const VERSION: u16 = 1;
/// Largest frame in bytes, its kind included.
pub const FRAME_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path below the bundle's folder, with `/` between parts.
    pub path: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// A bundle: the code of one version of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The file that runs first.
    pub entry: String,
    /// All files.
    pub files: Vec<File>,
    /// What code is told of its app: JSON.
    pub about: Vec<u8>,
    /// Most bytes that code may hold.
    pub memory_bytes_max: u64,
    /// Longest stretch of code without a pause, in milliseconds.
    pub slice_millis_max: u32,
}

/// From the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Load this code; the first order, and given once.
    Load(Bundle),
    /// Run something.
    Invoke {
        /// Its number.
        id: u64,
        /// How long it may take, in milliseconds.
        millis_max: u32,
        /// `function`, `job`, or the name of a trigger.
        kind: String,
        /// The function, job or class.
        name: String,
        /// What it is told: JSON.
        request: Vec<u8>,
    },
    /// The answer to a call.
    Answer {
        /// The call's number.
        call: u64,
        /// Whether it succeeded.
        ok: bool,
        /// The answer, or the error: JSON.
        body: Vec<u8>,
    },
    /// Nobody waits for this any more; what it still does is to end.
    Cancel {
        /// The invocation's number.
        id: u64,
    },
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered.
    Success,
    /// It threw.
    Error,
    /// It was stopped: too long without a pause.
    Interrupted,
    /// It has used up the memory.
    OutOfMemory,
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is locked in and waits for its code.
    Ready {
        /// What it speaks.
        version: u16,
        /// What it achieved, see [`crate::Jail::of_bits`].
        jail: u8,
    },
    /// The code is loaded; what it declared, as JSON.
    Loaded {
        /// JSON.
        declared: Vec<u8>,
    },
    /// The code can't be loaded.
    Refused {
        /// Why, with file, line and column as far as they are known.
        message: String,
    },
    /// The end of an invocation.
    Done {
        /// Its number.
        id: u64,
        /// How it ended.
        outcome: Outcome,
        /// The answer, or the error: JSON.
        body: Vec<u8>,
        /// The context, if code changed it: JSON.
        context: Vec<u8>,
        /// Processor time in microseconds.
        cpu_micros: u64,
        /// Bytes that code held at the end.
        memory_bytes: u64,
        /// Whether timers or calls of it are left, so that more may come of it.
        open: bool,
    },
    /// Something that only the server can do.
    Call {
        /// The call's number.
        call: u64,
        /// The invocation that asks; 0 while loading.
        id: u64,
        /// What.
        what: String,
        /// JSON.
        body: Vec<u8>,
    },
    /// A line for the log.
    Log {
        /// The invocation that says it; 0 while loading.
        id: u64,
        /// `debug`, `info`, `warn` or `error`.
        level: String,
        /// The line.
        text: String,
    },
    /// Processor time after the end of an invocation, in microseconds.
    Late {
        /// Its number.
        id: u64,
        /// Microseconds.
        cpu_micros: u64,
    },
}

#[cfg(test)]
mod tests;
