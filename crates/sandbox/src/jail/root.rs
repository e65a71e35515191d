//! Namespaces of its own, with nothing in them.

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{chdir, getgid, getuid, pivot_root};
use rustix::thread::UnshareFlags;
use std::io;

/// Leaves the namespaces of the system. Without the privilege for it, by way of a user namespace.
pub fn unshare() -> bool {
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWCGROUP;
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    if !leave(flags) {
        return false;
    }
    // Mounting needs users that exist. Failing here costs the empty root and nothing else.
    let _ = std::fs::write("/proc/self/setgroups", "deny");
    let _ = std::fs::write("/proc/self/uid_map", format!("0 {user} 1"));
    let _ = std::fs::write("/proc/self/gid_map", format!("0 {group} 1"));
    true
}

#[expect(unsafe_code, reason = "leaving namespaces by the system call")]
fn leave(flags: UnshareFlags) -> bool {
    // SAFETY: unsharing descriptors or memory is what could break safe code; neither is asked for,
    // and there is one thread.
    unsafe { rustix::thread::unshare_unsafe(flags) }.is_ok()
}

/// Takes an empty, read-only file system as the root and lets go of the other one.
pub fn empty() -> bool {
    change().is_ok()
}

fn change() -> io::Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Any folder that is on every system; it is covered in our view only.
    let over = "/proc";
    mount(
        "basalt",
        over,
        "tmpfs",
        flags,
        c"size=4k,nr_inodes=1,mode=555",
    )?;
    chdir(over)?;
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    mount_remount("/", flags | MountFlags::RDONLY, c"")?;
    chdir("/")?;
    Ok(())
}
