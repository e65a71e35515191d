//! A disk that fails to flush, once: nothing that was answered is lost, and the server goes on.

use crate::program::{MASTER, Server, basalt};
use std::path::Path;
use std::process::Command;

/// Fails the flush of a write-ahead log once, when the file named by `FAIL_FLUSH` is there.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 4) return 0;
    path[length] = 0;
    const char *armed = getenv("FAIL_FLUSH");
    return strcmp(path + length - 4, "-wal") == 0 && armed && unlink(armed) == 0;
}

int fsync(int fd) {
    if (fails(fd)) { errno = EIO; return -1; }
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    if (fails(fd)) { errno = EIO; return -1; }
    return ((int (*)(int)) dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"#;

fn shim(folder: &Path) -> std::path::PathBuf {
    let (source, library) = (folder.join("shim.c"), folder.join("shim.so"));
    std::fs::write(&source, SHIM).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .arg("-ldl");
    assert!(
        cc.status().unwrap().success(),
        "the C compiler that SQLite needs too"
    );
    library
}

fn create(server: &Server, n: usize) -> String {
    let head = format!("POST /parse/classes/Thing HTTP\r\nX-Parse-Master-Key: {MASTER}");
    server.request(&head, &format!("{{\"n\":{n}}}"))
}

fn count(server: &Server, n: usize) -> bool {
    let head = format!(
        "GET /parse/classes/Thing?limit=0&count=1&where=%7B%22n%22%3A{n}%7D HTTP\r\nX-Parse-Master-Key: {MASTER}"
    );
    server.request(&head, "").ends_with(r#""count":1}"#)
}

#[test]
fn a_flush_that_fails_once_is_never_answered_as_success() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let armed = folder.path().join("armed");
    let library = shim(folder.path());
    let mut command = basalt(&["serve"]);
    command
        .env("LD_PRELOAD", &library)
        .env("FAIL_FLUSH", &armed);
    let server = Server::start(&mut command, &data);
    let mut answered = Vec::new();
    let mut unknown = 0;
    for n in 0..60 {
        if n % 20 == 10 {
            std::fs::write(&armed, "").unwrap();
        }
        let answer = create(&server, n);
        if answer.starts_with("HTTP/1.1 201 ") {
            answered.push(n);
        } else {
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.to_lowercase().contains("retry-after: "), "{answer}");
            unknown += 1;
        }
    }
    assert!(!armed.exists(), "the flush was never reached");
    assert!((1..=6).contains(&unknown), "{unknown} writes were refused");
    assert!(answered.iter().all(|n| count(&server, *n)));
    server.kill();
    let server = Server::start(&mut basalt(&["serve"]), &data);
    assert!(
        answered.iter().all(|n| count(&server, *n)),
        "an answered write is lost"
    );
    assert!(server.stop().0);
    let verified = crate::program::on(&data, &["verify"]);
    assert!(verified.good, "{verified:?}");
}
