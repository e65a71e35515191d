//! Declaring webhooks.

use crate::decode::{fail, plain};
use crate::encode::{Fields, value};
use crate::json::{Json, Object};
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::{Error, Reason, Result};
use basalt_functions::{Hook, NewHook, On, trigger, trigger_name};
use std::sync::Arc;

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    fail(Reason::InvalidHook, message)
}

fn no_declaration() -> Error {
    invalid("invalid hook declaration")
}

/// All functions.
pub async fn functions(req: &Req<'_>) -> Result<Reply> {
    Ok(Reply::ok(list(req, &req.app.functions.functions())))
}

/// All triggers.
pub async fn triggers(req: &Req<'_>) -> Result<Reply> {
    Ok(Reply::ok(list(req, &req.app.functions.triggers())))
}

/// One function or trigger.
pub async fn one(req: &Req<'_>) -> Result<Reply> {
    let on = addressed(req).ok_or_else(|| missing(req))?;
    let hook = req.app.functions.hook(&on).ok_or_else(|| missing(req))?;
    let mut body = Vec::new();
    write(&mut body, req, &hook);
    Ok(Reply::ok(body))
}

/// Declares a function or a trigger.
pub async fn create(req: &Req<'_>) -> Result<Reply> {
    req.check_write("create a hook")?;
    let body = req.object()?;
    let on = named(body)?;
    if req.app.functions.hook(&on).is_some() {
        return Err(taken(&on));
    }
    declare(req, on, body, false).await
}

/// Changes a function or a trigger, or removes it.
pub async fn update(req: &Req<'_>) -> Result<Reply> {
    req.check_write("change a hook")?;
    let body = req.object()?;
    if body.text("__op") == Some("Delete") {
        return delete(req).await;
    }
    if !body.get("url").is_some_and(Json::truthy) {
        return Err(no_declaration());
    }
    let on = addressed(req).ok_or_else(|| missing(req))?;
    if req.app.functions.hook(&on).is_none() {
        return Err(missing(req));
    }
    declare(req, on, body, true).await
}

/// Removes a function or a trigger; one that is not there is no error.
pub async fn delete(req: &Req<'_>) -> Result<Reply> {
    req.check_write("delete a hook")?;
    if let Some(on) = addressed(req) {
        req.app.functions.remove(&on).await?;
    }
    Ok(Reply::empty())
}

async fn declare(req: &Req<'_>, on: On, body: &Object<'_>, replace: bool) -> Result<Reply> {
    let url = body.text("url").filter(|url| !url.is_empty());
    let validator = body.get("validator").filter(|json| json.truthy());
    // A change of the address alone leaves them: no event gets lost by it.
    let known = req.app.functions.hook(&on);
    let says = |name: &str, was: Option<bool>| match body.get(name) {
        Some(says) => says.truthy(),
        None => was.unwrap_or(false),
    };
    let hook = NewHook {
        url: url.ok_or_else(no_declaration)?.to_owned(),
        validator: validator.map(plain),
        durable: says("durable", known.as_ref().map(|hook| hook.durable)),
        one_at_a_time: says("oneAtATime", known.as_ref().map(|hook| hook.one_at_a_time)),
        on,
    };
    match req.app.functions.declare(&hook, replace).await {
        Err(e) if e.reason() == Reason::DuplicateValue => return Err(taken(&hook.on)),
        other => other?,
    }
    let declared = req.app.functions.hook(&hook.on);
    let declared = declared.ok_or_else(|| Error::internal("a hook went away"))?;
    let mut out = Vec::new();
    write(&mut out, req, &declared);
    Ok(Reply::ok(out))
}

/// What a body declares a hook for.
fn named(body: &Object<'_>) -> Result<On> {
    let text = |name: &str| body.text(name).filter(|text| !text.is_empty());
    if let Some(name) = text("functionName") {
        return Ok(On::Function(name.into()));
    }
    match (text("className"), text("triggerName").map(trigger)) {
        (Some(class), Some(Some(kind))) => Ok(On::Trigger(kind, class.into())),
        _ => Err(no_declaration()),
    }
}

/// What a path addresses; `None` for a trigger that there can't be.
fn addressed(req: &Req<'_>) -> Option<On> {
    match req.args {
        [function] => Some(On::Function((&**function).into())),
        [class, name] => Some(On::Trigger(trigger(name)?, (&**class).into())),
        _ => None,
    }
}

fn missing(req: &Req<'_>) -> Error {
    let mut shown = req.arg(0).to_owned();
    crate::json::shorten(&mut shown);
    match req.args {
        [_] => invalid(format!("no function named: {shown} is defined")),
        _ => invalid(format!("class {shown} does not exist")),
    }
}

fn taken(on: &On) -> Error {
    match on {
        On::Function(name) => invalid(format!("function name: {name} already exists")),
        On::Trigger(kind, class) => invalid(format!(
            "class {class} already has trigger {}",
            trigger_name(*kind)
        )),
    }
}

fn list(req: &Req<'_>, hooks: &[Arc<Hook>]) -> Vec<u8> {
    let mut out = Vec::new();
    out.push(b'[');
    for (n, hook) in hooks.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        write(&mut out, req, hook);
    }
    out.push(b']');
    out
}

fn write(out: &mut Vec<u8>, req: &Req<'_>, hook: &Hook) {
    let mut fields = Fields::open(out);
    match &hook.on {
        On::Function(name) => fields.text("functionName", name),
        On::Trigger(kind, class) => {
            fields.text("className", class);
            fields.text("triggerName", trigger_name(*kind));
        }
    }
    fields.text("url", &hook.url);
    if let Some(validator) = &hook.declared_validator {
        value(fields.key("validator"), validator, req.files());
    }
    if hook.durable {
        fields.raw("durable", b"true");
    }
    if hook.one_at_a_time {
        fields.raw("oneAtATime", b"true");
    }
    fields.close();
}
