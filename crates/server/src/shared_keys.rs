//! Keys that the nodes of a cluster share: in an app's row of the registry, sealed with a secret that
//! is not in the database.

use crate::config::{AppSettings, Mode, Settings, invalid};
use crate::keys::{self, KeyStore};
use aws_lc_rs::{aead, hkdf};
use basalt_base::{Error, Map, Result, Rng, Secret, Value};

/// Where the keys lie in an app's row.
pub(crate) const KEYS: &str = "keys";
/// What a sealed key begins with; the number is that of the form.
const SEALED: &str = "sealed:1:";
/// Shorter secrets can be guessed by whoever has a dump of the database.
const SECRET_CHARS_MIN: usize = 20;

/// Reads and writes the keys in apps' rows.
pub(crate) struct SharedKeys {
    /// The first one seals, all of them open.
    secrets: Vec<aead::LessSafeKey>,
    may_write_plain: bool,
}

impl SharedKeys {
    /// Errors: `InvalidSetting` for a secret that is too short.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let text = settings.keys_secret.as_ref();
        let words = text.map_or("", Secret::expose).split(',');
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        if words.iter().any(|word| word.len() < SECRET_CHARS_MIN) {
            return Err(invalid(format!(
                "`keys_secret`: each secret needs at least {SECRET_CHARS_MIN} characters; choose them at random"
            )));
        }
        Ok(Self {
            secrets: words.into_iter().map(derive).collect::<Result<_>>()?,
            may_write_plain: settings.mode == Mode::Development,
        })
    }

    /// Refuses to keep keys that anybody could read who has the database. Errors: `InvalidSetting`.
    pub(crate) fn check_may_keep(&self, app: &str, names: &[&str]) -> Result<()> {
        if names.is_empty() || self.may_write_plain || !self.secrets.is_empty() {
            return Ok(());
        }
        Err(invalid(format!(
            "app {app} needs {}, which all nodes must share. Set `keys_secret` to the same long random text on every node, and Basalt keeps them in the database, sealed with it; or set the keys themselves",
            names.join(", ")
        )))
    }

    /// The keys in an app's row by their short names, but for those that its settings give anyway.
    /// Names that this version does not know are left out: they become file names.
    ///
    /// Errors: `InvalidSetting` for a key that none of the secrets opens.
    pub(crate) fn of_row(&self, app: &AppSettings, row: &Map) -> Result<Vec<(String, Secret)>> {
        let mut found = Vec::new();
        for (name, text) in texts(row) {
            if keys::is_given(app, name) == Some(false) {
                let (key, _) = self.open(&app.id, name, text)?;
                found.push((name.to_owned(), key));
            }
        }
        Ok(found)
    }

    /// Adds keys to an app's row. Errors: `InvalidSetting` when they would lie there readable.
    pub(crate) fn put(
        &self,
        app: &str,
        row: &mut Map,
        more: Vec<(String, Secret)>,
        rng: &dyn Rng,
    ) -> Result<()> {
        if more.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = more.iter().map(|(name, _)| name.as_str()).collect();
        self.check_may_keep(app, &names)?;
        let mut kept = match row.shift_remove(KEYS) {
            Some(Value::Map(kept)) => kept,
            _ => Map::new(),
        };
        for (name, key) in more {
            let text = self.seal(app, &name, &key, rng)?;
            kept.insert(name, Value::String(text));
        }
        row.insert(KEYS.to_owned(), Value::Map(kept));
        Ok(())
    }

    /// Puts what keys of the app no setting gives into its row, so that every node has the same ones;
    /// those on disk first, then new ones. Says whether that changed the row.
    pub(crate) fn complete(
        &self,
        app: &AppSettings,
        row: &mut Map,
        disk: &KeyStore,
        rng: &dyn Rng,
    ) -> Result<bool> {
        let kept = self.of_row(app, row)?;
        let known = keys::with(app.clone(), &kept);
        // Before any is made.
        self.check_may_keep(&app.id, &keys::not_given(&known))?;
        let all = disk.app(&known, rng)?;
        let lacking = keys::lacking(app, &kept, &all);
        let stale = self.stale(app, row)?;
        let any = !lacking.is_empty() || !stale.is_empty();
        self.put(&app.id, row, stale, rng)?;
        self.put(&app.id, row, lacking, rng)?;
        Ok(any)
    }

    /// Keys that were written before there was a secret, or with an older one.
    fn stale(&self, app: &AppSettings, row: &Map) -> Result<Vec<(String, Secret)>> {
        let mut stale = Vec::new();
        for (name, text) in texts(row) {
            if keys::is_given(app, name) != Some(false) {
                continue;
            }
            if self.secrets.is_empty() {
                if !self.may_write_plain {
                    tracing::warn!(
                        app = app.id,
                        key = name,
                        "a key lies readable in the database; set `keys_secret`"
                    );
                }
                continue;
            }
            if let (key, false) = self.open(&app.id, name, text)? {
                stale.push((name.to_owned(), key));
            }
        }
        Ok(stale)
    }

    fn seal(&self, app: &str, name: &str, key: &Secret, rng: &dyn Rng) -> Result<String> {
        let Some(secret) = self.secrets.first() else {
            return Ok(key.expose().to_owned());
        };
        let mut nonce = [0; aead::NONCE_LEN];
        rng.fill(&mut nonce);
        let mut sealed = key.expose().as_bytes().to_vec();
        let number = aead::Nonce::assume_unique_for_key(nonce);
        secret
            .seal_in_place_append_tag(number, place(app, name), &mut sealed)
            .map_err(Error::internal)?;
        let (nonce, sealed) = (hex::encode(nonce), hex::encode(sealed));
        Ok(format!("{SEALED}{nonce}{sealed}"))
    }

    /// A key, and whether it was written as it would be now.
    fn open(&self, app: &str, name: &str, text: &str) -> Result<(Secret, bool)> {
        let Some(sealed) = text.strip_prefix(SEALED) else {
            return Ok((Secret::new(text), self.secrets.is_empty()));
        };
        let bytes = hex::decode(sealed).unwrap_or_default();
        let opened = self.secrets.iter().enumerate().find_map(|(at, secret)| {
            let (nonce, sealed) = bytes.split_at_checked(aead::NONCE_LEN)?;
            let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut sealed = sealed.to_vec();
            let plain = secret.open_in_place(nonce, place(app, name), &mut sealed);
            let plain = std::str::from_utf8(plain.ok()?).ok()?;
            Some((Secret::new(plain), at == 0))
        });
        opened.ok_or_else(|| {
            let why = if self.secrets.is_empty() {
                "is not set here"
            } else {
                "is another one"
            };
            invalid(format!(
                "`{name}` of app {app} lies in the database, sealed with a `keys_secret` that {why}; every node needs the same, or the key itself by a setting"
            ))
        })
    }
}

/// The keys in a row as they were written; those of names that nobody knows, too.
fn texts(row: &Map) -> Vec<(&str, &str)> {
    let Some(Value::Map(kept)) = row.get(KEYS) else {
        return Vec::new();
    };
    let texts = kept.iter();
    texts
        .filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
        .collect()
}

/// A sealed key is good for its app and its name only.
fn place(app: &str, name: &str) -> aead::Aad<Vec<u8>> {
    aead::Aad::from(format!("{app}\n{name}").into_bytes())
}

fn derive(secret: &str) -> Result<aead::LessSafeKey> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"basalt: keys of apps, form 1");
    let random = salt.extract(secret.as_bytes());
    let derived = random.expand(&[b"aes-256-gcm"], &aead::AES_256_GCM);
    let key = aead::UnboundKey::from(derived.map_err(Error::internal)?);
    Ok(aead::LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use basalt_base::{OsRng, Reason};

    const OLD: &str = "0123456789abcdef0123456789";
    const NEW: &str = "fedcba9876543210fedcba9876";

    fn shared(secret: &str, mode: Mode) -> SharedKeys {
        let settings = Settings {
            keys_secret: (!secret.is_empty()).then(|| Secret::new(secret)),
            mode,
            ..Settings::default()
        };
        SharedKeys::of(&settings).unwrap()
    }

    fn app(id: &str) -> AppSettings {
        AppSettings {
            id: id.to_owned(),
            ..AppSettings::default()
        }
    }

    /// A row with all keys of an app, made by a node that keeps its own in an empty folder.
    fn made(shared: &SharedKeys) -> Result<Map> {
        let folder = tempfile::tempdir().unwrap();
        let mut row = Map::new();
        let disk = KeyStore::of(folder.path());
        let outcome = shared.complete(&app("main"), &mut row, &disk, &OsRng);
        if outcome.is_err() {
            assert!(!folder.path().join("keys").exists(), "keys were made");
        }
        outcome.map(|_| row)
    }

    #[test]
    fn sealed_keys_open_with_their_secret_only() {
        let mine = shared(NEW, Mode::Production);
        let row = made(&mine).unwrap();
        let kept = mine.of_row(&app("main"), &row).unwrap();
        assert_eq!(kept.len(), 4);
        let text = format!("{row:?}");
        for (name, key) in &kept {
            assert!(!text.contains(key.expose()), "{name} can be read in {text}");
        }
        for (other, why) in [(OLD, "another one"), ("", "not set here")] {
            let error = shared(other, Mode::Development).of_row(&app("main"), &row);
            let error = error.unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidSetting);
            assert!(error.message().contains(why), "{error}");
        }
        assert!(
            mine.of_row(&app("other"), &row).is_err(),
            "moved to another app"
        );
        let mut mixed = row.clone();
        if let Some(Value::Map(keys)) = mixed.get_mut(KEYS) {
            let webhook = keys["webhook"].clone();
            keys.insert("master".to_owned(), webhook);
        }
        assert!(
            mine.of_row(&app("main"), &mixed).is_err(),
            "moved to another name"
        );
    }

    #[test]
    fn keys_by_settings_need_no_secret() {
        let row = made(&shared(OLD, Mode::Production)).unwrap();
        let lost = shared("", Mode::Production);
        let key = |name: &str| Some(Secret::new(format!("{name}-given")));
        let given = AppSettings {
            master_key: key("master"),
            read_only_master_key: key("reader"),
            maintenance_key: key("maintenance"),
            webhook_key: key("webhook"),
            ..app("main")
        };
        assert!(lost.of_row(&given, &row).unwrap().is_empty());
    }

    #[test]
    fn a_new_secret_takes_over() {
        let mut row = made(&shared("", Mode::Development)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let disk = KeyStore::of(folder.path());
        let plain = shared("", Mode::Development).of_row(&app("main"), &row);
        let plain = plain.unwrap();
        for secrets in [OLD.to_owned(), format!("{NEW},{OLD}"), NEW.to_owned()] {
            let shared = shared(&secrets, Mode::Production);
            let mut complete = || shared.complete(&app("main"), &mut row, &disk, &OsRng);
            assert_eq!(complete().unwrap(), secrets != NEW, "sealed anew once");
            assert!(!complete().unwrap());
            assert_eq!(shared.of_row(&app("main"), &row).unwrap(), plain);
        }
    }

    #[test]
    fn in_production_no_key_lies_there_readable() {
        let error = made(&shared("", Mode::Production)).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidSetting);
        let message = error.message();
        assert!(message.contains("app main needs master_key, "), "{message}");
        assert!(message.contains("`keys_secret`"), "{message}");
        let short = Settings {
            keys_secret: Some(Secret::new("short")),
            ..Settings::default()
        };
        assert!(SharedKeys::of(&short).is_err());
    }
}
