//! Engine errors as answers.

use basalt_base::{Error, Kind, Reason};
use basalt_listener::{Response, json_response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};
use serde_json::json;

/// The status of an error.
pub fn status(reason: Reason) -> StatusCode {
    match reason.kind() {
        Kind::InvalidArgument => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::PermissionDenied => StatusCode::FORBIDDEN,
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::AlreadyExists | Kind::Conflict => StatusCode::CONFLICT,
        Kind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::RateLimited | Kind::QuotaExceeded => StatusCode::TOO_MANY_REQUESTS,
        Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        // The caller is gone; nobody reads this.
        Kind::Cancelled => StatusCode::BAD_REQUEST,
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::UserCode => StatusCode::UNPROCESSABLE_ENTITY,
        Kind::Corrupt | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An error as an answer; one of the server's own is logged with its cause under the request's id.
pub fn error_response(error: &Error, request_id: &str) -> Response {
    if matches!(error.kind(), Kind::Internal | Kind::Corrupt) {
        tracing::error!(request_id, ?error, "a request failed");
    }
    let body = json!({ "error": error.message(), "reason": error.reason().name() });
    let mut response = json_response(status(error.reason()), body.to_string());
    if let Some(after) = error.retry_after() {
        let seconds = HeaderValue::from(after.as_secs().max(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_an_error_for_http_too() {
        for (reason, kind, name, _) in Reason::TABLE {
            let status = status(*reason);
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{name}"
            );
            let ours = matches!(
                kind,
                Kind::Internal
                    | Kind::Corrupt
                    | Kind::Unavailable
                    | Kind::Timeout
                    | Kind::Unsupported
            );
            assert_eq!(status.is_server_error(), ours, "{name}");
        }
    }

    #[test]
    fn the_cause_stays_in_the_log() {
        let response = error_response(&Error::internal("canary"), "id");
        assert_eq!(response.status(), 500);
        let basalt_listener::ResponseBody::Whole(Some(body)) = response.into_body() else {
            panic!("no body");
        };
        assert_eq!(
            &body[..],
            br#"{"error":"Internal server error.","reason":"internal"}"#
        );
    }
}
