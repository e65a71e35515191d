//! One run of a hook or function, before it is put into a protocol's words.

use crate::Validator;
use basalt_base::{AppId, Map, Result, Value};
use basalt_data::{Call, Event, Found, NewObject, ObjectQuery};
use basalt_store::Record;

/// What runs.
#[derive(Debug)]
pub enum What<'a> {
    /// A function, with its parameters.
    Function(&'a str, &'a Value),
    /// A function that runs as a job, with its parameters and the id of the run.
    Job(&'a str, &'a Value, &'a str),
    /// A trigger about one object.
    Object(&'a Event),
    /// A trigger before a query.
    Query(&'a ObjectQuery),
    /// A trigger before a query is watched.
    Subscription(&'a ObjectQuery),
    /// A trigger after a query.
    Found(&'a Found<'a>),
}

/// A run: everything that the code is told.
#[derive(Debug)]
pub struct Invocation<'a> {
    /// The app.
    pub app: &'a AppId,
    /// What runs.
    pub what: What<'a>,
    /// Who called, and with what.
    pub call: &'a Call,
    /// The caller's user, without its secrets.
    pub user: Option<&'a Record>,
    /// The context, the depth included.
    pub context: &'a Map,
}

/// What the code answered.
#[derive(Debug)]
pub enum Reply {
    /// Nothing that matters.
    Nothing,
    /// The object as it should be (before a save).
    Object(NewObject),
    /// The query as it should be.
    Query(Box<ObjectQuery>),
    /// The objects that the query should have found.
    Objects(Vec<Record>),
    /// The result of a function.
    Value(Value),
}

/// A protocol of webhooks: how a run becomes a request, and a reply what the engine goes by.
pub trait Wire: Send + Sync {
    /// The body of the request.
    fn request(&self, invocation: &Invocation<'_>) -> Result<Vec<u8>>;

    /// What a successful answer's body says. Errors: `ScriptFailed` for what the code refuses
    /// with, and for a body that makes no sense.
    fn reply(&self, invocation: &Invocation<'_>, body: &[u8]) -> Result<Reply>;

    /// A context as code hands it on. `None` when it is no object.
    fn context(&self, body: &[u8]) -> Option<Map>;

    /// The request of a job: what it was started with, and the id of its status.
    fn job_request(&self, id: &str, params: &Map) -> Vec<u8>;

    /// A text of what went in or came out, for logs. Secrets are taken out by the caller.
    fn shown(&self, value: &Value) -> String;

    /// The header that proves who calls.
    fn key_header(&self) -> &'static str;

    /// Reads a validator as it was declared. Errors: `InvalidHook`.
    fn validator(&self, declared: &Value) -> Result<Validator>;
}
