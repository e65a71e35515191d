//! The settings file.

use super::raw::{Assignment, Place, Raw, invalid};
use basalt_base::Result;
use serde_json::Value;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the file says, in its order.
#[derive(Debug, Default)]
pub(crate) struct FileSettings {
    pub server: Vec<Assignment>,
    pub apps: Vec<FileApp>,
}

/// An app of the file.
#[derive(Debug)]
pub(crate) struct FileApp {
    pub id: String,
    pub place: Place,
    pub settings: Vec<Assignment>,
    pub parse: Option<(serde_json::Map<String, Value>, Place)>,
}

/// Reads the file, whose path starts at `folder`. Errors name the line.
pub(crate) fn read(path: &Path, folder: &Path) -> Result<FileSettings> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(folder.join(path))
        .map_err(|error| invalid(format!("{name} can't be read: {error}")).with_source(error))?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<FileSettings> {
    let root = DeTable::parse(text).map_err(|error| invalid(format!("{name}: {error}")))?;
    let reader = Reader { name, text };
    let mut settings = FileSettings::default();
    for (key, value) in Reader::in_order(root.get_ref()) {
        match (key, value.get_ref()) {
            ("limits", DeValue::Table(limits)) => {
                for (key, value) in Reader::in_order(limits) {
                    let key = format!("limits.{key}");
                    settings.server.push(reader.assignment(key, value));
                }
            }
            ("apps", DeValue::Table(apps)) => {
                for (id, value) in Reader::in_order(apps) {
                    settings.apps.push(reader.app(id, value)?);
                }
            }
            _ => settings
                .server
                .push(reader.assignment(key.to_owned(), value)),
        }
    }
    Ok(settings)
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    /// The entries in the order of the file; the table itself has them sorted.
    fn in_order<'t>(table: &'t DeTable<'_>) -> Vec<(&'t str, &'t Spanned<DeValue<'t>>)> {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| (key.get_ref().as_ref(), value))
            .collect()
    }

    fn place(&self, value: &Spanned<DeValue<'_>>) -> Place {
        let start = value.span().start.min(self.text.len());
        Place::File {
            name: self.name.to_owned(),
            line: self.text[..start].matches('\n').count() + 1,
        }
    }

    fn assignment(&self, key: String, value: &Spanned<DeValue<'_>>) -> Assignment {
        Assignment {
            key,
            raw: raw(value.get_ref()),
            place: self.place(value),
        }
    }

    fn app(&self, id: &str, value: &Spanned<DeValue<'_>>) -> Result<FileApp> {
        let place = self.place(value);
        let DeValue::Table(table) = value.get_ref() else {
            return Err(invalid(format!(
                "`apps.{id}` ({place}): expected a table [apps.{id}]"
            )));
        };
        let mut app = FileApp {
            id: id.to_owned(),
            place,
            settings: Vec::new(),
            parse: None,
        };
        for (key, value) in Self::in_order(table) {
            match (key, json(value.get_ref())) {
                ("parse", Some(Value::Object(options))) => {
                    app.parse = Some((options, self.place(value)));
                }
                _ => app.settings.push(self.assignment(key.to_owned(), value)),
            }
        }
        Ok(app)
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => integer(number).map_or(Raw::Other, Raw::Int),
        DeValue::Boolean(value) => Raw::Bool(*value),
        DeValue::Array(items) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            texts
                .collect::<Option<Vec<_>>>()
                .map_or(Raw::Other, Raw::List)
        }
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Raw::Other,
    }
}

fn integer(number: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => Value::from(integer(number)?),
        DeValue::Float(number) => Value::from(number.as_str().parse::<f64>().ok()?),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items
            .iter()
            .map(|item| json(item.get_ref()))
            .collect::<Option<Vec<_>>>()?
            .into(),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)))
            .collect::<Option<serde_json::Map<_, _>>>()?
            .into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_lines() {
        let text = "listen = \"a:1\"\n\n[limits]\nfields_max = 1_0\n\n[apps.zoo]\nrest_key = \"r\"\nparse = { sessionLength = 5, a = [1, 2.5] }\n[apps.ant]\n";
        let settings = parse("f.toml", text).unwrap();
        let seen: Vec<_> = settings
            .server
            .iter()
            .map(|a| format!("{}={} @ {}", a.key, a.raw, a.place))
            .collect();
        assert_eq!(
            seen,
            [
                "listen=\"a:1\" @ f.toml, line 1",
                "limits.fields_max=10 @ f.toml, line 4"
            ]
        );
        let ids: Vec<_> = settings.apps.iter().map(|app| app.id.as_str()).collect();
        assert_eq!(ids, ["zoo", "ant"]);
        let (options, place) = settings.apps[0].parse.clone().unwrap();
        assert_eq!(
            Value::from(options).to_string(),
            r#"{"a":[1,2.5],"sessionLength":5}"#
        );
        assert_eq!(place.to_string(), "f.toml, line 8");
    }

    #[test]
    fn a_syntax_error_names_the_file() {
        let error = parse("f.toml", "listen = ").unwrap_err();
        assert!(error.message().starts_with("f.toml: "), "{error}");
    }
}
