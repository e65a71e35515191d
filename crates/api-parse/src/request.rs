//! An operation's request, as handlers see it.

use crate::App;
use crate::decode::{Cx, fail};
use crate::encode::Files;
use crate::json::{Json, Object};
use crate::transport::QueryString;
use basalt_base::{Reason, Result};
use basalt_data::{Call, EventKind, Hooks, Rank};
use basalt_functions::RateRequest;
use http::Method;
use std::borrow::Cow;

/// A request on its way to a handler.
#[derive(Clone, Copy)]
pub struct Req<'r> {
    /// The app.
    pub app: &'r App,
    /// The caller.
    pub call: &'r Call,
    /// What the route's pattern captured, the class first.
    pub args: &'r [Cow<'r, str>],
    /// The decoded path without slashes at its ends.
    pub path: &'r str,
    /// The JSON body: an object or a list.
    pub body: &'r Json<'r>,
    /// The query string.
    pub query: &'r QueryString<'r>,
    /// The presented session token.
    pub session_token: Option<&'r str>,
    /// The id under which the request is done at most once; sub-requests have none.
    pub request_id: Option<&'r str>,
}

impl<'r> Req<'r> {
    /// The surroundings for decoders.
    pub fn cx(&self) -> Cx<'r> {
        Cx {
            limits: &self.app.options.limits,
            rank: self.call.principal.rank,
            now: self.app.data.deps().clock.now(),
            public_url: &self.app.options.public_url,
            allow_regex: self.app.options.allow_regex || self.call.principal.reads_everything(),
            custom_ids: self.app.data.options().allow_custom_ids,
        }
    }

    /// Whether a trigger of a class wants to be shown its queries.
    pub fn shows_queries(&self, class: &str) -> bool {
        let functions = &self.app.functions;
        functions.wants(EventKind::BeforeFind, class)
            || functions.wants(EventKind::AfterFind, class)
    }

    /// Where the app's files are.
    pub fn files(&self) -> Files<'r> {
        Files {
            public_url: &self.app.options.public_url,
            app: self.app.id.as_str(),
        }
    }

    /// The class that the path names. Errors: `InvalidCollectionName`.
    pub fn class(&self) -> Result<&'r str> {
        crate::decode::class_name(self.arg(0))
    }

    /// A capture of the route's pattern.
    pub fn arg(&self, n: usize) -> &'r str {
        self.args.get(n).map_or("", |arg| arg)
    }

    /// The body as an object. Errors: `InvalidJson`.
    pub fn object(&self) -> Result<&'r Object<'r>> {
        let message = "The body must be a JSON object.";
        self.body
            .as_object()
            .ok_or_else(|| fail(Reason::InvalidJson, message))
    }

    /// The body's entries with those of the query string over them.
    pub fn params(&self) -> Cow<'r, Object<'r>> {
        match self.body {
            Json::Object(object) if self.query.raw.is_empty() => Cow::Borrowed(object),
            body => Cow::Owned(self.query.over(body, &self.app.options.limits)),
        }
    }

    /// Counts the request by the app's rate limits; `outer` is the method of the batch that it is
    /// part of. Errors: `RequestLimit`.
    pub fn check_rate(&self, method: &Method, outer: Option<&Method>) -> Result<()> {
        let functions = &self.app.functions;
        if !functions.has_rate_limits() {
            return Ok(());
        }
        let path = format!("/{}", self.path);
        // Who signs in is nobody yet, whatever session it presents.
        let signs_in = self.path == "login";
        let principal = &self.call.principal;
        functions.check_rate(&RateRequest {
            path: &path,
            method: method.as_str(),
            outer_method: outer.map(Method::as_str),
            ip: self.call.ip,
            master: principal.reads_everything(),
            session: self.call.session_digest.as_deref().filter(|_| !signs_in),
            user: principal.user.as_deref().filter(|_| !signs_in),
        })
    }

    /// Refuses the read-only master key. Errors: `ReadOnly`.
    pub fn check_write(&self, what: &str) -> Result<()> {
        if self.call.principal.rank == Rank::ReadOnlyMaster {
            let message = format!("read-only masterKey isn't allowed to {what}.");
            return Err(fail(Reason::ReadOnly, message));
        }
        Ok(())
    }
}
