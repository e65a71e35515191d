//! An answer before it becomes HTTP.

use http::StatusCode;

/// An answer: always JSON.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The JSON.
    pub body: Vec<u8>,
    /// Where the new object is.
    pub location: Option<String>,
    /// When trying again makes sense, in seconds.
    pub retry_after: Option<u64>,
    /// The id of the status of a job that was started.
    pub job_status_id: Option<String>,
}

impl Reply {
    /// 200 with this JSON.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::new(StatusCode::OK, body)
    }

    /// 201 with the address of the new object.
    pub fn created(body: Vec<u8>, location: String) -> Self {
        Self {
            location: Some(location),
            ..Self::new(StatusCode::CREATED, body)
        }
    }

    /// This status with this JSON.
    pub fn new(status: StatusCode, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            location: None,
            retry_after: None,
            job_status_id: None,
        }
    }

    /// 200 `{}`.
    pub fn empty() -> Self {
        Self::ok("{}")
    }
}
