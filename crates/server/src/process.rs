//! What the process uses, from `/proc`.

/// Readings of this process.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Resident memory in bytes.
    pub resident_bytes: u64,
    /// Processor time in seconds, user and system.
    pub cpu_seconds: f64,
    /// Open file descriptors.
    pub descriptors: u64,
    /// Threads.
    pub threads: u64,
}

/// The kernel reports times in hundredths of a second on every platform that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The usage now; zeroes where the system does not tell.
pub(crate) fn usage() -> Usage {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|rest| rest.split_whitespace().next());
        number
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or_default()
    };
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name in the second field may hold spaces; times are fields 14 and 15.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: f64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    Usage {
        resident_bytes: number("VmRSS:") * 1024,
        cpu_seconds: ticks / TICKS_PER_SECOND,
        descriptors: descriptors as u64,
        threads: number("Threads:"),
    }
}

/// Raises the limit of open files as far as allowed; returns it.
pub(crate) fn raise_descriptor_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

/// Turns huge pages off for this process. The allocator asks for them, and a server that is mostly
/// idle then keeps 13 MB resident of which it uses 3. To be called first.
pub fn spare_memory() {
    // An old kernel or a strict sandbox may refuse; then it is only memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_process() {
        let usage = usage();
        assert!(usage.resident_bytes > 1_000_000 && usage.descriptors > 2 && usage.threads > 0);
    }
}
