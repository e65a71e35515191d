use super::*;
use crate::config::Mode;

struct Case {
    folder: tempfile::TempDir,
    sources: Sources,
}

fn case(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let owned = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect::<Vec<_>>()
    };
    let mut flags = owned(flags);
    if !file.is_empty() {
        std::fs::write(folder.path().join("basalt.toml"), file).unwrap();
        flags.push(("--config".to_owned(), "basalt.toml".to_owned()));
    }
    Case {
        sources: Sources {
            flags,
            environment: owned(environment),
            folder: folder.path().to_owned(),
            mode_default: None,
        },
        folder,
    }
}

impl Case {
    fn load(&self) -> Settings {
        load(&self.sources).unwrap()
    }

    fn error(&self) -> String {
        load(&self.sources).unwrap_err().message().to_owned()
    }
}

#[test]
fn nothing_is_needed() {
    let settings = case("", &[], &[]).load();
    assert_eq!(settings.listen, "127.0.0.1:1337");
    assert_eq!(settings.apps.len(), 1);
    assert_eq!(settings.apps[0].id, "main");
    assert!(settings.warnings.is_empty());
}

#[test]
fn later_layers_win() {
    let file = "listen = \"a:1\"\nmode = \"development\"\n[limits]\nfields_max = 1";
    let environment = [("BASALT_LISTEN", "b:2"), ("BASALT_LIMITS_FIELDS_MAX", "2")];
    let settings = case(file, &environment, &[("--listen", "c:3")]).load();
    assert_eq!(settings.listen, "c:3");
    assert_eq!(settings.mode, Mode::Development);
    assert_eq!(settings.limits.fields_max, 2);
    assert_eq!(settings.origins["listen"].to_string(), "flag --listen");
    assert_eq!(settings.origins["mode"].to_string(), "basalt.toml, line 2");
}

#[test]
fn an_invalid_value_names_key_value_place_and_form() {
    type Row = (
        &'static str,
        &'static [(&'static str, &'static str)],
        &'static str,
    );
    let table: &[Row] = &[
        (
            "\nlisten = 5",
            &[],
            "`listen` = 5 (basalt.toml, line 2): expected HOST:PORT such as 127.0.0.1:1337",
        ),
        (
            "[limits]\nbody_bytes_max = \"20 apples\"",
            &[],
            "`limits.body_bytes_max` = \"20 apples\" (basalt.toml, line 2): expected a size such as 512KiB, 20MiB or 1GiB",
        ),
        (
            "",
            &[("BASALT_MODE", "test")],
            "`mode` = \"test\" (environment BASALT_MODE): expected development or production",
        ),
        (
            "",
            &[("BASALT_MASTER_KEY", "two words")],
            "`master_key` (environment BASALT_MASTER_KEY): expected text without spaces",
        ),
        (
            "lisen = \"a:1\"",
            &[],
            "`lisen` (basalt.toml, line 1) is no setting; did you mean `listen`?",
        ),
        (
            "[limits]\nzzz = 1",
            &[],
            "`limits.zzz` (basalt.toml, line 2) is no setting",
        ),
        (
            "[apps.main]\nmaster = \"x\"",
            &[],
            "`master` (basalt.toml, line 2) is no setting",
        ),
        (
            "blob_url = \"s3://x\"",
            &[],
            "`blob_url` (basalt.toml, line 1): S3-compatible storage for files is not available in this version",
        ),
        (
            "",
            &[("BASALT_ACCESS_KEY_ID", "x")],
            "`BASALT_ACCESS_KEY_ID` (environment BASALT_ACCESS_KEY_ID): AWS-style protocols is not available in this version",
        ),
        (
            "tls_cert = \"a.pem\"",
            &[],
            "`tls_cert` and `tls_key` go together; only one is set",
        ),
    ];
    for (file, environment, message) in table {
        assert_eq!(case(file, environment, &[]).error(), *message);
    }
}

#[test]
fn secrets_come_from_files_too() {
    let case = case(
        "[apps.main]\nmaster_key_file = \"keys/master\"",
        &[("BASALT_REST_KEY_FILE", "rest")],
        &[],
    );
    assert!(
        case.error().contains("keys/master can't be read"),
        "{}",
        case.error()
    );
    std::fs::create_dir(case.folder.path().join("keys")).unwrap();
    std::fs::write(case.folder.path().join("keys/master"), "m4ster\n").unwrap();
    std::fs::write(case.folder.path().join("rest"), "r3st\r\n").unwrap();
    let app = &case.load().apps[0];
    assert_eq!(app.master_key.as_ref().unwrap().expose(), "m4ster");
    assert_eq!(app.rest_key.as_ref().unwrap().expose(), "r3st");
}

#[test]
fn the_environment_is_about_the_first_app() {
    let file = "[apps.one]\nrest_key = \"r\"\n[apps.two]\n";
    let ids = |case: Case| {
        case.load()
            .apps
            .iter()
            .map(|app| app.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(case(file, &[], &[])), ["one", "two"]);
    assert_eq!(
        ids(case(file, &[("BASALT_APP_ID", "two")], &[])),
        ["two", "one"]
    );
    assert_eq!(
        ids(case(file, &[("BASALT_APP_ID", "new")], &[])),
        ["new", "one", "two"]
    );
    let settings = case(
        file,
        &[("BASALT_MASTER_KEY", "m"), ("BASALT_APP_ID", "one")],
        &[],
    )
    .load();
    assert_eq!(settings.apps[0].master_key.as_ref().unwrap().expose(), "m");
    assert_eq!(settings.apps[0].rest_key.as_ref().unwrap().expose(), "r");
}

#[test]
fn unknown_variables_are_reported_and_others_left_alone() {
    let settings = case(
        "",
        &[("BASALT_LISTN", "x"), ("BASALT_BIN", "x"), ("PATH", "x")],
        &[],
    )
    .load();
    assert_eq!(
        settings.warnings,
        ["the environment variable BASALT_LISTN is no setting"]
    );
}

#[test]
fn parse_options_come_from_a_file() {
    let case = case("", &[("BASALT_PARSE_OPTIONS", "options.json")], &[]);
    assert!(case.error().contains("options.json: can't be read"));
    std::fs::write(case.folder.path().join("options.json"), "[]").unwrap();
    assert!(case.error().contains("expected a JSON object"));
    std::fs::write(
        case.folder.path().join("options.json"),
        r#"{"appId":"x","sessionLength":5}"#,
    )
    .unwrap();
    let app = &case.load().apps[0];
    assert_eq!(app.id, "x");
    assert_eq!(app.parse["sessionLength"], 5);
}
