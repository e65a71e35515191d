//! Sessions that are more than objects.

use crate::decode::fail;
use crate::encode;
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::{Reason, Result};
use basalt_data::Create;

/// The presented session.
pub async fn current(req: &Req<'_>) -> Result<Reply> {
    let Some(token) = req.session_token else {
        return Err(fail(Reason::InvalidSession, "Session token required."));
    };
    let page = req.app.identity.session(req.call, token).await?;
    let body = encode::get(&page, None, Some(token), req.files())?;
    Ok(Reply::ok(body))
}

/// A new session for the signed-in user in place of an old kind; every session is of the new kind
/// here already.
pub async fn upgrade(req: &Req<'_>) -> Result<Reply> {
    if req.call.principal.user.is_none() {
        return Err(fail(Reason::ObjectNotFound, "invalid session"));
    }
    let create = Create {
        collection: "_Session".into(),
        id: None,
        fields: Vec::new(),
        acl: None,
        created_at: None,
        updated_at: None,
    };
    let made = req.app.data.create(req.call, create).await?;
    let mut body = Vec::with_capacity(256);
    encode::created(&mut body, &made, req.files());
    Ok(Reply::ok(body))
}
