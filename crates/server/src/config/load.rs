//! Puts the layers together.

use super::file::{self, FileApp};
use super::raw::{Assignment, Place, Raw, invalid};
use super::table::{LIMITS, RESERVED, Row, SERVER};
use super::{AppSettings, Settings, apps};
use basalt_base::Result;
use std::path::{Path, PathBuf};

/// Where settings are read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Flags with their values, as given.
    pub flags: Vec<(String, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Where relative paths of the environment and the flags start.
    pub folder: PathBuf,
    /// The mode when nothing sets it, for `basalt dev`.
    pub mode_default: Option<super::Mode>,
}

/// Variables that look like settings and are not.
const NOT_SETTINGS: &[&str] = &["BASALT_BIN"];

/// Reads all layers. Errors: `InvalidSetting` with the key, its value, its place and the expected
/// form.
pub fn load(sources: &Sources) -> Result<Settings> {
    let mut settings = Settings::default();
    if let Some(mode) = sources.mode_default {
        settings.mode = mode;
    }
    let mut declared = Vec::new();
    if let Some(path) = config_path(sources) {
        let file = file::read(&path, &sources.folder)?;
        let folder = path.parent().map(|parent| sources.folder.join(parent));
        let folder = folder.unwrap_or_default();
        for assignment in &file.server {
            set_server(&mut settings, assignment, &folder)?;
        }
        for app in file.apps {
            declared.push(from_file(app, &folder)?);
        }
    }
    let variables = server_variables(sources, &mut settings.warnings);
    for assignment in variables.iter().chain(&flags(sources)?) {
        set_server(&mut settings, assignment, &sources.folder)?;
    }
    settings.apps = with_first_app(declared, sources)?;
    if settings.tls_cert.is_some() != settings.tls_key.is_some() {
        return Err(invalid(
            "`tls_cert` and `tls_key` go together; only one is set",
        ));
    }
    Ok(settings)
}

fn config_path(sources: &Sources) -> Option<PathBuf> {
    let flag = sources.flags.iter().find(|(flag, _)| flag == "--config");
    let path = flag.map(|(_, path)| path.as_str());
    path.or_else(|| variable(sources, "BASALT_CONFIG"))
        .map(PathBuf::from)
}

fn variable<'a>(sources: &'a Sources, name: &str) -> Option<&'a str> {
    let found = sources.environment.iter().find(|(key, _)| key == name);
    found
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

fn flags(sources: &Sources) -> Result<Vec<Assignment>> {
    let mut assignments = Vec::new();
    for (flag, value) in sources.flags.iter().filter(|(flag, _)| flag != "--config") {
        let mut rows = SERVER.iter().map(|row| (row.flag, row.key));
        let mut reserved = RESERVED.iter().map(|row| (row.1, row.0));
        let is_it = |row: &(Option<&str>, &str)| row.0 == Some(flag.as_str());
        let Some((_, key)) = rows.find(is_it).or_else(|| reserved.find(is_it)) else {
            return Err(invalid(format!("`{flag}` is no flag")));
        };
        assignments.push(Assignment {
            key: key.to_owned(),
            raw: Raw::Text(value.clone()),
            place: Place::Flag(flag.clone()),
        });
    }
    Ok(assignments)
}

/// Settings of the server in the environment; warns of variables that are nothing.
fn server_variables(sources: &Sources, warnings: &mut Vec<String>) -> Vec<Assignment> {
    let mut assignments = Vec::new();
    for (name, value) in &sources.environment {
        if !name.starts_with("BASALT_") || value.is_empty() {
            continue;
        }
        let rows = SERVER.iter().chain(LIMITS).flat_map(|row| {
            let file = row.secret.then(|| {
                (
                    format!("{}_FILE", row.environment()),
                    format!("{}_file", row.key),
                )
            });
            std::iter::once((row.environment(), row.key.to_owned())).chain(file)
        });
        let reserved = RESERVED
            .iter()
            .map(|row| (format!("BASALT_{}", row.0.to_uppercase()), row.0.to_owned()));
        if let Some((_, key)) = rows.chain(reserved).find(|(variable, _)| variable == name) {
            assignments.push(Assignment {
                key,
                raw: Raw::Text(value.clone()),
                place: Place::Environment(name.clone()),
            });
        } else if !is_app_variable(name)
            && name != "BASALT_CONFIG"
            && !NOT_SETTINGS.contains(&name.as_str())
        {
            warnings.push(format!("the environment variable {name} is no setting"));
        }
    }
    assignments
}

const APP_VARIABLES: &[&str] = &["BASALT_APP_ID", "BASALT_PARSE_OPTIONS"];
const APP_RESERVED: &[(&str, &str)] = &[
    ("BASALT_ACCESS_KEY_ID", "AWS-style protocols"),
    ("BASALT_SECRET_ACCESS_KEY", "AWS-style protocols"),
];

fn is_app_variable(name: &str) -> bool {
    let base = name.strip_suffix("_FILE").unwrap_or(name);
    APP_VARIABLES.contains(&name)
        || APP_RESERVED.iter().any(|row| row.0 == name)
        || apps::APP.iter().any(|row| apps::environment(row) == base)
}

fn set_server(settings: &mut Settings, assignment: &Assignment, folder: &Path) -> Result<()> {
    let key = &assignment.key;
    if let Some((_, _, what)) = RESERVED.iter().find(|row| row.0 == key) {
        return Err(not_built(key, what, &assignment.place));
    }
    let rows = || SERVER.iter().chain(LIMITS);
    let (row, raw) = find(rows, assignment, folder)?;
    apply(row, settings, &raw, assignment)?;
    // Only the file has a place of its own that its paths are relative to.
    if let Place::File { .. } = assignment.place {
        for path in [&mut settings.tls_cert, &mut settings.tls_key]
            .into_iter()
            .flatten()
        {
            *path = folder.join(&*path);
        }
        if key == "data_dir" {
            settings.data_dir = folder.join(&settings.data_dir);
        }
    }
    settings
        .origins
        .insert(row.key.to_owned(), assignment.place.clone());
    Ok(())
}

/// The row of a key, and the value with `<key>_file` read.
fn find<T: 'static, I>(
    rows: impl Fn() -> I,
    assignment: &Assignment,
    folder: &Path,
) -> Result<(&'static Row<T>, Raw)>
where
    I: Iterator<Item = &'static Row<T>>,
{
    let key = assignment.key.as_str();
    if let Some(row) = rows().find(|row| row.key == key) {
        return Ok((row, assignment.raw.clone()));
    }
    let of_file = |base: &str| rows().find(|row| row.secret && row.key == base);
    let Some(row) = key.strip_suffix("_file").and_then(of_file) else {
        let known = nearest(key, rows().map(|row| row.key));
        let hint = known.map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
        return Err(invalid(format!(
            "`{key}` ({}) is no setting{hint}",
            assignment.place
        )));
    };
    let wrong = |why: &str| invalid(format!("`{key}` ({}): {why}", assignment.place));
    let path = assignment
        .raw
        .text()
        .ok_or_else(|| wrong("expected the path of a file"))?;
    let text = std::fs::read_to_string(folder.join(path))
        .map_err(|error| wrong(&format!("{path} can't be read: {error}")).with_source(error))?;
    Ok((
        row,
        Raw::Text(text.trim_end_matches(['\r', '\n']).to_owned()),
    ))
}

fn apply<T>(row: &Row<T>, target: &mut T, raw: &Raw, assignment: &Assignment) -> Result<()> {
    (row.set)(target, raw).ok_or_else(|| {
        let value = if row.secret {
            String::new()
        } else {
            format!(" = {raw}")
        };
        invalid(format!(
            "`{}`{value} ({}): expected {}",
            assignment.key, assignment.place, row.expected
        ))
    })
}

fn not_built(key: &str, what: &str, place: &Place) -> basalt_base::Error {
    invalid(format!(
        "`{key}` ({place}): {what} is not available in this version"
    ))
}

fn set_app(app: &mut AppSettings, assignment: &Assignment, folder: &Path) -> Result<()> {
    let key = assignment.key.as_str();
    if let Some((_, what)) = apps::RESERVED.iter().find(|row| row.0 == key) {
        return Err(not_built(key, what, &assignment.place));
    }
    if key == "parse" {
        return Err(invalid(format!(
            "`parse` ({}): expected a table of options",
            assignment.place
        )));
    }
    let (row, raw) = find(|| apps::APP.iter(), assignment, folder)?;
    apply(row, app, &raw, assignment)?;
    if key == "cloud"
        && let Some(path) = &mut app.cloud
    {
        *path = folder.join(&*path);
    }
    app.origins
        .insert(row.key.to_owned(), assignment.place.clone());
    Ok(())
}

fn from_file(file: FileApp, folder: &Path) -> Result<AppSettings> {
    check_id(&file.id, &file.place)?;
    let mut app = AppSettings {
        id: file.id,
        ..AppSettings::default()
    };
    app.origins.insert("id".to_owned(), file.place);
    for assignment in &file.settings {
        set_app(&mut app, assignment, folder)?;
    }
    if let Some((options, place)) = file.parse {
        app.parse = options;
        app.parse_place = Some(place);
    }
    Ok(app)
}

fn check_id(id: &str, place: &Place) -> Result<()> {
    if apps::is_app_id(id) {
        return Ok(());
    }
    Err(invalid(format!(
        "app id {id:?} ({place}): expected letters, digits, `.`, `_` and `-`, at most 100, the first a letter or digit"
    )))
}

/// The apps with the first one in front, which the environment adds to or makes.
fn with_first_app(mut declared: Vec<AppSettings>, sources: &Sources) -> Result<Vec<AppSettings>> {
    for (name, what) in APP_RESERVED {
        if variable(sources, name).is_some() {
            return Err(not_built(
                name,
                what,
                &Place::Environment((*name).to_owned()),
            ));
        }
    }
    let options = parse_options(sources)?;
    let from_options = options
        .as_ref()
        .and_then(|(options, _)| options.get("appId")?.as_str());
    let id = variable(sources, "BASALT_APP_ID").or(from_options);
    let place = Place::Environment("BASALT_APP_ID".to_owned());
    let at = match id {
        Some(id) => declared.iter().position(|app| app.id == id),
        None => (!declared.is_empty()).then_some(0),
    };
    let mut first = match at {
        Some(at) => declared.remove(at),
        None => AppSettings {
            id: id.unwrap_or("main").to_owned(),
            ..AppSettings::default()
        },
    };
    check_id(&first.id, &place)?;
    if id.is_some() {
        first.origins.entry("id".to_owned()).or_insert(place);
    }
    for row in apps::APP {
        let name = apps::environment(row);
        let file = row
            .secret
            .then(|| (format!("{name}_FILE"), format!("{}_file", row.key)));
        for (name, key) in std::iter::once((name, row.key.to_owned())).chain(file) {
            if let Some(value) = variable(sources, &name) {
                let assignment = Assignment {
                    key,
                    raw: Raw::Text(value.to_owned()),
                    place: Place::Environment(name),
                };
                set_app(&mut first, &assignment, &sources.folder)?;
            }
        }
    }
    if let Some((options, place)) = options {
        first.parse.extend(options);
        first.parse_place = Some(place);
    }
    declared.insert(0, first);
    Ok(declared)
}

type ParseOptions = (serde_json::Map<String, serde_json::Value>, Place);

fn parse_options(sources: &Sources) -> Result<Option<ParseOptions>> {
    let Some(path) = variable(sources, "BASALT_PARSE_OPTIONS") else {
        return Ok(None);
    };
    let wrong = |why: String| invalid(format!("BASALT_PARSE_OPTIONS: {path}: {why}"));
    let text = std::fs::read_to_string(sources.folder.join(path))
        .map_err(|error| wrong(format!("can't be read: {error}")).with_source(error))?;
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::Object(options)) => {
            Ok(Some((options, Place::ParseOptions(path.to_owned()))))
        }
        Ok(_) => Err(wrong("expected a JSON object of options".to_owned())),
        Err(error) => Err(wrong(format!("is no JSON: {error}"))),
    }
}

/// The known name that is at most two letters away.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (distance(key, name), name))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, name)| name)
}

/// Edit distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let change = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
