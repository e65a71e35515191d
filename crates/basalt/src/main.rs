//! The Basalt binary.
fn main() {}
