//! Engines know no HTTP and no wire format; adapters know no SQL.

use std::collections::BTreeSet;

use super::Problem;
use crate::rust;
use crate::tree::File;

const ENGINES: &[&str] = &[
    "store",
    "store-sqlite",
    "store-postgres",
    "store-postgres",
    "data",
    "identity",
    "live",
    "flow",
    "transfer",
];
/// Packages that speak HTTP.
const HTTP: &[&str] = &[
    "http",
    "hyper",
    "axum",
    "reqwest",
    "tower",
    "tower-http",
    "http-body",
];
/// Words of the adapters' wire formats that give away a leak into the engines.
const WIRE_WORDS: &[&str] = &[
    "__type",
    "__op",
    "_ApplicationId",
    "_SessionToken",
    "X-Parse-",
    "x-parse-",
    "x-amz-",
    "$inQuery",
    "$notInQuery",
    "$select",
    "$dontSelect",
    "$relatedTo",
    "$nearSphere",
];
/// Starts and continuations of statements. Two words that must follow each other in one string.
const SQL: &[(&str, &str)] = &[
    ("SELECT ", " FROM "),
    ("INSERT ", "INTO "),
    ("DELETE ", "FROM "),
    ("UPDATE ", " SET "),
    ("CREATE ", "TABLE "),
    ("CREATE ", "INDEX "),
    ("ALTER ", "TABLE "),
    ("DROP ", "TABLE "),
    ("PRAGMA ", ""),
];

/// Whether a crate, by its short name, is an engine or a store.
pub fn is_engine(short: &str) -> bool {
    ENGINES.contains(&short)
}

/// Checks the packages that an engine pulls in, `name version` each.
pub fn engine_packages(engine: &str, tree: &BTreeSet<String>) -> Vec<Problem> {
    let names = tree.iter().filter_map(|package| package.split(' ').next());
    let http = names.filter(|name| HTTP.contains(name));
    http.map(|name| {
        let message = format!("engine `{engine}` pulls in `{name}`: engines know no HTTP");
        Problem::of(&format!("crates/{engine}/Cargo.toml"), message)
    })
    .collect()
}

/// Checks the strings of one source file.
pub fn check(file: &File) -> Vec<Problem> {
    let Some(name) = file.crate_name() else {
        return Vec::new();
    };
    if file.extension() != "rs" || !file.path.contains("/src/") {
        return Vec::new();
    }
    if is_engine(name) {
        return strings(file, wire_word);
    }
    if name.starts_with("api-") {
        return strings(file, sql);
    }
    Vec::new()
}

fn strings(file: &File, broken: fn(&str) -> Option<String>) -> Vec<Problem> {
    let strings = rust::scan(&file.text).strings;
    let found = strings
        .iter()
        .filter_map(|string| Some((string.line, broken(&string.text)?)));
    found
        .map(|(line, message)| Problem::at(&file.path, line, message))
        .collect()
}

fn wire_word(text: &str) -> Option<String> {
    let word = WIRE_WORDS.iter().find(|word| text.contains(*word))?;
    Some(format!(
        "`{word}` belongs to an adapter's wire format; engines do not know it"
    ))
}

fn sql(text: &str) -> Option<String> {
    let starts = |(start, then): &&(&str, &str)| {
        text.find(start)
            .is_some_and(|at| text[at + start.len() - 1..].contains(then))
    };
    SQL.iter().find(starts).map(|(start, _)| {
        format!(
            "SQL ({}…) in an adapter; adapters call an engine",
            start.trim_end()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&File::new(path, text)).len()
    }

    #[test]
    fn engines_hold_no_wire_words() {
        let text = "fn a() { x(\"__type\"); y(r\"__op\") } // __type\n";
        assert_eq!(count("crates/data/src/a.rs", text), 2);
        assert_eq!(count("crates/api-parse/src/a.rs", text), 0);
        assert_eq!(count("crates/data/tests/it/a.rs", text), 0);
    }

    #[test]
    fn adapters_hold_no_sql() {
        let text = "a(\"SELECT x FROM y\"); b(\"INSERT INTO t\"); c(\"PRAGMA x\"); d(\"Select one from the list\");";
        assert_eq!(count("crates/api-parse/src/a.rs", text), 3);
        assert_eq!(count("crates/store-sqlite/src/a.rs", text), 0);
    }

    #[test]
    fn engines_pull_in_no_http() {
        let tree = BTreeSet::from(["http v1.4.0".to_owned(), "serde v1.0.0".to_owned()]);
        assert_eq!(engine_packages("data", &tree).len(), 1);
    }
}
