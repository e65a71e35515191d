//! The app's configuration: one object of a system class.

use crate::decode::{self, fail, value};
use crate::encode::{Fields, plain_map};
use crate::json::{Json, Object};
use crate::reply::Reply;
use crate::request::Req;
use crate::webhooks::{CONFIG, config_event};
use basalt_base::{Map, Reason, Result, Value};
use basalt_data::{Call, Create, Event, EventKind, FieldChange, Hooks, ObjectQuery, Update};
use basalt_store::{FieldOp, Op, Path, Record};
use std::sync::Arc;

const CLASS: &str = "_GlobalConfig";
const ID: &str = "1";

/// The parameters; those for the master key alone are shown to it alone.
pub async fn get(req: &Req<'_>) -> Result<Reply> {
    let query = ObjectQuery {
        is_get: true,
        ..ObjectQuery::of(CLASS)
    };
    let found = req.app.data.get(&req.call.as_master(), ID, query).await;
    let page = match found {
        Err(e) if e.reason() == Reason::ObjectNotFound => None,
        other => Some(other?),
    };
    let record = page.as_ref().and_then(|page| page.records.first());
    let part = |name| record.and_then(|record| map_of(record, name));
    let hidden = part("masterKeyOnly").cloned().unwrap_or_default();
    let master = req.call.principal.reads_everything();
    let mut params = part("params").cloned().unwrap_or_default();
    if !master {
        params.retain(|name, _| hidden.get(name).and_then(Value::as_bool) != Some(true));
    }
    let mut body = Vec::with_capacity(256);
    let mut fields = Fields::open(&mut body);
    plain_map(fields.key("params"), &params, req.files());
    if master && record.is_some() {
        plain_map(fields.key("masterKeyOnly"), &hidden, req.files());
    }
    fields.close();
    Ok(Reply::ok(body))
}

fn map_of<'a>(record: &'a Record, name: &str) -> Option<&'a Map> {
    record.get(name).and_then(Value::as_map)
}

/// Sets and removes parameters.
pub async fn update(req: &Req<'_>) -> Result<Reply> {
    req.check_write("update the config")?;
    let body = req.object()?;
    let changes = changes(req, body)?;
    let hooked = Hooked::of(req, &changes).await?;
    let call = req.call.as_master();
    // Two first updates may both find nothing; the one that comes second then updates.
    for _ in 0..2 {
        match req.app.data.update(&call, update_of(&changes)).await {
            Err(e) if e.reason() == Reason::ObjectNotFound => {}
            other => {
                other?;
                return Ok(hooked.done(req).await);
            }
        }
        match first(req, &call, &changes).await {
            Err(e) if e.reason() == Reason::DuplicateValue => {}
            other => {
                other?;
                return Ok(hooked.done(req).await);
            }
        }
    }
    Err(fail(
        Reason::TransactionConflict,
        "The config changes too often.",
    ))
}

/// What the triggers on the config are told.
struct Hooked {
    params: Map,
    original: Option<Map>,
}

impl Hooked {
    /// Runs the trigger before the update, if there is one.
    async fn of(req: &Req<'_>, changes: &[Change]) -> Result<Self> {
        let functions = &req.app.functions;
        let wants = |kind| functions.wants(kind, CONFIG);
        if !wants(EventKind::BeforeSave) && !wants(EventKind::AfterSave) {
            return Ok(Self {
                params: Map::new(),
                original: None,
            });
        }
        let record = req.app.data.deps().store.get(CLASS, ID).await?;
        let original = record.as_ref().and_then(|record| map_of(record, "params"));
        let original = original.cloned();
        let set = changes.iter().filter_map(|change| match &change.op {
            Op::Set(value) => Some((change.name.clone(), value.clone())),
            _ => None,
        });
        let hooked = Self {
            params: set.collect(),
            original,
        };
        if wants(EventKind::BeforeSave) {
            let event = hooked.event(req, EventKind::BeforeSave);
            functions.before(req.call, event).await?;
        }
        Ok(hooked)
    }

    /// Runs the trigger after the update, if there is one.
    async fn done(self, req: &Req<'_>) -> Reply {
        let functions = &req.app.functions;
        if functions.wants(EventKind::AfterSave, CONFIG) {
            let mut event = self.event(req, EventKind::AfterSave);
            // All of it, as it is now.
            if let Ok(Some(now)) = req.app.data.deps().store.get(CLASS, ID).await
                && let Some(params) = map_of(&now, "params")
            {
                let original = self.original.clone();
                event = config_event(req.call, EventKind::AfterSave, params.clone(), original);
            }
            functions.after(req.call, event).await;
        }
        Reply::ok(r#"{"result":true}"#)
    }

    fn event(&self, req: &Req<'_>, kind: EventKind) -> Event {
        config_event(req.call, kind, self.params.clone(), self.original.clone())
    }
}

struct Change {
    name: String,
    /// What happens to the parameter.
    op: Op,
    master_only: bool,
}

fn changes(req: &Req<'_>, body: &Object<'_>) -> Result<Vec<Change>> {
    let wrong = |name: &str| fail(Reason::InvalidJson, format!("{name} must be an object"));
    let params = body.get("params").and_then(Json::as_object);
    let params = params.ok_or_else(|| wrong("params"))?;
    let master_only = match body.get("masterKeyOnly") {
        None | Some(Json::Null) => None,
        Some(json) => Some(json.as_object().ok_or_else(|| wrong("masterKeyOnly"))?),
    };
    let mut changes = Vec::with_capacity(params.len());
    for (name, json) in params.iter() {
        if !decode::is_name(name) {
            let mut shown = name.to_owned();
            crate::json::shorten(&mut shown);
            let message = format!("Invalid field name: {shown}.");
            return Err(fail(Reason::InvalidFieldName, message));
        }
        let asked = json.as_object().and_then(|o| Some((o, o.get("__op")?)));
        let op = match asked {
            None => Op::Set(value(&req.cx(), json)?),
            Some((object, Json::String(op))) => decode::operation(&req.cx(), op, object)?,
            Some(_) => return Err(fail(Reason::InvalidJson, "__op must be a string.")),
        };
        let hidden = master_only.and_then(|o| o.get(name));
        changes.push(Change {
            name: name.to_owned(),
            op,
            master_only: hidden.is_some_and(Json::truthy),
        });
    }
    Ok(changes)
}

fn update_of(changes: &[Change]) -> Update {
    let mut fields = Vec::with_capacity(changes.len() * 2);
    for change in changes {
        let mut push = |root: &str, op: Op| {
            let mut path = Path::field(root);
            path.rest.push(change.name.as_str().into());
            fields.push(FieldChange::Field(FieldOp { path, op }));
        };
        push("params", change.op.clone());
        push(
            "masterKeyOnly",
            match change.op {
                Op::Unset => Op::Unset,
                _ => Op::Set(Value::Bool(change.master_only)),
            },
        );
    }
    Update {
        collection: Arc::from(CLASS),
        id: ID.into(),
        fields,
        acl: None,
        filter: None,
    }
}

async fn first(req: &Req<'_>, call: &Call, changes: &[Change]) -> Result<()> {
    let create = Create {
        collection: Arc::from(CLASS),
        id: Some(ID.to_owned()),
        fields: update_of(changes).fields,
        acl: None,
        created_at: None,
        updated_at: None,
    };
    req.app.data.create(call, create).await.map(drop)
}
