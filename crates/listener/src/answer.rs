//! Answers that the listener gives by itself.

use crate::{Response, bytes_response};
use http::header::{CONNECTION, HeaderValue};
use http::{HeaderMap, StatusCode, Version};

/// A JSON answer.
pub fn json_response(status: StatusCode, body: impl Into<bytes::Bytes>) -> Response {
    bytes_response(status, "application/json; charset=utf-8", body)
}

/// A request that can't be read one way only, or that nothing here understands.
pub(crate) fn bad_request() -> Response {
    closing(json_response(
        StatusCode::BAD_REQUEST,
        r#"{"error":"Bad request."}"#,
    ))
}

pub(crate) fn headers_too_large() -> Response {
    closing(json_response(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        r#"{"error":"Request header fields too large."}"#,
    ))
}

/// A request whose handling panicked.
pub(crate) fn internal() -> Response {
    json_response(
        StatusCode::INTERNAL_SERVER_ERROR,
        r#"{"code":1,"message":"Internal server error."}"#,
    )
}

/// A request that ran past its time. Whether a write happened is unknown.
pub(crate) fn timed_out() -> Response {
    closing(json_response(
        StatusCode::SERVICE_UNAVAILABLE,
        r#"{"code":124,"error":"The request took too long."}"#,
    ))
}

fn closing(mut response: Response) -> Response {
    close(response.headers_mut());
    response
}

/// Says that no further request will be answered on this connection.
pub(crate) fn close(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Headers that belong to one hop may not be sent over HTTP/2.
pub(crate) fn adapt(headers: &mut HeaderMap, version: Version) {
    if version == Version::HTTP_2 {
        headers.remove(CONNECTION);
    }
}
