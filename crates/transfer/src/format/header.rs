//! The first line.

use super::{NAME, VERSION};
use crate::errors::{bad_file, newer};
use crate::values::{count, list, number, sub_map, text, time};
use basalt_base::{Map, Result, Secret, Timestamp, Value};
use basalt_store::codec;

/// What a file says about itself and the app. Has no `Debug`: it may hold keys.
#[derive(Clone)]
pub struct Header {
    /// The app's id.
    pub app: String,
    /// Its account number.
    pub account: String,
    /// When the app was made.
    pub created_at: Timestamp,
    /// When the export was begun.
    pub exported_at: Timestamp,
    /// The version of the program that wrote the file.
    pub program: String,
    /// The position of the app's change log that the file shows.
    pub position: u64,
    /// The version of the catalogue that the file shows.
    pub catalogue: u64,
    /// The app's settings, as its registry keeps them.
    pub settings: Map,
    /// Name and objects of each collection.
    pub collections: Vec<(String, u64)>,
    /// The app's keys by their names in the settings, if they were asked for.
    pub keys: Option<Vec<(String, Secret)>>,
}

impl Header {
    /// Objects of all collections.
    pub fn objects(&self) -> u64 {
        self.collections.iter().map(|(_, objects)| objects).sum()
    }

    /// The line.
    pub(crate) fn line(&self) -> String {
        let mut map = Map::new();
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        put("kind", "header".into());
        put("format", NAME.into());
        put("version", Value::Int(VERSION));
        put("app", self.app.as_str().into());
        put("account", self.account.as_str().into());
        put("created", Value::Timestamp(self.created_at));
        put("exported", Value::Timestamp(self.exported_at));
        put("program", self.program.as_str().into());
        put("position", number(self.position));
        put("catalogue", number(self.catalogue));
        put("settings", Value::Map(self.settings.clone()));
        let pair = |(name, objects): &(String, u64)| {
            Value::Array(vec![name.as_str().into(), number(*objects)])
        };
        put(
            "collections",
            Value::Array(self.collections.iter().map(pair).collect()),
        );
        if let Some(keys) = &self.keys {
            let key = |(name, key): &(String, Secret)| (name.clone(), Value::from(key.expose()));
            put("keys", Value::Map(keys.iter().map(key).collect()));
        }
        codec::encode_to_string(&Value::Map(map))
    }

    /// From the decoded line. Errors: it is no header, or that of a newer version.
    pub(super) fn read(map: &Map) -> Result<Self> {
        if text(map, "format").as_deref() != Some(NAME) {
            return Err(bad_file("it is no export of an app"));
        }
        match map.get("version") {
            Some(Value::Int(VERSION)) => {}
            Some(Value::Int(version)) if *version > VERSION => return Err(newer(*version)),
            _ => return Err(bad_file("its format version is unknown")),
        }
        Self::parts(map).ok_or_else(|| bad_file("its header is damaged"))
    }

    fn parts(map: &Map) -> Option<Self> {
        let pair = |pair: &Value| match pair.as_array()? {
            [Value::String(name), Value::Int(n)] => Some((name.clone(), u64::try_from(*n).ok()?)),
            _ => None,
        };
        let keys = match map.get("keys") {
            None => None,
            Some(keys) => {
                let key = |(name, key): (&String, &Value)| {
                    Some((name.clone(), Secret::new(key.as_str()?)))
                };
                Some(keys.as_map()?.iter().map(key).collect::<Option<_>>()?)
            }
        };
        Some(Self {
            app: text(map, "app")?,
            account: text(map, "account")?,
            created_at: time(map, "created")?,
            exported_at: time(map, "exported")?,
            program: text(map, "program")?,
            position: count(map, "position")?,
            catalogue: count(map, "catalogue")?,
            settings: sub_map(map, "settings")?.clone(),
            collections: list(map, "collections")?
                .iter()
                .map(pair)
                .collect::<Option<_>>()?,
            keys,
        })
    }
}
