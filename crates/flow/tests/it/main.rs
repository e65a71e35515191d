//! The queue engine: its decisions under a seeded simulator, its workers on a real store.

mod jobs;
mod plans;
mod simulator;
mod workers;
