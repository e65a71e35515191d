//! Means for tests: starting the real server, talking to it, killing it, and saying whether it kept
//! its promises.
//!
//! Two commands use them first: `crash` (`kill -9` under load, a few checks beside it; part of
//! `script/test`) and `powercut` (the same over a file system that loses what was not flushed; needs
//! root). They know the server from outside only: its command line, its ready line and the Parse
//! protocol.
//!
//! A third one, `cluster`, does the same to servers behind a balancer, in network namespaces: it kills,
//! freezes and cuts off, and checks that sessions end everywhere in time.
//!
//! A run goes in rounds: [`load`] sends writes from many threads and notes each in a
//! [`history::History`]; the server dies; it starts again; [`check`] compares what it serves with
//! what it had acknowledged. To add a kind of write: a function in `load`, what was promised for it
//! in `history`, and a function in `check` with a test that it sees a broken promise.

pub mod arguments;
pub mod check;
pub mod checks;
pub mod cluster;
pub mod copy;
pub mod disk;
pub mod draw;
pub mod history;
pub mod http;
pub mod load;
pub mod parse;
pub mod report;
pub mod round;
pub mod server;
pub mod tasks;
pub mod wait;
pub mod wal;
