//! House rules as tests, and generated documentation.
//!
//! `cargo xtask tidy` checks what the compiler and clippy can't: which crate may depend on which,
//! how long files and functions are, that the documentation names files that exist.
//! `cargo xtask codegen` rewrites the documentation that is derived from code.
//!
//! Each check is a pure function over files in memory, with unit tests that show it failing;
//! reading the disk and calling cargo happens in [`tree`] and [`cargo`] only. To add a check,
//! write the function beside its kin in [`tidy`] and name it in `tidy::run`.

pub mod cargo;
pub mod codegen;
pub mod functions;
pub mod rust;
pub mod tidy;
pub mod tree;
