//! Objects of any class.

use super::{idempotency, users};
use crate::reply::Reply;
use crate::request::Req;
use crate::{decode, encode};
use basalt_base::Result;
use basalt_data::{BatchStep, BatchStepDone, Delete};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

/// A query.
pub async fn find(req: &Req<'_>) -> Result<Reply> {
    let (class, params) = (req.class()?, req.params());
    let mut query = decode::find(&req.cx(), class, &params)?;
    if req.shows_queries(class) {
        let asked = decode::asked_find(&req.cx(), &params, query.limit);
        query.asked = Some(Arc::new(asked));
    }
    let keys = query.keys.clone();
    let page = req.app.data.find(req.call, query).await?;
    Ok(Reply::ok(encode::page(
        &page,
        keys.as_deref(),
        req.files(),
    )?))
}

/// One object by its id.
pub async fn get(req: &Req<'_>) -> Result<Reply> {
    let class = req.class()?;
    let (params, id) = (req.params(), req.arg(1));
    let mut query = decode::get(&req.cx(), class, &params)?;
    if req.shows_queries(class) {
        query.asked = Some(Arc::new(decode::asked(&req.cx(), &params, Some(id))));
    }
    let keys = query.keys.clone();
    let page = req.app.data.get(req.call, id, query).await?;
    // A user that reads itself is told the token it came with.
    let own = class == "_User" && req.call.principal.user.as_deref() == Some(id);
    let token = req.session_token.filter(|_| own);
    Ok(Reply::ok(encode::get(
        &page,
        keys.as_deref(),
        token,
        req.files(),
    )?))
}

/// A new object.
pub async fn create(req: &Req<'_>) -> Result<Reply> {
    let class = req.class()?;
    let create = decode::create(&req.cx(), class, req.object()?)?;
    if let Some(signed_in) = users::log_in_with(req, &create).await? {
        return Ok(signed_in);
    }
    idempotency::claim(req).await?;
    let done = req.app.data.create(req.call, create).await?;
    let mut body = Vec::with_capacity(96);
    encode::created(&mut body, &done, req.files());
    Ok(Reply::created(body, location(req, class, &done.record.id)))
}

/// A change of an object.
pub async fn update(req: &Req<'_>) -> Result<Reply> {
    let update = decode::update(&req.cx(), req.class()?, req.arg(1), req.object()?)?;
    idempotency::claim(req).await?;
    let done = req.app.data.update(req.call, update).await?;
    let mut body = Vec::with_capacity(96);
    encode::updated(&mut body, &done, req.files());
    Ok(Reply::ok(body))
}

/// The end of an object.
pub async fn delete(req: &Req<'_>) -> Result<Reply> {
    let delete = delete_of(req)?;
    req.app.data.delete(req.call, delete).await?;
    Ok(Reply::empty())
}

fn delete_of(req: &Req<'_>) -> Result<Delete> {
    Ok(Delete {
        collection: req.class()?.into(),
        id: req.arg(1).into(),
    })
}

/// Where a new object is.
pub fn location(req: &Req<'_>, class: &str, id: &str) -> String {
    let base = &req.app.options.public_url;
    // Custom ids hold any text, headers don't.
    let id = utf8_percent_encode(id, NON_ALPHANUMERIC);
    match class {
        "_User" => format!("{base}/users/{id}"),
        _ => format!("{base}/classes/{class}/{id}"),
    }
}

/// What a create, an update or a delete does, as a step of a batch.
pub fn step(act: crate::routes::Act, req: &Req<'_>) -> Option<Result<BatchStep>> {
    use crate::routes::Act;
    let step = || -> Result<BatchStep> {
        Ok(match act {
            Act::Create => {
                BatchStep::Create(decode::create(&req.cx(), req.class()?, req.object()?)?)
            }
            Act::Update => BatchStep::Update(decode::update(
                &req.cx(),
                req.class()?,
                req.arg(1),
                req.object()?,
            )?),
            _ => BatchStep::Delete(delete_of(req)?),
        })
    };
    matches!(act, Act::Create | Act::Update | Act::Delete).then(step)
}

/// What a step of a batch did.
pub fn write_step(out: &mut Vec<u8>, done: &BatchStepDone, req: &Req<'_>) {
    match done {
        BatchStepDone::Created(done) => encode::created(out, done, req.files()),
        BatchStepDone::Updated(done) => encode::updated(out, done, req.files()),
        BatchStepDone::Deleted => out.extend_from_slice(b"{}"),
    }
}
