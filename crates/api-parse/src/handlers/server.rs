//! What is about the server itself.

use crate::decode::fail;
use crate::reply::Reply;
use basalt_base::{Reason, Result};

/// The version whose behaviour this adapter follows; administration tools decide by it.
const COMPATIBLE_WITH: &str = "9.10.0";

/// What administration tools may offer.
pub async fn info() -> Result<Reply> {
    let body = format!(
        concat!(
            r#"{{"features":{{"#,
            r#""globalConfig":{{"create":true,"read":true,"update":true,"delete":true}},"#,
            r#""hooks":{{"create":true,"read":true,"update":true,"delete":true}},"#,
            r#""cloudCode":{{"jobs":true}},"#,
            r#""logs":{{"level":true,"size":true,"order":true,"until":true,"from":true}},"#,
            r#""push":{{"immediatePush":false,"scheduledPush":false,"storedPushData":false,"#,
            r#""pushAudiences":false,"localization":false}},"#,
            r#""schemas":{{"addField":true,"removeField":true,"addClass":true,"#,
            r#""removeClass":true,"clearAllDataFromClass":true,"exportClass":false,"#,
            r#""editClassLevelPermissions":true,"editPointerPermissions":true}},"#,
            r#""settings":{{"securityCheck":false}}}},"parseServerVersion":"{}"}}"#,
        ),
        COMPATIBLE_WITH
    );
    Ok(Reply::ok(body))
}

/// Events are accepted and kept nowhere.
pub async fn analytics() -> Result<Reply> {
    Ok(Reply::empty())
}

/// A part of the protocol that this server does not have.
pub async fn absent(name: &'static str) -> Result<Reply> {
    let message = format!("{name} is not available on this server.");
    Err(fail(Reason::CommandUnavailable, message))
}
