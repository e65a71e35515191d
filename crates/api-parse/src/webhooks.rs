//! Webhooks as the protocol has them: what code is told, and what its answers mean.

use crate::decode::{self, Cx, acl, fail, plain};
use crate::encode::{self, Fields, Files, Hooked, plain_map, value};
use crate::json::{self, Json, Object};
use crate::time;
use basalt_base::{Clock, Error, Limits, Map, Reason, Result, Secret, Value};
use basalt_data::{Call, Event, EventKind, Found, NewObject, ObjectQuery, Rank};
use basalt_functions::{Invocation, Reply, Validator, What, Wire, trigger_name};
use basalt_store::{FieldRef, Record, Test};
use std::sync::Arc;

/// The pseudo-class of the app's config.
pub const CONFIG: &str = "@Config";

/// The protocol of webhooks for one app.
pub struct ParseWire {
    app: String,
    public_url: String,
    limits: Limits,
    clock: Arc<dyn Clock>,
}

impl ParseWire {
    /// For an app whose API is at `public_url`.
    pub fn new(app: &str, public_url: &str, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self {
            app: app.to_owned(),
            public_url: public_url.to_owned(),
            limits,
            clock,
        }
    }

    fn files(&self) -> Files<'_> {
        Files {
            public_url: &self.public_url,
            app: &self.app,
        }
    }

    /// What code answers is decoded as what a client sends.
    fn cx(&self) -> Cx<'_> {
        Cx {
            limits: &self.limits,
            rank: Rank::Client,
            now: self.clock.now(),
            public_url: &self.public_url,
            custom_ids: false,
            allow_regex: true,
        }
    }

    fn caller(&self, fields: &mut Fields<'_>, invocation: &Invocation<'_>) {
        let call = invocation.call;
        let master = matches!(call.principal.rank, Rank::Master | Rank::ReadOnlyMaster);
        fields.raw("master", bool(master));
        fields.raw(
            "isReadOnly",
            bool(call.principal.rank == Rank::ReadOnlyMaster),
        );
        if let Some(user) = invocation.user {
            let shown = Hooked {
                record: user,
                class: "_User",
                schema: None,
                is_new: false,
                session_token: call.session_token.as_ref().map(Secret::expose),
            };
            encode::hooked(fields.key("user"), &shown, self.files());
        }
        if let Some(id) = &call.installation_id {
            fields.text("installationId", id);
        }
        if let Some(headers) = &call.headers {
            plain_map(fields.key("headers"), headers, self.files());
        }
        if let Some(ip) = call.ip {
            fields.text("ip", &ip.to_string());
        }
        plain_map(fields.key("context"), invocation.context, self.files());
    }

    /// A connection, or an event on its way to a subscriber.
    fn live(&self, fields: &mut Fields<'_>, event: &Event, call: &Call) {
        if event.kind == EventKind::BeforeConnect {
            fields.text("triggerName", trigger_name(event.kind));
            fields.text("event", "connect");
            for (name, count) in &event.object.fields {
                value(fields.key(name), count, self.files());
            }
        } else {
            self.object(fields, event);
            if let Some(name) = event.context.get("event").and_then(Value::as_str) {
                fields.text("event", name);
            }
        }
        fields.raw("useMasterKey", bool(call.principal.writes_everything()));
        if let Some(token) = &call.session_token {
            fields.text("sessionToken", token.expose());
        }
    }

    fn object(&self, fields: &mut Fields<'_>, event: &Event) {
        fields.text("triggerName", trigger_name(event.kind));
        let config = &*event.collection == CONFIG;
        let is_new = event.kind == EventKind::BeforeSave && event.original.is_none();
        let mut write = |name: &str, record: &Record, is_new: bool| {
            let shown = Hooked {
                record,
                class: &event.collection,
                schema: event.schema.as_deref(),
                is_new: is_new || config,
                session_token: None,
            };
            encode::hooked(fields.key(name), &shown, self.files());
        };
        write("object", &event.object, is_new);
        if let Some(original) = &event.original {
            write("original", original, false);
        }
    }

    fn query(&self, fields: &mut Fields<'_>, kind: EventKind, query: &ObjectQuery) {
        fields.text("triggerName", trigger_name(kind));
        match &query.asked {
            Some(asked) => value(fields.key("query"), asked, self.files()),
            None => value(fields.key("query"), &followed(query), self.files()),
        }
        fields.raw("count", bool(query.count));
        fields.raw("isGet", bool(query.is_get && query.asked.is_some()));
    }

    fn found(&self, fields: &mut Fields<'_>, found: &Found<'_>) {
        fields.text("triggerName", trigger_name(EventKind::AfterFind));
        let out = fields.key("objects");
        out.push(b'[');
        for (n, record) in found.records.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            let shown = Hooked {
                record,
                class: found.collection,
                schema: found.schema.as_deref(),
                is_new: false,
                session_token: None,
            };
            encode::hooked(out, &shown, self.files());
        }
        out.push(b']');
        if let Some(asked) = found.asked {
            value(fields.key("query"), asked, self.files());
        }
        fields.raw("isGet", bool(found.is_get));
    }

    /// The object as a before-save hook wants it.
    fn new_object(&self, event: &Event, success: &Object<'_>) -> Result<NewObject> {
        let mut body = success.clone();
        for name in ["className", "createdAt", "updatedAt", "objectId", "__type"] {
            body.remove(name);
        }
        let update = decode::update(&self.cx(), &event.collection, &event.object.id, &body)?;
        Ok(NewObject {
            changes: update.fields,
            acl: update.acl,
        })
    }

    /// The query as a before-find hook wants it: what it names takes the place of what was asked.
    fn new_query(&self, query: &ObjectQuery, success: &Object<'_>) -> Result<ObjectQuery> {
        let mut body = success.clone();
        body.remove("className");
        let new = decode::find(&self.cx(), &query.collection, &body)?;
        let named = |name: &str| body.get(name).is_some();
        let mut query = query.clone();
        if named("where") {
            query.filter = new.filter;
        }
        if named("limit") {
            query.limit = new.limit;
        }
        if named("skip") {
            query.skip = new.skip;
        }
        if named("order") {
            query.sort = new.sort;
        }
        if named("keys") {
            query.keys = new.keys;
        }
        if named("excludeKeys") {
            query.exclude_keys = new.exclude_keys;
        }
        if named("include") {
            query.include = new.include;
        }
        if query.asked.is_some() {
            query.asked = Some(Arc::new(decode::asked(&self.cx(), &body, None)));
        }
        Ok(query)
    }

    fn objects(&self, found: &Found<'_>, items: &[Json<'_>]) -> Result<Vec<Record>> {
        let items = items.iter();
        items.map(|item| self.record(found, item)).collect()
    }

    /// An object as an after-find hook wants it.
    fn record(&self, found: &Found<'_>, json: &Json<'_>) -> Result<Record> {
        let object = json.as_object().ok_or_else(malformed)?;
        let id = object.text("objectId").unwrap_or_default();
        let known = found.records.iter().find(|record| *record.id == *id);
        let now = self.clock.now().truncate_to_millis();
        let time = |name: &str| object.text(name).and_then(time::parse);
        let created_at = time("createdAt").or(known.map(|r| r.created_at));
        let updated_at = time("updatedAt").or(known.map(|r| r.updated_at));
        let mut record = Record {
            id: id.into(),
            created_at: created_at.unwrap_or(now),
            updated_at: updated_at.unwrap_or(now),
            rev: known.map_or(0, |r| r.rev),
            acl: match object.get("ACL") {
                Some(json) => acl(json)?.unwrap_or_default(),
                None => basalt_store::Acl::default(),
            },
            fields: Vec::with_capacity(object.len()),
        };
        for (name, json) in object.iter() {
            let own = matches!(
                name,
                "objectId" | "createdAt" | "updatedAt" | "ACL" | "className" | "__type"
            );
            let relation = json.as_object().and_then(|o| o.text("__type")) == Some("Relation");
            if own || relation {
                continue;
            }
            if !decode::is_name(name) {
                return Err(malformed());
            }
            record.set(&name.into(), decode::value(&self.cx(), json)?);
        }
        Ok(record)
    }
}

fn bool(b: bool) -> &'static [u8] {
    if b { b"true" } else { b"false" }
}

/// The query of an include, which no client has asked in words.
fn followed(query: &ObjectQuery) -> Value {
    let mut ids = Map::new();
    if let basalt_data::Where::Test(path, test) = &query.filter
        && path.root == FieldRef::Id
    {
        let test = match test {
            Test::In(ids) => Value::Map(Map::from_iter([(
                "$in".to_owned(),
                Value::Array(ids.clone()),
            )])),
            Test::Eq(id) => id.clone(),
            _ => Value::Null,
        };
        ids.insert("objectId".to_owned(), test);
    }
    Value::Map(Map::from_iter([("where".to_owned(), Value::Map(ids))]))
}

fn malformed() -> Error {
    fail(Reason::ScriptFailed, "The webhook's answer is malformed.")
}

/// What code refuses with: text, or anything else as it is.
fn refusal(error: &Json<'_>) -> Error {
    let message = error.as_object().and_then(|o| o.get("message"));
    match message.filter(|m| m.truthy()).unwrap_or(error) {
        Json::String(text) => fail(Reason::ScriptFailed, text.to_string()),
        other => {
            let error = fail(Reason::ScriptFailed, "The webhook refused.");
            error.with_details(plain(other))
        }
    }
}

impl Wire for ParseWire {
    fn request(&self, invocation: &Invocation<'_>) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(1_024);
        let mut fields = Fields::open(&mut out);
        match &invocation.what {
            What::Function(name, params) => {
                value(fields.key("params"), params, self.files());
                fields.text("functionName", name);
            }
            What::Job(name, params, id) => {
                value(fields.key("params"), params, self.files());
                fields.text("jobName", name);
                fields.text("jobId", id);
            }
            What::Object(event)
                if matches!(event.kind, EventKind::BeforeConnect | EventKind::AfterEvent) =>
            {
                self.live(&mut fields, event, invocation.call);
            }
            What::Object(event) => self.object(&mut fields, event),
            What::Query(query) => self.query(&mut fields, EventKind::BeforeFind, query),
            What::Subscription(query) => {
                self.query(&mut fields, EventKind::BeforeSubscribe, query);
            }
            What::Found(found) => self.found(&mut fields, found),
        }
        self.caller(&mut fields, invocation);
        fields.close();
        Ok(out)
    }

    fn reply(&self, invocation: &Invocation<'_>, body: &[u8]) -> Result<Reply> {
        if body.is_empty() {
            return Ok(Reply::Nothing);
        }
        let json = json::parse(body, &self.limits).map_err(|_| malformed())?;
        let body = json.as_object().ok_or_else(malformed)?;
        if let Some(error) = body.get("error").filter(|error| error.truthy()) {
            return Err(refusal(error));
        }
        let Some(success) = body.get("success") else {
            return Ok(Reply::Nothing);
        };
        match (&invocation.what, success) {
            (What::Function(..) | What::Job(..), result) => Ok(Reply::Value(plain(result))),
            // Nothing in it is what code answers that has nothing to change.
            (What::Object(event), Json::Object(object))
                if matches!(event.kind, EventKind::BeforeSave | EventKind::AfterEvent)
                    && !object.is_empty() =>
            {
                self.new_object(event, object).map(Reply::Object)
            }
            (What::Query(query) | What::Subscription(query), Json::Object(object))
                if !object.is_empty() =>
            {
                let query = self.new_query(query, object)?;
                Ok(Reply::Query(Box::new(query)))
            }
            (What::Found(found), Json::Array(items)) => {
                self.objects(found, items).map(Reply::Objects)
            }
            _ => Ok(Reply::Nothing),
        }
    }

    fn context(&self, body: &[u8]) -> Option<Map> {
        let json = json::parse(body, &self.limits).ok()?;
        match plain(&json) {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    fn job_request(&self, id: &str, params: &Map) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let mut fields = Fields::open(&mut out);
        plain_map(fields.key("params"), params, self.files());
        fields.text("jobId", id);
        fields.raw("master", b"true");
        fields.close();
        out
    }

    fn shown(&self, content: &Value) -> String {
        let mut out = Vec::new();
        value(&mut out, content, self.files());
        String::from_utf8(out).unwrap_or_default()
    }

    fn key_header(&self) -> &'static str {
        "x-parse-webhook-key"
    }

    fn validator(&self, declared: &Value) -> Result<Validator> {
        decode::validator(declared)
    }
}

/// Headers that prove who calls; code is not told them.
const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-parse-master-key",
    "x-parse-maintenance-key",
    "x-parse-rest-api-key",
    "x-parse-javascript-key",
    "x-parse-client-key",
    "x-parse-windows-key",
    "x-parse-session-token",
    "x-parse-webhook-key",
];

/// The headers that code is told.
pub fn shown_headers(headers: &http::HeaderMap) -> Map {
    let shown = headers.iter().filter_map(|(name, value)| {
        let secret = SECRET_HEADERS.contains(&name.as_str());
        let text = value.to_str().ok().filter(|_| !secret)?;
        Some((name.as_str().to_owned(), Value::from(text)))
    });
    shown.collect()
}

/// An event on the app's config.
pub fn config_event(call: &Call, kind: EventKind, params: Map, original: Option<Map>) -> Event {
    let record = |map: Map| {
        let fields = map.into_iter();
        Arc::new(Record {
            id: "".into(),
            created_at: basalt_base::Timestamp::from_millis(0),
            updated_at: basalt_base::Timestamp::from_millis(0),
            rev: 0,
            acl: basalt_store::Acl::default(),
            fields: fields.map(|(name, v)| (name.as_str().into(), v)).collect(),
        })
    };
    Event {
        kind,
        collection: CONFIG.into(),
        schema: None,
        original: original.map(record),
        object: record(params),
        context: call.context.clone(),
    }
}
