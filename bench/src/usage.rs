//! Processor time and memory of a process with all its descendants, from `/proc`.

use std::fs;
use std::ops::Sub;

/// What a process tree has used so far, in milliseconds of processor time.
#[derive(Clone, Copy, Default)]
pub struct Cpu {
    pub ms: f64,
}

impl Sub for Cpu {
    type Output = f64;

    fn sub(self, earlier: Self) -> f64 {
        self.ms - earlier.ms
    }
}

struct Stat {
    pid: u32,
    parent: u32,
    own_ticks: u64,
    reaped_ticks: u64,
}

/// User and system time of the trees under `roots`. Children that ended count through the parent
/// that waited for them, so the sum never falls. The kernel's tick is 10 ms.
pub fn cpu(roots: &[u32]) -> Cpu {
    let ticks: u64 = trees(roots)
        .iter()
        .map(|stat| stat.own_ticks + stat.reaped_ticks)
        .sum();
    Cpu { ms: to_ms(ticks) }
}

/// The load generator's own time, without its children.
pub fn own_cpu() -> Cpu {
    let ticks = stat(std::process::id()).map_or(0, |stat| stat.own_ticks);
    Cpu { ms: to_ms(ticks) }
}

/// Memory of the trees under `roots` in MB (10^6 bytes): proportional (Pss) where the kernel tells
/// it, else resident, which counts shared pages once for every process.
pub fn memory_mb(roots: &[u32]) -> f64 {
    let kib: u64 = trees(roots)
        .iter()
        .map(|stat| {
            field_kib(stat.pid, "smaps_rollup", "Pss:")
                .or_else(|| field_kib(stat.pid, "status", "VmRSS:"))
                .unwrap_or(0)
        })
        .sum();
    kib as f64 * 1024.0 / 1e6
}

fn to_ms(ticks: u64) -> f64 {
    ticks as f64 * 1000.0 / rustix::param::clock_ticks_per_second() as f64
}

fn field_kib(pid: u32, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn trees(roots: &[u32]) -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut rest: Vec<Stat> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(stat)
        .collect();
    let mut members: Vec<Stat> = rest
        .extract_if(.., |stat| roots.contains(&stat.pid))
        .collect();
    let mut next = 0;
    while next < members.len() {
        let parent = members[next].pid;
        members.extend(rest.extract_if(.., |stat| stat.parent == parent));
        next += 1;
    }
    members
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command may hold spaces and brackets; what follows its last bracket is numbers.
    let (_, numbers) = text.rsplit_once(')')?;
    let fields: Vec<&str> = numbers.split_ascii_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        own_ticks: ticks(11)? + ticks(12)?,
        reaped_ticks: ticks(13)? + ticks(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_process() {
        let own = stat(std::process::id()).unwrap();
        assert_eq!(own.pid, std::process::id());
        assert!(memory_mb(&[own.pid]) > 0.1);
    }
}
