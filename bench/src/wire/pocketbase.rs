//! PocketBase's record API, with collections and rules equal to the Parse classes and ACLs.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{By, Class, Wire, batch_body, open_record};
use crate::http::{self, Client};
use crate::world::{BATCH, Row, User, World};

pub const ADMIN_EMAIL: &str = "admin@bench.test";
pub const ADMIN_PASSWORD: &str = "bench-admin-password";

#[derive(Default)]
pub struct PocketBase {
    /// The superuser's header line, known after [`Wire::set_up`].
    admin: String,
}

impl PocketBase {
    fn put(&self, by: By, method: &str, path: &str, body: &[u8], out: &mut Vec<u8>) {
        match by {
            By::Admin => http::put(out, method, path, &[&self.admin], body),
            By::User(user) => {
                let token = format!("Authorization: {}\r\n", user.token);
                http::put(out, method, path, &[&token], body);
            }
        }
    }

    fn admin_call(
        &self,
        http: &mut Client,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value> {
        let mut request = Vec::new();
        let body = body.to_string();
        self.put(By::Admin, method, path, body.as_bytes(), &mut request);
        http.json(&request)
    }
}

fn password_login(collection: &str, name: &str, password: &str, out: &mut Vec<u8>) {
    let path = format!("/api/collections/{collection}/auth-with-password");
    let body = json!({ "identity": name, "password": password }).to_string();
    http::put(out, "POST", &path, &[], body.as_bytes());
}

fn email(name: &str) -> String {
    format!("{name}@bench.test")
}

impl Wire for PocketBase {
    fn set_up(&mut self, http: &mut Client) -> Result<()> {
        let mut request = Vec::new();
        password_login("_superusers", ADMIN_EMAIL, ADMIN_PASSWORD, &mut request);
        let token = http::text(&http.json(&request)?, "/token")?;
        self.admin = format!("Authorization: {token}\r\n");

        // Batches are off by default; alerts would be mails, which no other peer sends.
        let batch = json!({ "batch": { "enabled": true, "maxRequests": BATCH, "timeout": 30 } });
        self.admin_call(http, "PATCH", "/api/settings", &batch)?;
        let quiet = json!({ "authAlert": { "enabled": false } });
        let users = self.admin_call(http, "PATCH", "/api/collections/users", &quiet)?;
        let users = http::text(&users, "/id")?;

        let authors = collection(Class::Author, &users, "");
        let authors = self.admin_call(http, "POST", "/api/collections", &authors)?;
        let authors = http::text(&authors, "/id")?;
        for class in [Class::Counter, Class::Item, Class::Note] {
            let body = collection(class, &users, &authors);
            self.admin_call(http, "POST", "/api/collections", &body)?;
        }
        Ok(())
    }

    fn sign_up(&self, http: &mut Client, name: &str, password: &str) -> Result<User> {
        let record = json!({
            "email": email(name),
            "password": password,
            "passwordConfirm": password,
            "verified": true,
        });
        let made = self.admin_call(http, "POST", "/api/collections/users/records", &record)?;
        let mut request = Vec::new();
        password_login("users", &email(name), password, &mut request);
        Ok(User {
            id: http::text(&made, "/id")?,
            name: name.to_owned(),
            password: password.to_owned(),
            token: http::text(&http.json(&request)?, "/token")?,
        })
    }

    fn login(&self, user: &User, out: &mut Vec<u8>) {
        password_login("users", &email(&user.name), &user.password, out);
    }

    fn read(&self, by: By, class: Class, id: &str, out: &mut Vec<u8>) {
        let path = format!("{}/{id}", records(class));
        self.put(by, "GET", &path, b"", out);
    }

    fn query(&self, user: &User, board: usize, include: bool, out: &mut Vec<u8>) {
        let include = if include { "&expand=author" } else { "" };
        let path = format!(
            "{}?filter=board%3D{board}&sort=-score&perPage=20&skipTotal=1{include}",
            records(Class::Item)
        );
        self.put(By::User(user), "GET", &path, b"", out);
    }

    fn hits(&self, body: &[u8], include: bool) -> Result<usize> {
        let answer: Value = serde_json::from_slice(body)?;
        let items = answer["items"].as_array().context("no items")?;
        let whole = |item: &&Value| item["title"].is_string() && item["tags"].is_array();
        let hits = items.iter().filter(whole);
        Ok(if include {
            hits.filter(|item| item["expand"]["author"]["name"].is_string())
                .count()
        } else {
            hits.count()
        })
    }

    fn create(&self, by: By, class: Class, row: &Row, world: &World, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(768);
        record(class, row, world, &mut body);
        self.put(by, "POST", records(class), &body, out);
    }

    fn batch(&self, by: By, class: Class, rows: &[Row], world: &World, out: &mut Vec<u8>) {
        let body = batch_body("url", records(class), rows, |row, out| {
            record(class, row, world, out);
        });
        self.put(by, "POST", "/api/batch", &body, out);
    }

    fn created_ids(&self, body: &[u8]) -> Result<Vec<String>> {
        let answer: Value = serde_json::from_slice(body)?;
        let items = answer.as_array().context("a batch answer is a list")?;
        items
            .iter()
            .map(|item| {
                ensure!(item["status"] == 200, "refused in a batch: {item}");
                http::text(item, "/body/id")
            })
            .collect()
    }

    fn increment(&self, user: &User, id: &str, out: &mut Vec<u8>) {
        let path = format!("{}/{id}", records(Class::Counter));
        self.put(By::User(user), "PATCH", &path, br#"{"n+":1}"#, out);
    }

    fn counter(&self, body: &[u8]) -> Result<u64> {
        let answer: Value = serde_json::from_slice(body)?;
        answer["n"].as_u64().context("no counter")
    }

    fn count(&self, class: Class, out: &mut Vec<u8>) {
        let path = format!("{}?perPage=1&fields=id", records(class));
        self.put(By::Admin, "GET", &path, b"", out);
    }

    fn counted(&self, body: &[u8]) -> Result<u64> {
        let answer: Value = serde_json::from_slice(body)?;
        answer["totalItems"].as_u64().context("no count")
    }
}

fn records(class: Class) -> &'static str {
    match class {
        Class::Author => "/api/collections/authors/records",
        Class::Counter => "/api/collections/counters/records",
        Class::Item => "/api/collections/items/records",
        Class::Note => "/api/collections/notes/records",
    }
}

fn collection(class: Class, users: &str, authors: &str) -> Value {
    let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    let relation = |name: &str, target: &str| json!({ "name": name, "type": "relation", "collectionId": target, "maxSelect": 1 });
    let (name, mut fields) = match class {
        Class::Author => (
            "authors",
            vec![field("name", "text"), field("about", "text")],
        ),
        Class::Counter => ("counters", vec![field("n", "number")]),
        Class::Item | Class::Note => (
            if class == Class::Item {
                "items"
            } else {
                "notes"
            },
            vec![
                field("title", "text"),
                field("text", "text"),
                field("board", "number"),
                field("score", "number"),
                field("done", "bool"),
                field("due", "date"),
                relation("author", authors),
                field("tags", "json"),
                relation("owner", users),
            ],
        ),
    };
    fields.push(json!({ "name": "created", "type": "autodate", "onCreate": true }));
    fields
        .push(json!({ "name": "updated", "type": "autodate", "onCreate": true, "onUpdate": true }));
    let rule = match class {
        Class::Author | Class::Counter => "",
        Class::Item | Class::Note => "owner = @request.auth.id",
    };
    let indexes = match class {
        Class::Item => vec!["CREATE INDEX board_score ON items (board, score)"],
        _ => vec![],
    };
    json!({
        "name": name, "type": "base", "fields": fields, "indexes": indexes,
        "listRule": rule, "viewRule": rule, "createRule": rule, "updateRule": rule,
    })
}

fn record(class: Class, row: &Row, world: &World, out: &mut Vec<u8>) {
    open_record(class, row, out);
    if matches!(class, Class::Item | Class::Note) {
        let (date, time) = row.due();
        let (owner, author) = (&world.users[row.owner].id, &world.authors[row.author]);
        http::write(
            out,
            format_args!(r#","due":"{date} {time}","author":"{author}","owner":"{owner}""#),
        );
    }
    out.push(b'}');
}
