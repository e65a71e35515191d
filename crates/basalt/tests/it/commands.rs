//! Commands that need no server.

use crate::program::{MASTER, Ran, Server, basalt, on, run};
use std::os::unix::fs::PermissionsExt;

#[test]
fn apps_are_made_listed_and_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let made = on(
        folder.path(),
        &["app", "create", "shop", "--rest-key", "shop-rest"],
    );
    assert!(
        made.good
            && made.out.contains("master_key = ")
            && made.out.contains("rest_key = shop-rest"),
        "{made:?}"
    );
    let keys = on(folder.path(), &["app", "keys", "shop"]);
    assert_eq!(keys.out, made.out);
    let list = on(folder.path(), &["app", "list"]);
    assert!(
        list.out.contains("main  account") && list.out.contains("shop  account"),
        "{list:?}"
    );
    assert!(!on(folder.path(), &["app", "create", "shop"]).good);
    assert!(!on(folder.path(), &["app", "clear", "shop"]).good);
    assert!(on(folder.path(), &["app", "clear", "shop", "--yes"]).good);
    assert!(!on(folder.path(), &["app", "clear", "nobody", "--yes"]).good);
    assert!(!on(folder.path(), &["app", "keys", "nobody"]).good);
    let verified = on(folder.path(), &["verify"]);
    assert!(verified.good, "{verified:?}");
}

#[test]
fn wrong_settings_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("basalt.toml");
    std::fs::write(&file, "\nlisten = \"nowhere\"\n").unwrap();
    let ran = run(basalt(&["serve", "--config"]).arg(&file));
    assert!(!ran.good);
    let wanted = "basalt.toml, line 2): expected HOST:PORT such as 127.0.0.1:1337";
    assert!(
        ran.err.starts_with("error: `listen` = \"nowhere\" (") && ran.err.contains(wanted),
        "{ran:?}"
    );
    let ran = run(&mut basalt(&["serve", "--blob-url", "s3://x"]));
    assert!(
        !ran.good && ran.err.contains("`blob_url` (flag --blob-url)"),
        "{ran:?}"
    );
}

#[test]
fn the_printed_settings_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(&mut basalt(&["config", "print"]));
    let file = folder.path().join("basalt.toml");
    std::fs::write(&file, &printed.out).unwrap();
    let again = run(basalt(&["config", "print", "--config"]).arg(&file));
    assert!(again.good, "{again:?}");
    let values = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split("  # ").next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    let differ: Vec<_> = values(&again.out)
        .into_iter()
        .filter(|line| !values(&printed.out).contains(line))
        .collect();
    // Relative paths in a file start at its folder.
    assert!(
        differ.iter().all(|line| line.starts_with("data_dir")),
        "{differ:?}"
    );
}

#[test]
fn the_doctor_fails_on_errors_only() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
    let fine = on(folder.path(), &["doctor"]);
    assert!(fine.good, "{fine:?}");
    let open = on(folder.path(), &["doctor", "--listen", "0.0.0.0:1"]);
    assert!(
        open.good
            && open
                .out
                .contains("warning: the server listens beyond this machine"),
        "{open:?}"
    );
    let wrong = on(
        folder.path(),
        &["doctor", "--listen", "0.0.0.0:1", "--mode", "development"],
    );
    assert!(!wrong.good && wrong.out.contains("error: "), "{wrong:?}");
    std::fs::create_dir(folder.path().join("keys")).unwrap();
    std::fs::set_permissions(folder.path().join("keys"), PermissionsExt::from_mode(0o755)).unwrap();
    let readable = on(folder.path(), &["doctor"]);
    assert!(
        !readable.good && readable.out.contains("can be read by others"),
        "{readable:?}"
    );
}

#[test]
fn an_app_moves_by_a_file() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [one, other] = [folders[0].path(), folders[1].path()];
    let server = Server::start(&mut basalt(&["serve", "--mode", "development"]), one);
    let master = format!("HTTP\r\nX-Parse-Master-Key: {MASTER}");
    let object = r#"{"title":"moved","at":{"__type":"Date","iso":"2026-01-01T00:00:00.000Z"}}"#;
    let made = server.request(&format!("POST /parse/classes/Post {master}"), object);
    assert!(made.contains("201 Created"), "{made}");
    let user = r#"{"username":"ann","password":"secret of ann"}"#;
    server.request(&format!("POST /parse/users {master}"), user);
    let path = one.join("main.basalt");
    let file = path.to_str().unwrap();
    let busy = on(one, &["export", "--out", file]);
    assert!(
        !busy.good && busy.err.contains("Another server"),
        "{busy:?}"
    );
    assert!(server.stop().0);
    let exported = on(one, &["export", "main", "--out", file]);
    assert!(
        exported.good && exported.out.contains("Post  1 objects"),
        "{exported:?}"
    );
    assert!(!on(one, &["export", "--out", file]).good);
    let looked = run(&mut basalt(&["import", "--dry-run", file]));
    assert!(
        looked.good && looked.out.contains("holds app main"),
        "{looked:?}"
    );
    let imported = on(other, &["import", file]);
    assert!(
        imported.good && imported.err.contains("comparing"),
        "{imported:?}"
    );
    let content = |ran: &Ran| {
        ran.out
            .lines()
            .find(|l| l.starts_with("content "))
            .map(str::to_owned)
    };
    assert_eq!(content(&imported), content(&exported));
    assert!(!on(other, &["import", file]).good);
    let named = on(other, &["import", file, "--app", "../x"]);
    assert!(named.err.contains("can't be used here"), "{named:?}");
    let server = Server::start(&mut basalt(&["serve", "--mode", "development"]), other);
    let found = server.request(&format!("GET /parse/classes/Post {master}"), "");
    assert!(found.contains("\"moved\""), "{found}");
    let entered = server.request(&format!("POST /parse/login {master}"), user);
    assert!(entered.contains("sessionToken"), "{entered}");
    assert!(server.stop().0);
}
