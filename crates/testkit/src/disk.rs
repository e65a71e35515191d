//! File systems that can be filled, and that can lose their power. All of it needs root.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Bytes written at a time when filling a disk.
const FILL_BYTES: usize = 4096;

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub struct Mount {
    point: PathBuf,
}

impl Mount {
    /// A file system of `mib` MiB in memory, at a folder that exists.
    pub fn memory(point: &Path, mib: u64) -> anyhow::Result<Self> {
        let size = format!("size={mib}m");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], &[point])?;
        Ok(Self {
            point: point.to_owned(),
        })
    }

    /// The ext4 file system in the file `image`, at a folder that exists. A journal is replayed.
    pub fn image(image: &Path, point: &Path) -> anyhow::Result<Self> {
        run("mount", &["-t", "ext4", "-o", "loop"], &[image, point])?;
        Ok(Self {
            point: point.to_owned(),
        })
    }

    /// Takes the power away: what was not flushed is lost, every later access fails.
    pub fn cut(&self) -> anyhow::Result<()> {
        run("xfs_io", &["-x", "-c", "shutdown"], &[&self.point])
    }

    /// Unmounts; an error if files are still open.
    pub fn unmount(self) -> anyhow::Result<()> {
        let point = self.point.clone();
        std::mem::forget(self);
        run("umount", &[], &[&point])
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily, so that a failed test leaves nothing behind.
        let _ = run("umount", &["--lazy"], &[&self.point]);
    }
}

/// Makes `image` a file of `mib` MiB with an empty ext4 file system.
pub fn make_image(image: &Path, mib: u64) -> anyhow::Result<()> {
    File::create(image)?.set_len(mib << 20)?;
    run("mkfs.ext4", &["-q", "-F"], &[image])
}

/// A file that takes all the space there is.
#[derive(Debug)]
pub struct Ballast {
    file: PathBuf,
}

impl Ballast {
    /// Fills the disk of `folder`.
    pub fn fill(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("ballast");
        let mut file = File::create(&path)?;
        let ballast = Self { file: path };
        loop {
            match file.write(&[1; FILL_BYTES]) {
                Ok(0) => return Ok(ballast),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    return Ok(ballast);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn run(program: &str, arguments: &[&str], paths: &[&Path]) -> anyhow::Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .args(paths)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} cannot be run; is its package installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {arguments:?} {paths:?}: {}", said.trim());
    }
    Ok(())
}
