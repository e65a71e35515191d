//! Engine errors to the protocol's: one table.

use crate::encode::{Fields, plain_value, string};
use crate::reply::Reply;
use basalt_base::{Error, Reason};
use http::StatusCode;

/// How an error is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `{"code":n,"error":"…"}`.
    Coded(i32),
    /// `{"error":"…"}`: what the key check says, without a code.
    Bare,
    /// `{"code":1,"message":"Internal server error."}`: nothing of the cause leaves.
    Internal,
}

/// The status and form of a reason. Total: a new reason does not compile until it has a place.
#[rustfmt::skip]
pub fn wire(reason: Reason) -> (u16, Form) {
    use Form::{Bare, Coded, Internal};
    match reason {
        Reason::Internal => (500, Internal),
        Reason::ObjectNotFound => (404, Coded(101)),
        Reason::RouteNotFound => (404, Coded(107)),
        Reason::CollectionNotFound => (400, Coded(103)),
        Reason::InvalidQuery => (400, Coded(102)),
        Reason::UnsupportedQuery => (400, Coded(102)),
        Reason::QueryTooComplex => (400, Coded(102)),
        Reason::InvalidCollectionName => (400, Coded(103)),
        Reason::MissingParameter => (400, Coded(135)),
        Reason::ImmutableField => (400, Coded(136)),
        Reason::MissingObjectId => (400, Coded(104)),
        Reason::InvalidFieldName => (400, Coded(105)),
        Reason::InvalidReference => (400, Coded(106)),
        Reason::InvalidJson => (400, Coded(107)),
        Reason::OperationForbidden => (400, Coded(119)),
        Reason::AccessDenied => (400, Coded(119)),
        Reason::Unauthorized => (403, Bare),
        Reason::MasterKeyRequired => (403, Bare),
        Reason::ReadOnly => (400, Coded(119)),
        Reason::CommandUnavailable => (400, Coded(108)),
        Reason::IncorrectType => (400, Coded(111)),
        Reason::SchemaMismatch => (400, Coded(111)),
        Reason::ObjectTooLarge => (400, Coded(116)),
        Reason::BodyTooLarge => (413, Coded(116)),
        Reason::InvalidNestedKey => (400, Coded(121)),
        Reason::InvalidAcl => (400, Coded(123)),
        Reason::InvalidValue => (400, Coded(162)),
        Reason::Timeout => (400, Coded(124)),
        Reason::Cancelled => (400, Coded(100)),
        Reason::InvalidEmail => (400, Coded(125)),
        Reason::DuplicateValue => (400, Coded(137)),
        Reason::PreconditionFailed => (400, Coded(142)),
        Reason::InvalidRoleName => (400, Coded(139)),
        Reason::QuotaExceeded => (400, Coded(140)),
        Reason::InvalidHook => (400, Coded(143)),
        Reason::ScriptFailed => (400, Coded(141)),
        Reason::ValidationFailed => (400, Coded(142)),
        Reason::RequestLimit => (429, Coded(100)),
        Reason::Overloaded => (429, Coded(155)),
        Reason::DuplicateRequest => (400, Coded(159)),
        Reason::UsernameMissing => (400, Coded(200)),
        Reason::PasswordMissing => (400, Coded(201)),
        Reason::UsernameTaken => (400, Coded(202)),
        Reason::EmailTaken => (400, Coded(203)),
        Reason::EmailMissing => (400, Coded(204)),
        Reason::EmailNotFound => (400, Coded(205)),
        Reason::SessionMissing => (400, Coded(206)),
        Reason::InvalidSession => (400, Coded(209)),
        Reason::InvalidCredentials => (404, Coded(101)),
        Reason::AccountAlreadyLinked => (400, Coded(208)),
        Reason::UnsupportedService => (400, Coded(252)),
        Reason::SchemaRefused => (400, Coded(255)),
        Reason::TransactionConflict | Reason::LeaseLost => (400, Coded(251)),
        Reason::StaleReceipt => (400, Coded(142)),
        Reason::OutcomeUnknown => (503, Coded(100)),
        Reason::StoreUnavailable => (503, Coded(100)),
        Reason::BodiesExhausted => (503, Coded(100)),
        Reason::StoreCorrupt => (500, Internal),
        Reason::StoreVersion => (500, Internal),
        Reason::StoreLocked => (503, Coded(100)),
        Reason::InvalidSetting => (500, Internal),
    }
}

/// The status and form of an error; the number that code gave counts.
fn told(error: &Error) -> (u16, Form) {
    let (status, form) = wire(error.reason());
    match (error.code(), form) {
        (Some(code), Form::Coded(_)) => {
            let status = match code {
                101 => 404,
                1 => 500,
                _ => 400,
            };
            (status, Form::Coded(code))
        }
        _ => (status, form),
    }
}

/// The answer that an error becomes.
pub fn reply(error: &Error, sanitize: bool) -> Reply {
    let (status, form) = told(error);
    let mut out = Vec::with_capacity(64);
    let message = text(error, sanitize);
    let mut fields = Fields::open(&mut out);
    match form {
        Form::Coded(code) => {
            fields.raw("code", code.to_string().as_bytes());
            write_message(fields.key("error"), error, message);
        }
        Form::Bare => fields.text("error", message),
        Form::Internal => {
            fields.raw("code", b"1");
            fields.text("message", "Internal server error.");
        }
    }
    fields.close();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry = error.retry_after().map(|after| after.as_secs().max(1));
    // A client that is told to slow down must know for how long.
    let busy = matches!(status.as_u16(), 429 | 503);
    Reply {
        status,
        body: out,
        location: None,
        retry_after: retry.or(busy.then_some(1)),
        job_status_id: None,
    }
}

/// The message as clients may see it.
fn text(error: &Error, sanitize: bool) -> &str {
    match error.reason() {
        Reason::MasterKeyRequired | Reason::OperationForbidden if sanitize => "Permission denied",
        _ => error.message(),
    }
}

/// What a batch shows of an error: always with a code.
pub fn write_item(out: &mut Vec<u8>, error: &Error, sanitize: bool) {
    let (code, message) = match told(error).1 {
        Form::Coded(code) => (code, text(error, sanitize)),
        Form::Bare => (119, text(error, sanitize)),
        Form::Internal => (1, "Internal server error."),
    };
    let mut item = Fields::open(out);
    let mut fields = Fields::open(item.key("error"));
    fields.raw("code", code.to_string().as_bytes());
    write_message(fields.key("error"), error, message);
    fields.close();
    item.close();
}

/// The message, or what code gave in its place.
fn write_message(out: &mut Vec<u8>, error: &Error, message: &str) {
    match error.details() {
        Some(details) => plain_value(out, details),
        None => string(out, message),
    }
}
