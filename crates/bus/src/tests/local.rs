//! The bus within a process.

use crate::conformance::Harness;
use crate::{Bus, LocalBus};
use basalt_base::BoxFuture;
use std::sync::Arc;

struct Process(Arc<LocalBus>);

impl Harness for Process {
    fn join(&self) -> BoxFuture<'_, Arc<dyn Bus>> {
        let bus: Arc<dyn Bus> = self.0.clone();
        Box::pin(async { bus })
    }

    fn elsewhere(&self) -> BoxFuture<'_, Arc<dyn Bus>> {
        Box::pin(async { LocalBus::new() as Arc<dyn Bus> })
    }
}

crate::conformance_tests!(|| Some(Process(LocalBus::new())));
