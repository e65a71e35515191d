//! Jobs: starting them, and the schedules that start them.

use super::{idempotency, objects};
use crate::decode::{self, fail, plain};
use crate::encode;
use crate::json::{Json, Object};
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::{Reason, Result, Value};
use basalt_data::{Delete, ObjectQuery};
use basalt_flow::{JOB_SCHEDULE, StartJob};
use basalt_store::Record;
use http::StatusCode;
use std::borrow::Cow;

/// Starts a job; the id of its status goes into a header.
pub async fn start(req: &Req<'_>) -> Result<Reply> {
    req.check_write("start a job")?;
    let params = req.params().into_owned();
    let named = params.text("jobName").unwrap_or_default().to_owned();
    let name = req.args.first().map_or(&*named, |name| name);
    let Value::Map(params) = plain(&Json::Object(params)) else {
        return Err(fail(Reason::InvalidJson, "The body must be a JSON object."));
    };
    idempotency::claim(req).await?;
    let job = StartJob {
        name: name.into(),
        params,
        source: "api",
        schedule: None,
        depth: req.call.depth,
    };
    let id = req.app.jobs.start(job).await?;
    Ok(Reply {
        job_status_id: Some(id),
        ..Reply::empty()
    })
}

async fn schedules(req: &Req<'_>) -> Result<(basalt_data::ObjectPage, Vec<Record>)> {
    let page = req
        .app
        .data
        .find(req.call, ObjectQuery::of(JOB_SCHEDULE))
        .await?;
    let records = page.records.clone();
    Ok((page, records))
}

/// All schedules.
pub async fn all(req: &Req<'_>) -> Result<Reply> {
    let (page, _) = schedules(req).await?;
    let body = encode::page(&page, None, req.files())?;
    // Without the envelope of a query's answer.
    let list = body.strip_prefix(br#"{"results":"#.as_slice());
    let list = list.and_then(|body| body.strip_suffix(b"}"));
    Ok(Reply::ok(list.unwrap_or(b"[]")))
}

/// Which jobs there are, and which of them schedules use.
pub async fn data(req: &Req<'_>) -> Result<Reply> {
    let (_, records) = schedules(req).await?;
    let used = records
        .iter()
        .filter_map(|record| match record.get("jobName") {
            Some(Value::String(name)) => Some(name.clone()),
            _ => None,
        });
    let body = serde_json::json!({
        "in_use": used.collect::<Vec<_>>(),
        "jobs": req.app.jobs.names(),
    });
    Ok(Reply::ok(body.to_string()))
}

/// The schedule that a body holds, with its start.
fn schedule<'r>(req: &Req<'r>) -> Result<Result<Object<'r>, Reply>> {
    let body = req.object()?;
    let schedule = body.get("job_schedule").and_then(Json::as_object);
    let Some(schedule) = schedule else {
        return Err(fail(Reason::InvalidJson, "job_schedule must be an object."));
    };
    let mut schedule = schedule.clone();
    let name = schedule.text("jobName").filter(|name| !name.is_empty());
    if name.is_some_and(|name| !req.app.jobs.names().iter().any(|job| job == name)) {
        let body = r#"{"code":1,"error":"Cannot Schedule a job that is not deployed"}"#;
        return Ok(Err(Reply::new(StatusCode::INTERNAL_SERVER_ERROR, body)));
    }
    if schedule.get("startAfter").is_none() {
        let mut now = Vec::new();
        encode::iso(&mut now, req.app.data.deps().clock.now());
        let now = String::from_utf8(now).unwrap_or_default();
        let now = now.trim_matches('"').to_owned();
        schedule.set(Cow::Borrowed("startAfter"), Json::String(Cow::Owned(now)));
    }
    Ok(Ok(schedule))
}

/// A new schedule.
pub async fn create(req: &Req<'_>) -> Result<Reply> {
    req.check_write("schedule a job")?;
    let schedule = match schedule(req)? {
        Ok(schedule) => schedule,
        Err(reply) => return Ok(reply),
    };
    let create = decode::create(&req.cx(), JOB_SCHEDULE, &schedule)?;
    let done = req.app.data.create(req.call, create).await?;
    let mut body = Vec::with_capacity(96);
    encode::created(&mut body, &done, req.files());
    let location = objects::location(req, JOB_SCHEDULE, &done.record.id);
    Ok(Reply::created(body, location))
}

/// A change of a schedule; the answer is wrapped once more, as its clients know it.
pub async fn update(req: &Req<'_>) -> Result<Reply> {
    req.check_write("schedule a job")?;
    let schedule = match schedule(req)? {
        Ok(schedule) => schedule,
        Err(reply) => return Ok(reply),
    };
    let update = decode::update(&req.cx(), JOB_SCHEDULE, req.arg(0), &schedule)?;
    let done = req.app.data.update(req.call, update).await?;
    let mut body = br#"{"response":"#.to_vec();
    encode::updated(&mut body, &done, req.files());
    body.push(b'}');
    Ok(Reply::ok(body))
}

/// The end of a schedule.
pub async fn delete(req: &Req<'_>) -> Result<Reply> {
    req.check_write("delete a schedule")?;
    let delete = Delete {
        collection: JOB_SCHEDULE.into(),
        id: req.arg(0).into(),
    };
    req.app.data.delete(req.call, delete).await?;
    Ok(Reply::empty())
}
