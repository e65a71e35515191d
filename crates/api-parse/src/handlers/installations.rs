//! Installations: one object per installation of a client.

use super::{idempotency, objects};
use crate::decode::{self, fail};
use crate::encode;
use crate::json::{Json, Object};
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::{Reason, Result, Value};
use basalt_data::{ObjectQuery, Update, Where};
use basalt_store::{Path, Record, Test};

/// A create: a change of the installation's object where there is one already.
pub async fn create(req: &Req<'_>) -> Result<Reply> {
    let class = req.class()?;
    let body = normal(req)?;
    let text = |key: &str| -> Result<Option<&str>> {
        match body.get(key).filter(|json| json.truthy()) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(fail(
                Reason::InvalidJson,
                format!("{key} must be a string."),
            )),
        }
    };
    let (installation, token) = (text("installationId")?, text("deviceToken")?);
    if installation.is_none() && token.is_none() {
        let message = "at least one ID field (deviceToken, installationId) must be specified in this operation";
        return Err(fail(Reason::MissingParameter, message));
    }
    let present = present(req, installation, token).await?;
    let Some(kept) = keep(&present, installation, token)? else {
        if text("deviceType")?.is_none() {
            let message = "deviceType must be specified in this operation";
            return Err(fail(Reason::MissingParameter, message));
        }
        let create = decode::create(&req.cx(), class, &body)?;
        idempotency::claim(req).await?;
        let done = req.app.data.create(req.call, create).await?;
        let mut out = Vec::with_capacity(96);
        encode::created(&mut out, &done, req.files());
        let location = objects::location(req, class, &done.record.id);
        return Ok(Reply::created(out, location));
    };
    let update: Update = decode::update(&req.cx(), class, &kept.id, &body)?;
    idempotency::claim(req).await?;
    // With the caller's own rights: knowing an installation's id or token gives none.
    let done = req.app.data.update(req.call, update).await?;
    let mut out = Vec::with_capacity(96);
    out.extend_from_slice(b"{\"objectId\":");
    encode::string(&mut out, &kept.id);
    out.push(b',');
    let mut rest = Vec::with_capacity(64);
    encode::updated(&mut rest, &done, req.files());
    out.extend_from_slice(&rest[1..]);
    Ok(Reply::ok(out))
}

/// The body with ids in lower case, and with the caller's own installation where it names none.
fn normal<'r>(req: &Req<'r>) -> Result<Object<'r>> {
    let mut body = req.object()?.clone();
    if body.get("installationId").is_none_or(|json| !json.truthy())
        && !req.call.principal.writes_everything()
        && let Some(own) = &req.call.installation_id
    {
        body.set(
            "installationId".into(),
            Json::String(own.to_string().into()),
        );
    }
    for (key, always) in [("installationId", true), ("deviceToken", false)] {
        if let Some(Json::String(text)) = body.get(key)
            // Tokens of 64 characters are hexadecimal; others may be case-sensitive.
            && (always || text.len() == 64)
        {
            let lower = text.to_lowercase();
            body.set(key.into(), Json::String(lower.into()));
        }
    }
    Ok(body)
}

/// The objects with this installation or token.
async fn present(
    req: &Req<'_>,
    installation: Option<&str>,
    token: Option<&str>,
) -> Result<Vec<Record>> {
    let test = |field, text: &str| Where::Test(Path::field(field), Test::Eq(Value::from(text)));
    let mut query = ObjectQuery::of("_Installation");
    query.filter = Where::Or(
        installation
            .map(|id| test("installationId", id))
            .into_iter()
            .chain(token.map(|token| test("deviceToken", token)))
            .collect(),
    );
    let page = req.app.data.find(&req.call.as_master(), query).await?;
    Ok(page.records)
}

/// Which object the create is about, if one of those is it.
fn keep<'a>(
    present: &'a [Record],
    installation: Option<&str>,
    token: Option<&str>,
) -> Result<Option<&'a Record>> {
    if installation.is_some() {
        let same = |r: &&Record| text(r, "installationId") == installation;
        if let Some(record) = present.iter().find(same) {
            return Ok(Some(record));
        }
    }
    let same_token: Vec<&Record> = present
        .iter()
        .filter(|r| token.is_some() && text(r, "deviceToken") == token)
        .collect();
    match same_token.as_slice() {
        [only] if installation.is_none() || text(only, "installationId").is_none() => {
            Ok(Some(only))
        }
        [] => Ok(None),
        _ if installation.is_none() => Err(fail(
            Reason::ValidationFailed,
            "Must specify installationId when deviceToken matches multiple Installation objects",
        )),
        _ => Ok(None),
    }
}

fn text<'a>(record: &'a Record, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Value::as_str)
}
