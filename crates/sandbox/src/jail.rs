//! Locking a worker in, from inside. Nothing here runs in the server's process.

mod filter;
mod root;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

/// How much stands between a worker and the machine. Ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Next to nothing: some part of the system call filter is missing.
    None,
    /// System calls but for those of a calculator are refused: no file, no socket, no process can
    /// be opened or started.
    Filter,
    /// Also the kernel's rules for files and networks (Landlock), or an empty root without any.
    Contained,
    /// All of it: the filter, Landlock, and namespaces of its own with an empty root.
    Full,
}

impl Level {
    /// All, least first.
    pub const ALL: [Self; 4] = [Self::None, Self::Filter, Self::Contained, Self::Full];

    /// Its name in settings, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Filter => "filter",
            Self::Contained => "contained",
            Self::Full => "full",
        }
    }

    /// The level of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }
}

/// What a jail is to allow.
#[derive(Clone, Copy, Debug, Default)]
pub struct JailOptions {
    /// Most bytes of the stack, 0 for the system's.
    pub stack_bytes: u64,
}

/// What was achieved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jail {
    /// It can gain no privilege by starting programs, and has none left.
    pub no_privileges: bool,
    /// User, mount, network, IPC and host name namespaces of its own.
    pub namespaces: bool,
    /// Its root is an empty, read-only file system.
    pub empty_root: bool,
    /// Landlock refuses every file and network.
    pub landlock: bool,
    /// The filter of system calls is in force.
    pub filter: bool,
    /// Limits of descriptors, files and core dumps.
    pub limits: bool,
}

impl Jail {
    /// The level that this amounts to.
    pub fn level(self) -> Level {
        if !(self.filter && self.no_privileges && self.limits) {
            Level::None
        } else if self.landlock && self.namespaces && self.empty_root {
            Level::Full
        } else if self.landlock || self.empty_root {
            Level::Contained
        } else {
            Level::Filter
        }
    }

    /// As a byte of a frame.
    pub fn to_bits(self) -> u8 {
        let parts = self.parts();
        let bits = parts.iter().enumerate();
        bits.fold(0, |bits, (n, (_, on))| bits | (u8::from(*on) << n))
    }

    /// From a byte of a frame.
    pub fn of_bits(bits: u8) -> Self {
        let bit = |n: u8| bits & (1 << n) != 0;
        Self {
            no_privileges: bit(0),
            namespaces: bit(1),
            empty_root: bit(2),
            landlock: bit(3),
            filter: bit(4),
            limits: bit(5),
        }
    }

    /// Each part by its name.
    pub fn parts(self) -> [(&'static str, bool); 6] {
        [
            ("no_privileges", self.no_privileges),
            ("namespaces", self.namespaces),
            ("empty_root", self.empty_root),
            ("landlock", self.landlock),
            ("filter", self.filter),
            ("limits", self.limits),
        ]
    }
}

/// Locks this process in for good, as far as the system allows. To be called by a worker first,
/// before there is a second thread. Keeps standard input and what was mapped; everything else is
/// closed.
pub fn enter(_options: JailOptions) -> Jail {
    let mut jail = Jail::default();
    close_descriptors();
    jail.namespaces = root::unshare();
    jail.empty_root = jail.namespaces && root::empty();
    jail.limits = limit();
    jail.no_privileges = set_no_new_privs(true).is_ok() && drop_capabilities();
    jail.landlock = landlock();
    // Nobody of the same user may look into it or stop it as a debugger.
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok();
    jail.no_privileges &= hidden;
    jail.filter = filter::apply();
    jail
}

fn limit() -> bool {
    // Descriptors: the socket and nothing new. Files and core dumps: none.
    let limits = [
        (Resource::Nofile, 1),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
        (Resource::Memlock, 0),
        (Resource::Msgqueue, 0),
    ];
    let set = |(resource, max): (Resource, u64)| {
        let limit = Rlimit {
            current: Some(max),
            maximum: Some(max),
        };
        setrlimit(resource, limit).is_ok()
    };
    // All of them, also when one fails.
    limits.map(set).into_iter().all(|ok| ok)
}

fn drop_capabilities() -> bool {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, none).is_ok()
}

/// Refuses every file, network and signal to others that this kernel's Landlock knows.
fn landlock() -> bool {
    let abi = ABI::V6;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create);
    let Ok(ruleset) = ruleset else {
        return false;
    };
    let status = ruleset.restrict_self();
    status.is_ok_and(|status| !matches!(status.ruleset, RulesetStatus::NotEnforced))
}

#[expect(unsafe_code, reason = "closing what no owner in this process knows of")]
fn close_descriptors() {
    // SAFETY: the worker has just begun and has opened nothing itself; 1 and 2 are the null device
    // or somebody's terminal, and nobody in this process writes there.
    unsafe {
        libc::syscall(libc::SYS_close_range, 1_u32, u32::MAX, 0_u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_tell_all_parts() {
        for bits in 0..64 {
            assert_eq!(Jail::of_bits(bits).to_bits(), bits);
        }
    }

    #[test]
    fn levels_need_the_filter() {
        let all = Jail::of_bits(63);
        assert_eq!(all.level(), Level::Full);
        let open = Jail {
            filter: false,
            ..all
        };
        assert_eq!(open.level(), Level::None);
        let bare = Jail {
            namespaces: false,
            empty_root: false,
            landlock: false,
            ..all
        };
        assert_eq!(bare.level(), Level::Filter);
        let half = Jail {
            landlock: true,
            ..bare
        };
        assert_eq!(half.level(), Level::Contained);
        assert!(Level::Full > Level::Contained && Level::Filter > Level::None);
        for level in Level::ALL {
            assert_eq!(Level::named(level.name()), Some(level));
        }
    }
}
