//! Counters for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! stats {
    ($($field:ident $doc:literal;)*) => {
        /// Live counters; cheap to bump from any thread.
        #[derive(Debug, Default)]
        pub struct Stats { $(pub(crate) $field: AtomicU64,)* }

        /// The counters at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct StatsView { $(#[doc = $doc] pub $field: u64,)* }

        impl Stats {
            /// The counters now.
            pub fn view(&self) -> StatsView {
                StatsView { $($field: self.$field.load(Ordering::Relaxed),)* }
            }
        }
    };
}

stats! {
    connections_open "Connections that are open.";
    connections_total "Connections accepted since the start.";
    refused_total "Connections closed at once because there were too many.";
    refused_per_ip_total "Connections closed at once because their address had too many.";
    accept_errors_total "Times that accepting failed, as for want of file descriptors.";
    handshake_failures_total "TLS handshakes that failed.";
    malformed_total "Requests refused because their framing was ambiguous.";
    panics_total "Requests whose handling panicked.";
    timeouts_total "Requests that ran past their time.";
    slow_peers_total "Connections closed because the peer was too slow.";
}

pub(crate) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
