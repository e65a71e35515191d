//! The suite, run on the store in memory: it tests the suite as much as the store.

use crate::memory::Memory;

basalt_store::conformance_tests!(Memory::default);
