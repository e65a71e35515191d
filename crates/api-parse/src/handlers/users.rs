//! Signing in and out.

use crate::decode::fail;
use crate::encode;
use crate::json::Json;
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::{Reason, Result, Secret};
use basalt_data::{Create, FieldChange};
use basalt_identity::{LogIn, LoggedIn};
use basalt_store::{FieldOp, Op, Path};

/// The signed-in user, with the token it came with.
pub async fn me(req: &Req<'_>) -> Result<Reply> {
    let page = req.app.identity.me(req.call).await?;
    let body = encode::get(&page, None, req.session_token, req.files())?;
    Ok(Reply::ok(body))
}

/// Signs in with a name and a password.
pub async fn log_in(req: &Req<'_>) -> Result<Reply> {
    let logged_in = req.app.identity.log_in(req.call, credentials(req)?).await?;
    signed_in(req, &logged_in)
}

/// A sign-up by a provider's data that somebody has signed up with already is a sign-in.
pub async fn log_in_with(req: &Req<'_>, create: &Create) -> Result<Option<Reply>> {
    if &*create.collection != "_User" {
        return Ok(None);
    }
    let auth_data = create.fields.iter().find_map(|change| match change {
        FieldChange::Field(FieldOp {
            path,
            op: Op::Set(data),
        }) => (*path == Path::field("authData")).then_some(data),
        _ => None,
    });
    let Some(auth_data) = auth_data else {
        return Ok(None);
    };
    match req.app.identity.log_in_with(req.call, auth_data).await? {
        Some(logged_in) => signed_in(req, &logged_in).map(Some),
        None => Ok(None),
    }
}

/// Checks a password.
pub async fn verify_password(req: &Req<'_>) -> Result<Reply> {
    let credentials = credentials(req)?;
    let page = req
        .app
        .identity
        .verify_password(req.call, credentials)
        .await?;
    Ok(Reply::ok(encode::get(&page, None, None, req.files())?))
}

/// Signs in as any user, by the master key.
pub async fn log_in_as(req: &Req<'_>) -> Result<Reply> {
    if !req.call.principal.writes_everything() {
        return Err(fail(Reason::OperationForbidden, "master key is required"));
    }
    let given = req.object()?.get("userId").filter(|json| json.truthy());
    let id = match given.or_else(|| req.query.raw.get("userId")) {
        Some(Json::String(id)) if !id.is_empty() => id,
        None | Some(Json::String(_)) => {
            let message = "userId must not be empty, null, or undefined";
            return Err(fail(Reason::InvalidValue, message));
        }
        Some(_) => return Err(fail(Reason::InvalidJson, "userId must be a string.")),
    };
    let logged_in = req.app.identity.log_in_as(req.call, id).await?;
    signed_in(req, &logged_in)
}

/// Ends the presented session.
pub async fn log_out(req: &Req<'_>) -> Result<Reply> {
    req.app.identity.log_out(req.call).await?;
    Ok(Reply::empty())
}

fn signed_in(req: &Req<'_>, logged_in: &LoggedIn) -> Result<Reply> {
    let token = logged_in.session_token.expose();
    let body = encode::get(&logged_in.user, None, Some(token), req.files())?;
    Ok(Reply::ok(body))
}

/// Name and password from the body, or from the query string where the body has no name. Text
/// only: anything else can't be anybody's.
fn credentials(req: &Req<'_>) -> Result<LogIn> {
    let body = req.object()?;
    let named = |key: &str| body.get(key).is_some_and(Json::truthy);
    let asked = |key: &str| req.query.raw.get(key).is_some_and(Json::truthy);
    let in_query = (!named("username") && asked("username")) || (!named("email") && asked("email"));
    let source = if in_query { &req.query.raw } else { body };
    let text = |key: &str| match source.get(key).filter(|json| json.truthy()) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.to_string())),
        Some(_) => Err(fail(
            Reason::InvalidCredentials,
            "Invalid username/password.",
        )),
    };
    if ["username", "email"]
        .iter()
        .all(|k| !source.get(k).is_some_and(Json::truthy))
    {
        return Err(fail(Reason::UsernameMissing, "username/email is required."));
    }
    if !source.get("password").is_some_and(Json::truthy) {
        return Err(fail(Reason::PasswordMissing, "password is required."));
    }
    Ok(LogIn {
        username: text("username")?,
        email: text("email")?,
        password: Secret::new(text("password")?.unwrap_or_default()),
    })
}
