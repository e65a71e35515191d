//! Which adapter answers a request: the order of dispatch.
//!
//! One port serves everything. The table is looked at from top to bottom; the first door that
//! fits answers.

use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use std::collections::HashSet;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// AWS-style protocols, by their signature.
    Aws,
    /// A host that belongs to an app, a bucket or a site.
    Host,
    Parse,
    GraphQl,
    Function,
    S3,
    Console,
    Admin,
    Metrics,
    Health,
    /// Paths as the Firebase SDKs send them.
    Firebase,
    /// The first app's hosted site: everything else.
    Site,
}

/// What a door is chosen by. Path and query are as sent.
pub(crate) struct Head<'r> {
    pub path: &'r str,
    pub query: &'r str,
    pub host: &'r str,
    pub headers: &'r HeaderMap,
    /// Hosts that are mapped.
    pub hosts: &'r HashSet<String>,
}

type Fits = fn(&Head<'_>) -> bool;

/// The doors in their order, with the label that logs and metrics use.
pub(crate) const DOORS: &[(Door, &str, Fits)] = &[
    (Door::Aws, "aws", has_aws_signature),
    (Door::Host, "host", |head| {
        head.hosts.contains(host_name(head.host))
    }),
    (Door::Parse, "parse", |head| {
        is_under(head.path, crate::product::PARSE_MOUNT)
    }),
    (Door::GraphQl, "graphql", |head| {
        is_under(head.path, "/graphql")
    }),
    (Door::Function, "fn", |head| is_under(head.path, "/fn")),
    (Door::S3, "s3", |head| is_under(head.path, "/s3")),
    (Door::Console, "console", |head| {
        is_under(head.path, "/console")
    }),
    (Door::Admin, "admin", |head| is_under(head.path, "/admin")),
    (Door::Metrics, "metrics", |head| head.path == "/metrics"),
    (Door::Health, "health", |head| head.path == "/health"),
    (Door::Firebase, "firebase", is_firebase),
    (Door::Site, "site", |_| true),
];

/// The door of a request, as its place in [`DOORS`].
pub(crate) fn choose(head: &Head<'_>) -> usize {
    let place = DOORS.iter().position(|(_, _, fits)| fits(head));
    place.unwrap_or(DOORS.len() - 1)
}

fn is_under(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A host without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The place of the AWS adapter in [`DOORS`].
pub(crate) const AWS: usize = 0;
/// How much of a form is looked at for a signature.
pub(crate) const FORM_BYTES_LOOKED_AT: usize = 16 * 1024;

/// Whether the body may be a form that carries a signature.
pub(crate) fn is_form(method: &http::Method, headers: &HeaderMap) -> bool {
    const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    *method == http::Method::POST
        && kind.is_some_and(|kind| FORMS.iter().any(|form| kind.eq_ignore_ascii_case(form)))
}

/// Whether the beginning of a form has the fields of a signature.
pub(crate) fn is_signed_form(form: &[u8]) -> bool {
    let text = String::from_utf8_lossy(form);
    let parts = || text.split(['\r', '\n']).filter(|line| line.len() < 1_000);
    let has = |wanted: &str| {
        let mut pairs = text.split('&').filter_map(|pair| pair.split('=').next());
        let part = format!("name=\"{wanted}\"").to_ascii_lowercase();
        pairs.any(|name| name == wanted)
            || parts().any(|line| {
                let line = line.to_ascii_lowercase();
                line.starts_with("content-disposition:") && line.contains(&part)
            })
    };
    has("X-Amz-Signature") || (has("AWSAccessKeyId") && has("Signature"))
}

/// A signature in the header or in the query. One in a form is looked for by [`is_signed_form`].
fn has_aws_signature(head: &Head<'_>) -> bool {
    let authorization = head
        .headers
        .get(AUTHORIZATION)
        .map_or(&b""[..], |value| value.as_bytes());
    if authorization.starts_with(b"AWS4-") || authorization.starts_with(b"AWS ") {
        return true;
    }
    let has = |wanted: &str| {
        let mut names = head
            .query
            .split('&')
            .filter_map(|pair| pair.split('=').next());
        !head.query.is_empty() && names.any(|name| name == wanted)
    };
    has("X-Amz-Signature") || (has("AWSAccessKeyId") && has("Signature"))
}

#[expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the ending is part of a protocol and names no file"
)]
fn is_firebase(head: &Head<'_>) -> bool {
    const PREFIXES: [&str; 5] = [
        "/google.firestore.v1.",
        "/v1/projects/",
        "/v0/b/",
        "/identitytoolkit",
        "/securetoken",
    ];
    let names_database = || head.query.split('&').any(|pair| pair.starts_with("ns="));
    head.path == "/.ws"
        || PREFIXES.iter().any(|prefix| head.path.starts_with(prefix))
        || (head.path.ends_with(".json") && names_database())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request that fits one door, in parts that can be put together with another's.
    struct Part {
        door: Door,
        path: Option<&'static str>,
        query: &'static str,
        host: Option<&'static str>,
        authorization: Option<&'static str>,
    }

    const NOTHING: Part = Part {
        door: Door::Site,
        path: None,
        query: "",
        host: None,
        authorization: None,
    };

    fn path(door: Door, path: &'static str) -> Part {
        Part {
            door,
            path: Some(path),
            ..NOTHING
        }
    }

    fn parts() -> Vec<Part> {
        vec![
            Part {
                door: Door::Aws,
                authorization: Some("AWS4-HMAC-SHA256 Credential=x"),
                ..NOTHING
            },
            Part {
                door: Door::Aws,
                authorization: Some("AWS id:signature"),
                ..NOTHING
            },
            Part {
                door: Door::Aws,
                query: "a=b&X-Amz-Signature=x",
                ..NOTHING
            },
            Part {
                door: Door::Aws,
                query: "AWSAccessKeyId=x&Signature=y",
                ..NOTHING
            },
            Part {
                door: Door::Host,
                host: Some("site.example:8080"),
                ..NOTHING
            },
            path(Door::Parse, "/parse"),
            path(Door::Parse, "/parse/classes/a.json"),
            path(Door::Parse, "/parse//health"),
            path(Door::GraphQl, "/graphql"),
            path(Door::Function, "/fn/name/x.json"),
            path(Door::S3, "/s3/bucket//key.json"),
            path(Door::Console, "/console/"),
            path(Door::Admin, "/admin/apps"),
            path(Door::Metrics, "/metrics"),
            path(Door::Health, "/health"),
            path(Door::Firebase, "/.ws"),
            path(
                Door::Firebase,
                "/google.firestore.v1.Firestore/Listen/channel",
            ),
            path(Door::Firebase, "/v1/projects/p/databases/d/documents"),
            path(Door::Firebase, "/v0/b/bucket/o"),
            path(
                Door::Firebase,
                "/identitytoolkit.googleapis.com/v1/accounts:signUp",
            ),
            path(Door::Firebase, "/securetoken.googleapis.com/v1/token"),
            Part {
                door: Door::Firebase,
                path: Some("/users/1.json"),
                query: "ns=db",
                ..NOTHING
            },
            path(Door::Site, "/"),
            path(Door::Site, "/parser"),
            path(Door::Site, "/%70arse/classes/A"),
            path(Door::Site, "/healthy"),
            path(Door::Site, "/x/metrics"),
            path(Door::Site, "/data.json"),
        ]
    }

    /// The door of two parts put together; `None` when both fix the same thing.
    fn chosen(a: &Part, b: &Part) -> Option<Door> {
        let both = |x: bool, y: bool| x && y;
        if both(a.path.is_some(), b.path.is_some())
            || both(a.host.is_some(), b.host.is_some())
            || both(a.authorization.is_some(), b.authorization.is_some())
        {
            return None;
        }
        let mut headers = HeaderMap::new();
        if let Some(value) = a.authorization.or(b.authorization) {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        let query = [a.query, b.query].join("&");
        let head = Head {
            path: a.path.or(b.path).unwrap_or("/"),
            query: query.trim_matches('&'),
            host: a.host.or(b.host).unwrap_or("localhost"),
            headers: &headers,
            hosts: &HashSet::from(["site.example".to_owned()]),
        };
        Some(DOORS[choose(&head)].0)
    }

    fn rank(door: Door) -> usize {
        DOORS.iter().position(|row| row.0 == door).unwrap()
    }

    #[test]
    fn each_request_alone_finds_its_door() {
        for part in parts() {
            assert_eq!(chosen(&part, &NOTHING), Some(part.door), "{:?}", part.path);
        }
    }

    #[test]
    fn of_every_two_doors_the_earlier_one_answers() {
        let parts = parts();
        for a in &parts {
            for b in &parts {
                let Some(door) = chosen(a, b) else { continue };
                let earlier = rank(a.door).min(rank(b.door));
                assert_eq!(
                    rank(door),
                    earlier,
                    "{:?} {:?} / {:?} {:?}",
                    a.door,
                    a.path,
                    b.door,
                    b.path
                );
            }
        }
    }

    #[test]
    fn a_form_may_carry_the_signature() {
        assert_eq!(DOORS[AWS].0, Door::Aws);
        for (form, signed) in [
            (&b"Action=SendMessage&AWSAccessKeyId=x&Signature=y"[..], true),
            (b"a=b&X-Amz-Signature=x", true),
            (b"--b\r\nContent-Disposition: form-data; name=\"X-Amz-Signature\"\r\n\r\nx", true),
            (b"where=X-Amz-Signature", false),
            (b"AWSAccessKeyId=x", false),
            (b"--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nname=\"X-Amz-Signature\"", false),
            (b"", false),
        ] {
            assert_eq!(is_signed_form(form), signed, "{}", form.escape_ascii());
        }
        let mut headers = HeaderMap::new();
        assert!(!is_form(&http::Method::POST, &headers));
        headers.insert(
            CONTENT_TYPE,
            "Multipart/Form-Data; boundary=b".parse().unwrap(),
        );
        assert!(is_form(&http::Method::POST, &headers));
        assert!(!is_form(&http::Method::PUT, &headers));
    }

    #[test]
    fn a_value_that_looks_like_a_signature_is_none() {
        let part = Part {
            path: Some("/parse/classes/A"),
            query: "where=X-Amz-Signature",
            ..NOTHING
        };
        assert_eq!(chosen(&part, &NOTHING), Some(Door::Parse));
    }
}
