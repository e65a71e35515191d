//! Folders, the lock file, and making directory entries durable.

use crate::error::io;
use basalt_base::{Error, Reason, Result};
use basalt_store::StoreId;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// The data directory, held for one server by an OS lock that ends with the process.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the directory when needed and locks it; `StoreLocked` when another server has it.
    pub(crate) fn lock(path: &Path) -> Result<Self> {
        fs::create_dir_all(path.join("apps")).map_err(io)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::new(
                    Reason::StoreLocked,
                    "Another server is using this data directory.",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        sync_dir(path)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// The registry's file.
    pub(crate) fn system_file(&self) -> PathBuf {
        self.path.join("system.db")
    }

    /// The folder of an app.
    pub(crate) fn app_dir(&self, id: StoreId) -> PathBuf {
        self.path.join("apps").join(id.0.to_string())
    }

    /// Makes the folder of an app and its entry durable, and returns the database file's path.
    pub(crate) fn make_app_dir(&self, id: StoreId) -> Result<PathBuf> {
        let dir = self.app_dir(id);
        if !dir.is_dir() {
            fs::create_dir_all(&dir).map_err(io)?;
            sync_dir(&self.path.join("apps"))?;
        }
        Ok(dir.join("data.db"))
    }

    /// Deletes the folder of an app. Renames it first, so that no half-deleted app can be opened.
    pub(crate) fn remove_app_dir(&self, id: StoreId) -> Result<()> {
        let dir = self.app_dir(id);
        if !dir.is_dir() {
            return Ok(());
        }
        let apps = self.path.join("apps");
        let doomed = apps.join(format!("{}.deleted", id.0));
        if doomed.is_dir() {
            fs::remove_dir_all(&doomed).map_err(io)?;
        }
        fs::rename(&dir, &doomed).map_err(io)?;
        sync_dir(&apps)?;
        fs::remove_dir_all(&doomed).map_err(io)?;
        sync_dir(&apps)
    }
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io)
}
