//! Schemas, by the master key.

use crate::decode::{SchemaVerb, class_name, fail, schema};
use crate::encode::{self, Indexes};
use crate::json::Json;
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::{Reason, Result};
use basalt_data::SchemaChangeRequest;

/// All schemas.
pub async fn all(req: &Req<'_>) -> Result<Reply> {
    let views = req.app.data.schemas(req.call).await?;
    Ok(Reply::ok(encode::schemas(&views, req.files())))
}

/// One schema.
pub async fn one(req: &Req<'_>) -> Result<Reply> {
    let view = req.app.data.schema(req.call, req.arg(0)).await?;
    let shown = Indexes::Present;
    Ok(Reply::ok(encode::schema(&view, shown, req.files())))
}

/// A new class.
pub async fn create(req: &Req<'_>) -> Result<Reply> {
    req.check_write("create a schema")?;
    let request = change(req, SchemaVerb::Create)?;
    let view = req.app.data.create_schema(req.call, request).await?;
    let shown = Indexes::Asked;
    Ok(Reply::ok(encode::schema(&view, shown, req.files())))
}

/// A changed class.
pub async fn update(req: &Req<'_>) -> Result<Reply> {
    req.check_write("update a schema")?;
    let request = change(req, SchemaVerb::Update)?;
    let asked = req.object()?.get("indexes").is_some();
    let shown = if asked {
        Indexes::All
    } else {
        Indexes::Present
    };
    let view = req.app.data.update_schema(req.call, request).await?;
    Ok(Reply::ok(encode::schema(&view, shown, req.files())))
}

/// The end of a class; one that is not there has ended already.
pub async fn delete(req: &Req<'_>) -> Result<Reply> {
    req.check_write("delete a schema")?;
    let class = class_name(req.arg(0))?;
    gone(req.app.data.delete_schema(req.call, class).await)
}

/// Deletes the objects of a class.
pub async fn purge(req: &Req<'_>) -> Result<Reply> {
    req.check_write("purge a schema")?;
    gone(req.app.data.purge(req.call, class_name(req.arg(0))?).await)
}

fn gone(result: Result<()>) -> Result<Reply> {
    match result {
        Err(e) if e.reason() == Reason::CollectionNotFound => Ok(Reply::empty()),
        other => other.map(|()| Reply::empty()),
    }
}

fn change(req: &Req<'_>, verb: SchemaVerb) -> Result<SchemaChangeRequest> {
    let body = req.object()?;
    let in_path = req.args.first().map(|class| &**class);
    let in_body = match body.get("className").filter(|json| json.truthy()) {
        None => None,
        Some(Json::String(class)) => Some(&**class),
        Some(_) => return Err(fail(Reason::InvalidJson, "invalid JSON")),
    };
    let class = match (in_path, in_body) {
        (Some(path), Some(body)) if path != body => {
            let (mut path, mut body) = (path.to_owned(), body.to_owned());
            crate::json::shorten(&mut path);
            crate::json::shorten(&mut body);
            let message = format!("Class name mismatch between {body} and {path}.");
            return Err(fail(Reason::InvalidCollectionName, message));
        }
        (Some(class), _) | (None, Some(class)) => class,
        (None, None) => {
            let message = "POST /schemas needs a class name.";
            return Err(fail(Reason::MissingParameter, message));
        }
    };
    let catalogue = req.app.data.deps().store.catalogue();
    let present = catalogue.collection(class).map(|found| &**found);
    schema(&req.cx(), verb, class, body, present)
}
