//! The suite, run on the store in memory: it tests the suite as much as the store.

use crate::tests::memory::Memory;

crate::conformance_tests!(Memory::default);
crate::cluster_conformance_tests!(Memory::default);
crate::task_conformance_tests!(Memory::default);
