//! Files that are damaged, or made to do harm.

use crate::support::{Place, fill, fill_large, sqlite};
use basalt_store::conformance::dice::Dice;
use basalt_transfer::{inspect, is_importing};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Neither looked at nor imported, and nothing is left of the attempt.
async fn refused(place: &Place, path: &Path) -> String {
    let seen = inspect(path).map(|_| ()).unwrap_err();
    let error = place.import(path, false).await.map(|_| ()).unwrap_err();
    assert_eq!(seen.message(), error.message());
    assert!(place.row("shop").await.is_none(), "{error}");
    error.message().to_owned()
}

#[tokio::test]
async fn any_change_of_a_file_is_seen() {
    let (source, place) = (sqlite(), sqlite());
    fill(&*source.make("shop").await, 5).await;
    let path = source.file("f");
    source.export("shop", &path, false).await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let dice = Dice::new(9);
    for _ in 0..100 {
        let mut bytes = whole.clone();
        let at = dice.below(bytes.len());
        match dice.below(4) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b'\n'),
            _ => bytes.truncate(at),
        }
        if bytes != whole {
            std::fs::write(&path, &bytes).unwrap();
            refused(&place, &path).await;
        }
    }
}

#[tokio::test]
async fn lines_and_chunks_stay_where_they_are() {
    let (source, place) = (sqlite(), sqlite());
    fill_large(&*source.make("shop").await).await;
    let path = source.file("f");
    source.export("shop", &path, false).await.unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let ends: Vec<usize> = (0..lines.len())
        .filter(|n| lines[*n].contains("\"kind\":\"chunk\""))
        .collect();
    assert!(ends.len() >= 4, "{} chunks", ends.len());
    let save = |lines: &[&str]| std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    let mut swapped = lines.clone();
    swapped.swap(4, 5);
    save(&swapped);
    assert!(refused(&place, &path).await.contains("its hash is wrong"));
    // The third chunk before the second.
    let mut moved = lines[..=ends[0]].to_vec();
    moved.extend(&lines[ends[1] + 1..=ends[2]]);
    moved.extend(&lines[ends[0] + 1..=ends[1]]);
    moved.extend(&lines[ends[2] + 1..]);
    save(&moved);
    assert!(
        refused(&place, &path)
            .await
            .contains("where chunk 2 belongs")
    );
    // A chunk left out.
    save(&[&lines[..=ends[0]], &lines[ends[1] + 1..]].concat());
    refused(&place, &path).await;
    save(&lines[..lines.len() - 1]);
    assert!(refused(&place, &path).await.contains("cut off after chunk"));
    save(&[&lines[..], &["{}"]].concat());
    assert!(refused(&place, &path).await.contains("something follows"));
    save(&lines);
    assert!(inspect(&path).is_ok());
}

/// A file whose chunk hashes are right, whatever its lines are.
fn forge(path: &Path, version: i64, lines: &[String]) {
    let objects = lines
        .iter()
        .filter(|line| line.starts_with("{\"id\""))
        .count();
    let header = format!(
        r#"{{"kind":"header","format":"basalt-export","version":{version},"app":"shop","account":"1","created":{{"$t":0}},"exported":{{"$t":0}},"program":"x","position":0,"catalogue":0,"settings":{{}},"collections":[["A",{objects}]]}}"#
    );
    let mut text = String::new();
    for line in std::iter::once(&header).chain(lines) {
        text.push_str(line);
        text.push('\n');
    }
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    let count = lines.len() + 1;
    let end = format!(
        "{{\"kind\":\"chunk\",\"number\":1,\"lines\":{count},\"sha256\":\"{hash}\"}}\n{{\"kind\":\"end\",\"chunks\":1,\"collections\":[],\"content\":\"\",\"sha256\":\"{hash}\"}}\n"
    );
    std::fs::write(path, text + &end).unwrap();
}

fn class(name: &str) -> String {
    format!(r#"{{"kind":"collection","name":"{name}","fields":[],"indexes":[],"rules":{{}}}}"#)
}

fn object(fields: &str) -> String {
    format!(r#"{{"id":"a","created":0,"updated":0,"fields":{fields}}}"#)
}

#[tokio::test]
async fn forged_files_are_refused_by_what_they_hold() {
    let place = sqlite();
    let path = place.file("f");
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let wide = format!("{{\"x\":[{}1]}}", "[],".repeat(9_100_000));
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(65 * 1024 * 1024));
    let cases = [
        (
            1,
            vec![class("A"), object(&deep)],
            "an object is damaged|a line is damaged",
        ),
        (1, vec![class("A"), object(&wide)], "holds more than"),
        (1, vec![class("A"), object(&long)], "a line is longer"),
        (
            1,
            vec![class("A"), object("{\"x\":\"\\u0000\"}")],
            "an object is damaged",
        ),
        (
            1,
            vec![class("A"), object("{\"x; --\":1}")],
            "an object is damaged",
        ),
        (
            1,
            vec![class("A"), object("{\"x\":1}")],
            "an object of class A",
        ),
        (1, vec![object("{}")], "not where it belongs"),
        (1, vec![class("B"), class("A")], "not in order"),
        (1, vec![class("A"), class("A")], "not in order"),
        (1, vec![class("A\\\" --")], "is damaged"),
        (1, vec!["{\"kind\":\"other\"}".into()], "is damaged"),
        (1, vec![class("A"), object("{}")], "counts or hashes"),
        (2, vec![], "Use a newer program"),
        (0, vec![], "version is unknown"),
    ];
    for (version, lines, expected) in cases {
        forge(&path, version, &lines);
        let message = refused(&place, &path).await;
        let good = expected.split('|').any(|part| message.contains(part));
        assert!(good, "{expected}: {message}");
    }
    std::fs::write(&path, "").unwrap();
    refused(&place, &path).await;
    std::fs::write(&path, "\u{0}".repeat(100)).unwrap();
    refused(&place, &path).await;
}

#[tokio::test]
async fn what_the_store_refuses_leaves_the_app_marked() {
    let (source, place) = (sqlite(), sqlite());
    let path = source.file("f");
    // Two objects of one id: only the store can tell.
    forge_whole(&path, &[class("A"), object("{}"), object("{}")]);
    let error = place.import(&path, false).await.map(|_| ()).unwrap_err();
    assert!(
        error.message().contains("stays marked as unfinished"),
        "{error}"
    );
    assert!(is_importing(&place.row("shop").await.unwrap().settings));
    assert!(!error.message().contains("Internal"), "{error}");
}

/// A forged file with all hashes right.
fn forge_whole(path: &Path, lines: &[String]) {
    forge(path, 1, lines);
    let class = r#"{"fields":[],"indexes":[],"kind":"collection","name":"A","rules":{}}"#;
    let hashed = [&[class.to_owned()], &lines[1..]].concat().join("\n");
    let sum = hex::encode(Sha256::digest(hashed.as_bytes()));
    let count = lines.len() - 1;
    let content = hex::encode(Sha256::digest(format!("A {count} {sum}\n").as_bytes()));
    let totals = format!("\"collections\":[[\"A\",{count},\"{sum}\"]],\"content\":\"{content}\"");
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(
        path,
        text.replace("\"collections\":[],\"content\":\"\"", &totals),
    )
    .unwrap();
    inspect(path).map(|_| ()).unwrap();
}
