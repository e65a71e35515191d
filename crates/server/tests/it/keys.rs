//! Keys where nodes share a store: generated once, the same everywhere, and readable nowhere else.

use crate::cluster::{no_bus, two};
use crate::server::{Server, settings, start_with};
use basalt_base::{Reason, Secret};
use basalt_server::config::{Mode, Settings};
use basalt_server::{tools, transfer};
use http::Method;
use std::path::Path;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn generated_keys_are_the_same_on_all_nodes() {
    let two = two(no_bus(), |settings| settings.apps[0].master_key = None).await;
    let key = |server: &Server| {
        let path = server.folder.path().join("keys/main/master");
        std::fs::read_to_string(path).unwrap().trim_end().to_owned()
    };
    assert_eq!(key(&two.a), key(&two.b));
    for server in [&two.a, &two.b] {
        let key = key(&two.a);
        let answer = server.parse(Method::GET, "/schemas", "main", &key, "");
        assert_eq!(answer.await.status, 200);
    }
    two.stop().await;
}

/// A node of its own folder on a schema of PostgreSQL, without keys in its settings; `None` where there
/// is no PostgreSQL, which fails in CI.
#[expect(clippy::disallowed_methods, reason = "it is the script's, no setting")]
fn node(schema: &str) -> Option<(tempfile::TempDir, Settings)> {
    let Ok(url) = std::env::var("BASALT_TEST_POSTGRES_URL") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "BASALT_TEST_POSTGRES_URL is missing"
        );
        eprintln!("skipped: BASALT_TEST_POSTGRES_URL is missing");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&folder, Mode::Production);
    let schema = format!("{schema}_{}", std::process::id());
    settings.database_url = Some(Secret::new(format!("{url}?basalt_schema={schema}")));
    settings.apps[0].master_key = None;
    Some((folder, settings))
}

fn has_keys(settings: &Settings) -> bool {
    settings.data_dir.join("keys/main").exists()
}

async fn printed(settings: &Settings) -> Vec<(&'static str, String)> {
    let keys = tools::app_keys(settings, "main").await.unwrap();
    let keys = keys.into_iter();
    keys.map(|(name, key)| (name, key.expose().to_owned()))
        .collect()
}

async fn export(settings: &Settings, path: &Path, keys: bool) -> String {
    let report: transfer::Report = Arc::new(|_| {});
    let exported = transfer::export(settings, None, path, (false, keys), &report);
    exported.await.unwrap();
    std::fs::read_to_string(path).unwrap()
}

async fn serve_once(folder: tempfile::TempDir, settings: &Settings) -> tempfile::TempDir {
    let server: Server = start_with(settings.clone(), folder).await;
    server.stop().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_machine_prints_and_exports_the_keys_that_the_nodes_share() {
    let (Some((one, first)), Some((other, second))) = (node("keys_a"), node("keys_a")) else {
        return;
    };
    let none = tools::app_keys(&second, "main").await.unwrap_err();
    assert_eq!(none.reason(), Reason::ObjectNotFound);
    assert!(!has_keys(&second), "looking made keys");
    let one = serve_once(one, &first).await;
    let keys = printed(&first).await;
    assert_eq!(keys.len(), 4, "{keys:?}");
    assert_eq!(printed(&second).await, keys);

    let file = other.path().join("plain");
    let text = export(&second, &file, false).await;
    for (name, key) in &keys {
        assert!(!text.contains(key), "{name} is in the file");
    }
    assert!(!text.contains("sealed:"), "{text}");
    let text = export(&second, &other.path().join("with keys"), true).await;
    for (name, key) in &keys {
        assert!(text.contains(key), "{name} is not in the file");
    }
    assert!(!has_keys(&second), "exporting made keys");
    drop(one);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imported_keys_are_in_force_on_every_node() {
    let Some((one, first)) = node("keys_b") else {
        return;
    };
    let one = serve_once(one, &first).await;
    let keys = printed(&first).await;
    let file = one.path().join("file");
    export(&first, &file, true).await;
    let (target, mut second) = node("keys_c").unwrap();
    let report: transfer::Report = Arc::new(|_| {});
    let secret = second.keys_secret.take();
    let readable = transfer::import(&second, None, &file, (false, true), &report).await;
    let error = readable.err().unwrap();
    assert!(error.message().contains("`keys_secret`"), "{error}");
    second.keys_secret = secret;
    let imported = transfer::import(&second, None, &file, (false, true), &report).await;
    assert!(imported.unwrap().is_new);
    drop(target);
    let (third, settings) = node("keys_c").unwrap();
    assert_eq!(printed(&settings).await, keys);
    let server = start_with(settings, third).await;
    let master = &keys[0].1;
    let answer = server.parse(Method::GET, "/schemas", "main", master, "");
    assert_eq!(answer.await.status, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_the_secret_says_so() {
    let (Some((one, first)), Some((_other, mut second))) = (node("keys_d"), node("keys_d")) else {
        return;
    };
    second.keys_secret = None;
    let serve = async |settings: &Settings| {
        let never = std::future::pending::<()>();
        let served = basalt_server::serve(settings.clone(), false, |_| {}, never).await;
        served.unwrap_err().message().to_owned()
    };
    let refused = serve(&second).await;
    assert!(refused.contains("app main needs master_key, "), "{refused}");
    assert!(!has_keys(&second), "they were made all the same");
    serve_once(one, &first).await;
    let refused = serve(&second).await;
    assert!(refused.contains("is not set here"), "{refused}");
    second.keys_secret = Some(Secret::new("another-secret-of-the-test"));
    let refused = serve(&second).await;
    assert!(refused.contains("is another one"), "{refused}");
}
