//! What the harness asks of any backend, as bytes: one implementation per protocol.

pub mod parse;
pub mod pocketbase;

use anyhow::Result;

use crate::http::{self, Client};
use crate::world::{Row, User, World};

/// Who sends a request.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// The master key or the superuser.
    Admin,
    User(&'a User),
}

/// The collections of the data set. A note has the fields of an item, but no extra index.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Author,
    Counter,
    Item,
    Note,
}

/// Every method that takes `out` appends exactly one HTTP request to it.
pub trait Wire {
    /// Makes the collections, their indexes and rules; called once on an empty server.
    fn set_up(&mut self, http: &mut Client) -> Result<()>;

    /// Makes a user and a session.
    fn sign_up(&self, http: &mut Client, name: &str, password: &str) -> Result<User>;

    fn login(&self, user: &User, out: &mut Vec<u8>);

    fn read(&self, by: By, class: Class, id: &str, out: &mut Vec<u8>);

    /// The 20 items of a board with the highest scores, with their authors if `include`.
    fn query(&self, user: &User, board: usize, include: bool, out: &mut Vec<u8>);

    /// Items in an answer to [`Wire::query`]; with `include` only those that carry their author.
    fn hits(&self, body: &[u8], include: bool) -> Result<usize>;

    fn create(&self, by: By, class: Class, row: &Row, world: &World, out: &mut Vec<u8>);

    fn batch(&self, by: By, class: Class, rows: &[Row], world: &World, out: &mut Vec<u8>);

    /// The ids in an answer to [`Wire::batch`]; an error if any item was refused.
    fn created_ids(&self, body: &[u8]) -> Result<Vec<String>>;

    /// Adds 1 to a counter.
    fn increment(&self, user: &User, id: &str, out: &mut Vec<u8>);

    /// The value in an answer to [`Wire::read`] of a counter.
    fn counter(&self, body: &[u8]) -> Result<u64>;

    /// Asks how many records a collection has; exactly, where the protocol offers estimates too.
    fn count(&self, class: Class, out: &mut Vec<u8>);

    /// The number in an answer to [`Wire::count`].
    fn counted(&self, body: &[u8]) -> Result<u64>;
}

/// A batch of creates: a list of requests whose address stands under `target`.
fn batch_body(
    target: &str,
    path: &str,
    rows: &[Row],
    record: impl Fn(&Row, &mut Vec<u8>),
) -> Vec<u8> {
    let mut body = b"{\"requests\":[".to_vec();
    for (index, row) in rows.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        http::write(
            &mut body,
            format_args!(r#"{comma}{{"method":"POST","{target}":"{path}","body":"#),
        );
        record(row, &mut body);
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    body
}

/// Opens a record's JSON object with the members that every protocol writes alike.
fn open_record(class: Class, row: &Row, out: &mut Vec<u8>) {
    let Row { seed, board, .. } = row;
    let (text, score, done, tag) = (row.text(), row.score(), seed % 2 == 0, seed % 10);
    match class {
        Class::Author => http::write(
            out,
            format_args!(r#"{{"name":"Author {seed}","about":"{text}""#),
        ),
        Class::Counter => out.extend_from_slice(br#"{"n":0"#),
        Class::Item | Class::Note => http::write(
            out,
            format_args!(
                concat!(
                    r#"{{"title":"Item {} of board {}","text":"{}","board":{},"#,
                    r#""score":{},"done":{},"tags":["alpha","beta","t{}"]"#,
                ),
                seed, board, text, board, score, done, tag,
            ),
        ),
    }
}
