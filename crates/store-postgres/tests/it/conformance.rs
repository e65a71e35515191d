//! The suite that every store passes.

use crate::support::{Perhaps, Place};

basalt_store::conformance_tests!(|| Perhaps(Place::new()));
basalt_store::cluster_conformance_tests!(|| Perhaps(Place::new()));
basalt_store::task_conformance_tests!(|| Perhaps(Place::new()));
