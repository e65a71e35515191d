//! The Parse REST protocol, as an SDK sends it: for Basalt and parse-server alike.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{By, Class, Wire, batch_body, open_record};
use crate::http::{self, Client};
use crate::world::{Row, User, World};

pub const APP_ID: &str = "bench";
pub const MASTER_KEY: &str = "bench-master-key";
pub const REST_KEY: &str = "bench-rest-key";

pub struct Parse {
    client: String,
    admin: String,
}

impl Parse {
    pub fn new() -> Self {
        let app = format!("X-Parse-Application-Id: {APP_ID}\r\n");
        Self {
            client: format!("{app}X-Parse-REST-API-Key: {REST_KEY}\r\n"),
            admin: format!("{app}X-Parse-Master-Key: {MASTER_KEY}\r\n"),
        }
    }

    fn put(&self, by: By, method: &str, path: &str, body: &[u8], out: &mut Vec<u8>) {
        match by {
            By::Admin => http::put(out, method, path, &[&self.admin], body),
            By::User(user) => {
                let session = format!("X-Parse-Session-Token: {}\r\n", user.token);
                http::put(out, method, path, &[&self.client, &session], body);
            }
        }
    }

    fn anonymous(&self, path: &str, body: &Value, out: &mut Vec<u8>) {
        let headers = [self.client.as_str(), "X-Parse-Revocable-Session: 1\r\n"];
        http::put(out, "POST", path, &headers, body.to_string().as_bytes());
    }
}

impl Wire for Parse {
    fn set_up(&mut self, http: &mut Client) -> Result<()> {
        for class in [Class::Author, Class::Counter, Class::Item, Class::Note] {
            let mut request = Vec::new();
            let path = format!("/parse/schemas/{}", name(class));
            let body = schema(class).to_string();
            self.put(By::Admin, "POST", &path, body.as_bytes(), &mut request);
            http.ok(&request)?;
        }
        Ok(())
    }

    fn sign_up(&self, http: &mut Client, name: &str, password: &str) -> Result<User> {
        let mut request = Vec::new();
        let body = json!({ "username": name, "password": password });
        self.anonymous("/parse/users", &body, &mut request);
        let answer = http.json(&request)?;
        Ok(User {
            id: http::text(&answer, "/objectId")?,
            name: name.to_owned(),
            password: password.to_owned(),
            token: http::text(&answer, "/sessionToken")?,
        })
    }

    fn login(&self, user: &User, out: &mut Vec<u8>) {
        let body = json!({ "username": user.name, "password": user.password });
        self.anonymous("/parse/login", &body, out);
    }

    fn read(&self, by: By, class: Class, id: &str, out: &mut Vec<u8>) {
        let path = format!("/parse/classes/{}/{id}", name(class));
        self.put(by, "GET", &path, b"", out);
    }

    fn query(&self, user: &User, board: usize, include: bool, out: &mut Vec<u8>) {
        let include = if include { "&include=author" } else { "" };
        let path = format!(
            "/parse/classes/Item?where=%7B%22board%22%3A{board}%7D&order=-score&limit=20{include}"
        );
        self.put(By::User(user), "GET", &path, b"", out);
    }

    fn hits(&self, body: &[u8], include: bool) -> Result<usize> {
        let answer: Value = serde_json::from_slice(body)?;
        let results = answer["results"].as_array().context("no results")?;
        let whole = |item: &&Value| item["title"].is_string() && item["tags"].is_array();
        let hits = results.iter().filter(whole);
        Ok(if include {
            hits.filter(|item| item["author"]["name"].is_string())
                .count()
        } else {
            hits.count()
        })
    }

    fn create(&self, by: By, class: Class, row: &Row, world: &World, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(768);
        record(class, row, world, &mut body);
        let path = format!("/parse/classes/{}", name(class));
        self.put(by, "POST", &path, &body, out);
    }

    fn batch(&self, by: By, class: Class, rows: &[Row], world: &World, out: &mut Vec<u8>) {
        let path = format!("/parse/classes/{}", name(class));
        let body = batch_body("path", &path, rows, |row, out| {
            record(class, row, world, out);
        });
        self.put(by, "POST", "/parse/batch", &body, out);
    }

    fn created_ids(&self, body: &[u8]) -> Result<Vec<String>> {
        let answer: Value = serde_json::from_slice(body)?;
        let items = answer.as_array().context("a batch answer is a list")?;
        items
            .iter()
            .map(|item| http::text(item, "/success/objectId"))
            .collect()
    }

    fn increment(&self, user: &User, id: &str, out: &mut Vec<u8>) {
        let path = format!("/parse/classes/Counter/{id}");
        let body = br#"{"n":{"__op":"Increment","amount":1}}"#;
        self.put(By::User(user), "PUT", &path, body, out);
    }

    fn counter(&self, body: &[u8]) -> Result<u64> {
        let answer: Value = serde_json::from_slice(body)?;
        answer["n"].as_u64().context("no counter")
    }

    fn count(&self, class: Class, out: &mut Vec<u8>) {
        // A condition that all records meet: without one, parse-server answers the planner's guess.
        let path = format!(
            "/parse/classes/{}?where=%7B%22score%22%3A%7B%22%24gte%22%3A0%7D%7D&count=1&limit=0",
            name(class)
        );
        self.put(By::Admin, "GET", &path, b"", out);
    }

    fn counted(&self, body: &[u8]) -> Result<u64> {
        let answer: Value = serde_json::from_slice(body)?;
        ensure!(answer["results"].is_array(), "no results beside the count");
        answer["count"].as_u64().context("no count")
    }
}

fn name(class: Class) -> &'static str {
    match class {
        Class::Author => "Author",
        Class::Counter => "Counter",
        Class::Item => "Item",
        Class::Note => "Note",
    }
}

/// Classes are declared with open permissions; items and notes are guarded by their ACL.
fn schema(class: Class) -> Value {
    let fields = match class {
        Class::Author => json!({
            "name": { "type": "String" },
            "about": { "type": "String" },
        }),
        Class::Counter => json!({ "n": { "type": "Number" } }),
        Class::Item | Class::Note => json!({
            "title": { "type": "String" },
            "text": { "type": "String" },
            "board": { "type": "Number" },
            "score": { "type": "Number" },
            "done": { "type": "Boolean" },
            "due": { "type": "Date" },
            "author": { "type": "Pointer", "targetClass": "Author" },
            "tags": { "type": "Array" },
        }),
    };
    let anyone = json!({ "*": true });
    let mut schema = json!({
        "className": name(class),
        "fields": fields,
        "classLevelPermissions": {
            "find": anyone, "get": anyone, "count": anyone, "create": anyone,
            "update": anyone, "delete": anyone, "addField": {},
        },
    });
    if class == Class::Item {
        schema["indexes"] = json!({ "board_score": { "board": 1, "score": 1 } });
    }
    schema
}

fn record(class: Class, row: &Row, world: &World, out: &mut Vec<u8>) {
    open_record(class, row, out);
    if matches!(class, Class::Item | Class::Note) {
        let (date, time) = row.due();
        let (owner, author) = (&world.users[row.owner].id, &world.authors[row.author]);
        http::write(
            out,
            format_args!(
                concat!(
                    r#","due":{{"__type":"Date","iso":"{}T{}"}},"#,
                    r#""author":{{"__type":"Pointer","className":"Author","objectId":"{}"}},"#,
                    r#""ACL":{{"{}":{{"read":true,"write":true}}}}"#,
                ),
                date, time, author, owner,
            ),
        );
    }
    out.push(b'}');
}
