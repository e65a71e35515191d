//! Keys on disk: generated ones, and those of apps that live in the database.

use crate::config::{AppSettings, Mode, Settings, invalid};
use basalt_base::{Error, Result, Rng, Secret, token_hex};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The keys of one app.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppKeys {
    pub api: basalt_api_parse::Keys,
    pub webhook: Option<Secret>,
}

/// File of the operator's token. No app has a folder of this name: ids start with a letter or digit.
const OPERATOR_TOKEN: &str = "_operator-token";

/// Bytes of randomness in a generated key.
const KEY_BYTES: usize = 24;

/// Keys that examples and tutorials use, in lower case.
const WELL_KNOWN: &[&str] = &[
    "test",
    "master",
    "masterkey",
    "master_key",
    "master-key",
    "mymasterkey",
    "my-master-key",
    "your_master_key",
    "your-master-key",
    "yourmasterkey",
    "your_master_key_here",
    "replace_me",
    "changeme",
    "change_me",
    "change-me",
    "secret",
    "password",
    "admin",
    "key",
    "12345",
    "123456",
    "12345678",
    "example",
    "maintenancekey",
    "readonlymasterkey",
    "read-only-test",
    "testing",
];
/// Shorter keys can be guessed.
const KEY_CHARS_MIN: usize = 8;

/// Where keys lie.
#[derive(Clone, Debug)]
pub(crate) struct KeyStore {
    folder: PathBuf,
    /// Whether missing keys are generated.
    generates: bool,
}

impl KeyStore {
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("keys"),
            generates: true,
        }
    }

    /// The same, but only for looking: what is not there stays unset.
    pub(crate) fn for_looking(data_dir: &Path) -> Self {
        Self {
            generates: false,
            ..Self::of(data_dir)
        }
    }

    /// The keys of an app: those of the settings, then those on disk; the server's own ones are
    /// generated when neither has them.
    pub(crate) fn app(&self, app: &AppSettings, rng: &dyn Rng) -> Result<AppKeys> {
        let folder = self.folder.join(&app.id);
        let mut made = false;
        let mut own = |given: &Option<Secret>, name: &str| {
            if let Some(secret) = given {
                return Ok(Some(secret.clone()));
            }
            if !self.generates {
                return read(&folder.join(name));
            }
            let (key, is_new) = read_or_make(&folder, name, rng)?;
            made |= is_new;
            Ok(Some(key))
        };
        let client = |given: &Option<Secret>, name: &str| match given {
            Some(secret) => Ok(Some(secret.clone())),
            None => read(&folder.join(name)),
        };
        let keys = AppKeys {
            webhook: own(&app.webhook_key, "webhook")?,
            api: basalt_api_parse::Keys {
                master: own(&app.master_key, "master")?,
                read_only_master: own(&app.read_only_master_key, "read_only_master")?,
                maintenance: own(&app.maintenance_key, "maintenance")?,
                rest: client(&app.rest_key, "rest")?,
                javascript: client(&app.javascript_key, "javascript")?,
                client: client(&app.client_key, "client")?,
                windows: client(&app.dotnet_key, "dotnet")?,
            },
        };
        if made {
            sync(&folder)?;
        }
        Ok(keys)
    }

    /// Whether there are keys of an app.
    pub(crate) fn knows(&self, app: &str) -> bool {
        crate::config::is_app_id(app) && self.folder.join(app).is_dir()
    }

    /// Keeps a client key of an app that lives in the database.
    pub(crate) fn keep(&self, app: &str, name: &str, key: &Secret) -> Result<()> {
        let folder = self.folder.join(app);
        write(&folder, name, key.expose())?;
        sync(&folder)
    }

    /// Writes down the keys that an app's nodes share, where this node has others.
    pub(crate) fn mirror(&self, app: &str, kept: &[(String, Secret)]) -> Result<()> {
        let folder = self.folder.join(app);
        let mut changed = false;
        for (name, key) in kept {
            if read(&folder.join(name))?.as_ref() != Some(key) {
                write(&folder, name, key.expose())?;
                changed = true;
            }
        }
        if changed { sync(&folder) } else { Ok(()) }
    }

    /// The operator's token, generated when the settings have none.
    pub(crate) fn operator_token(&self, settings: &Settings, rng: &dyn Rng) -> Result<Secret> {
        if let Some(token) = &settings.operator_token {
            return Ok(token.clone());
        }
        let (token, is_new) = read_or_make(&self.folder, OPERATOR_TOKEN, rng)?;
        if is_new {
            sync(&self.folder)?;
        }
        Ok(token)
    }
}

/// A key's name without the ending that settings give it.
pub(crate) fn short(name: &str) -> &str {
    name.trim_end_matches("_key")
}

fn slot<'a>(app: &'a mut AppSettings, name: &str) -> Option<&'a mut Option<Secret>> {
    Some(match name {
        "master" => &mut app.master_key,
        "read_only_master" => &mut app.read_only_master_key,
        "maintenance" => &mut app.maintenance_key,
        "webhook" => &mut app.webhook_key,
        "rest" => &mut app.rest_key,
        "javascript" => &mut app.javascript_key,
        "client" => &mut app.client_key,
        "dotnet" => &mut app.dotnet_key,
        _ => return None,
    })
}

/// Whether the settings give a key; `None` for a name that nobody knows.
pub(crate) fn is_given(app: &AppSettings, name: &str) -> Option<bool> {
    slot(&mut app.clone(), name).map(|slot| slot.is_some())
}

/// The names of the keys that every app has and these settings do not give.
pub(crate) fn not_given(app: &AppSettings) -> Vec<&'static str> {
    let own = [
        "master_key",
        "read_only_master_key",
        "maintenance_key",
        "webhook_key",
    ];
    own.into_iter()
        .filter(|name| is_given(app, short(name)) == Some(false))
        .collect()
}

/// The settings of an app with the keys of its row; those that the settings give win.
pub(crate) fn with(mut app: AppSettings, kept: &[(String, Secret)]) -> AppSettings {
    for (name, key) in kept {
        if let Some(slot) = slot(&mut app, name) {
            slot.get_or_insert_with(|| key.clone());
        }
    }
    app
}

/// The keys that neither the settings give nor the row has.
pub(crate) fn lacking(
    app: &AppSettings,
    kept: &[(String, Secret)],
    all: &AppKeys,
) -> Vec<(String, Secret)> {
    let mut given = with(app.clone(), kept);
    let all = named(all).into_iter();
    let lacking = all.filter_map(|(name, key)| {
        let name = short(name);
        let missing = slot(&mut given, name).is_some_and(|slot| slot.is_none());
        missing.then(|| Some((name.to_owned(), key?.clone())))?
    });
    lacking.collect()
}

/// Every key with its name in the settings, for printing and checking.
pub(crate) fn named(keys: &AppKeys) -> [(&'static str, Option<&Secret>); 8] {
    let api = &keys.api;
    [
        ("master_key", api.master.as_ref()),
        ("read_only_master_key", api.read_only_master.as_ref()),
        ("maintenance_key", api.maintenance.as_ref()),
        ("webhook_key", keys.webhook.as_ref()),
        ("rest_key", api.rest.as_ref()),
        ("javascript_key", api.javascript.as_ref()),
        ("client_key", api.client.as_ref()),
        ("dotnet_key", api.windows.as_ref()),
    ]
}

/// The keys that there are, with their names in the settings.
pub(crate) fn given(keys: &AppKeys) -> Vec<(&'static str, Secret)> {
    let all = named(keys).into_iter();
    all.filter_map(|(name, key)| Some((name, key?.clone())))
        .collect()
}

/// Refuses powerful keys that can't be told apart, and in production those that clients have, too,
/// or that anybody can guess. The suites of Parse Server use one text for several keys.
pub(crate) fn check(app: &str, keys: &AppKeys, mode: Mode) -> Result<()> {
    let all = named(keys);
    let powerful = &all[..3];
    for (at, (name, key)) in powerful.iter().enumerate() {
        let Some(key) = key else { continue };
        let same = |(_, other): &&(&str, Option<&Secret>)| *other == Some(key);
        if let Some((other, _)) = all[at + 1..].iter().find(same) {
            let text = format!("`{name}` and `{other}` of app {app} are the same");
            let of_client = !powerful.iter().any(|(name, _)| name == other);
            if mode == Mode::Production || !of_client {
                return Err(invalid(text));
            }
            tracing::warn!("{text}");
        }
        let plain = key.expose().to_ascii_lowercase();
        let guessable = plain.len() < KEY_CHARS_MIN || WELL_KNOWN.contains(&plain.as_str());
        if mode == Mode::Production && guessable {
            return Err(invalid(format!(
                "`{name}` of app {app} is well known or shorter than {KEY_CHARS_MIN} characters: choose another, or leave it out and one is generated"
            )));
        }
    }
    Ok(())
}

/// The key, and whether it is new.
fn read_or_make(folder: &Path, name: &str, rng: &dyn Rng) -> Result<(Secret, bool)> {
    if let Some(key) = read(&folder.join(name))? {
        return Ok((key, false));
    }
    let key = token_hex(rng, KEY_BYTES);
    write(folder, name, &key)?;
    Ok((Secret::new(key), true))
}

fn read(path: &Path) -> Result<Option<Secret>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = text.trim_end();
            if text.is_empty() {
                return Err(invalid(format!("the key file {} is empty", path.display())));
            }
            Ok(Some(Secret::new(text)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path, error)),
    }
}

/// Writes a key so that it is there whole or not at all, readable by this user only. It is durable
/// after [`sync`].
fn write(folder: &Path, name: &str, key: &str) -> Result<()> {
    let failed = |error| unusable(folder, error);
    let mut directory = DirBuilder::new();
    directory.recursive(true).mode(0o700);
    directory.create(folder).map_err(failed)?;
    let fresh = folder.join(format!(".{name}.new"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&fresh).map_err(failed)?;
    let text = format!("{key}\n");
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    fs::rename(&fresh, folder.join(name)).map_err(failed)
}

/// Makes the names in a folder, and the folder's own, durable.
fn sync(folder: &Path) -> Result<()> {
    for folder in [Some(folder), folder.parent()].into_iter().flatten() {
        let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| unusable(folder, error))?;
    }
    Ok(())
}

fn unusable(path: &Path, error: std::io::Error) -> Error {
    invalid(format!("keys in {} can't be used: {error}", path.display())).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::OsRng;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn generated_keys_stay_and_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyStore::of(folder.path());
        let app = AppSettings {
            id: "main".to_owned(),
            rest_key: Some(Secret::new("given")),
            ..AppSettings::default()
        };
        let first = store.app(&app, &OsRng).unwrap();
        let second = store.app(&app, &OsRng).unwrap();
        assert_eq!(first.api.master, second.api.master);
        assert_eq!(first.api.rest.as_ref().unwrap().expose(), "given");
        assert_eq!(first.api.javascript, None);
        check("main", &first, Mode::Production).unwrap();
        let mode = |path: &str| {
            fs::metadata(folder.path().join(path))
                .unwrap()
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(mode("keys/main"), 0o700);
        assert_eq!(mode("keys/main/master"), 0o600);
        assert!(!folder.path().join("keys/main/rest").exists());
    }

    #[test]
    fn guessable_keys_are_for_development() {
        let keys = |master: &str| AppKeys {
            api: basalt_api_parse::Keys {
                master: Some(Secret::new(master)),
                maintenance: Some(Secret::new("a-long-other-key")),
                ..basalt_api_parse::Keys::default()
            },
            webhook: None,
        };
        for bad in ["test", "myMasterKey", "short"] {
            assert!(check("a", &keys(bad), Mode::Production).is_err(), "{bad}");
            assert!(check("a", &keys(bad), Mode::Development).is_ok(), "{bad}");
        }
        // A key that clients have is no secret, but the public suites have it so.
        let mut shared = keys("shared-by-many");
        shared.api.javascript = shared.api.master.clone();
        assert!(check("a", &shared, Mode::Development).is_ok());
        assert!(check("a", &shared, Mode::Production).is_err());
        let error = check("a", &keys("a-long-other-key"), Mode::Development).unwrap_err();
        assert_eq!(
            error.message(),
            "`master_key` and `maintenance_key` of app a are the same"
        );
    }
}
