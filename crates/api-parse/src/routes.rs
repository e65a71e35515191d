//! The table of operations.

use crate::decode::fail;
use crate::handlers::{
    aggregate, batch, config, functions, hooks, installations, jobs, objects, schemas, server,
    sessions, users,
};
use crate::reply::Reply;
use crate::request::Req;
use basalt_base::{BoxFuture, Reason, Result};
use basalt_data::Rank;
use http::Method;
use std::borrow::Cow;

/// An operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Find,
    Get,
    Create,
    Update,
    Delete,
    Me,
    LogIn,
    LogOut,
    LogInAs,
    VerifyPassword,
    CurrentSession,
    UpgradeSession,
    Install,
    Batch,
    Aggregate,
    Schemas,
    Schema,
    CreateSchema,
    UpdateSchema,
    DeleteSchema,
    Purge,
    Config,
    UpdateConfig,
    ServerInfo,
    Analytics,
    CallFunction,
    ScriptLog,
    HookFunctions,
    HookTriggers,
    Hook,
    CreateHook,
    UpdateHook,
    DeleteHook,
    StartJob,
    Schedules,
    JobsData,
    CreateSchedule,
    UpdateSchedule,
    DeleteSchedule,
    /// Part of the protocol, not of this server; the text names it.
    Absent(&'static str),
}

use Act::{
    Absent, Aggregate, Analytics, Batch, CallFunction, Config, Create, CreateHook, CreateSchedule,
    CreateSchema, CurrentSession, Delete, DeleteHook, DeleteSchedule, DeleteSchema, Find, Get,
    Hook, HookFunctions, HookTriggers, JobsData, LogIn, LogInAs, LogOut, Me, Purge, Schedules,
    Schema, Schemas, ScriptLog, ServerInfo, StartJob, Update, UpdateConfig, UpdateHook,
    UpdateSchedule, UpdateSchema, UpgradeSession, VerifyPassword,
};

/// Method, path, operation, and the class where the path does not name it. `:` captures one
/// segment, `*` all that are left. The first match counts.
#[rustfmt::skip]
const TABLE: &[(&str, &str, Act, &str)] = &[
    ("GET",    "/classes/:class",             Find,            ""),
    ("POST",   "/classes/:class",             Create,          ""),
    ("GET",    "/classes/:class/:id",         Get,             ""),
    ("PUT",    "/classes/:class/:id",         Update,          ""),
    ("DELETE", "/classes/:class/:id",         Delete,          ""),
    ("POST",   "/batch",                      Batch,           ""),
    ("GET",    "/users/me",                   Me,              ""),
    ("GET",    "/users",                      Find,            "_User"),
    ("POST",   "/users",                      Create,          "_User"),
    ("GET",    "/users/:id",                  Get,             "_User"),
    ("PUT",    "/users/:id",                  Update,          "_User"),
    ("DELETE", "/users/:id",                  Delete,          "_User"),
    ("GET",    "/login",                      LogIn,           ""),
    ("POST",   "/login",                      LogIn,           ""),
    ("POST",   "/logout",                     LogOut,          ""),
    ("POST",   "/loginAs",                    LogInAs,         ""),
    ("GET",    "/verifyPassword",             VerifyPassword,  ""),
    ("POST",   "/verifyPassword",             VerifyPassword,  ""),
    ("GET",    "/sessions/me",                CurrentSession,  ""),
    ("GET",    "/sessions",                   Find,            "_Session"),
    ("POST",   "/sessions",                   Create,          "_Session"),
    ("GET",    "/sessions/:id",               Get,             "_Session"),
    ("PUT",    "/sessions/:id",               Update,          "_Session"),
    ("DELETE", "/sessions/:id",               Delete,          "_Session"),
    ("POST",   "/upgradeToRevocableSession",  UpgradeSession,  ""),
    ("GET",    "/roles",                      Find,            "_Role"),
    ("POST",   "/roles",                      Create,          "_Role"),
    ("GET",    "/roles/:id",                  Get,             "_Role"),
    ("PUT",    "/roles/:id",                  Update,          "_Role"),
    ("DELETE", "/roles/:id",                  Delete,          "_Role"),
    ("GET",    "/installations",              Find,            "_Installation"),
    ("POST",   "/installations",              Create,          "_Installation"),
    ("GET",    "/installations/:id",          Get,             "_Installation"),
    ("PUT",    "/installations/:id",          Update,          "_Installation"),
    ("DELETE", "/installations/:id",          Delete,          "_Installation"),
    ("GET",    "/aggregate/:class",           Aggregate,       ""),
    ("GET",    "/schemas",                    Schemas,         ""),
    ("POST",   "/schemas",                    CreateSchema,    ""),
    ("GET",    "/schemas/:class",             Schema,          ""),
    ("POST",   "/schemas/:class",             CreateSchema,    ""),
    ("PUT",    "/schemas/:class",             UpdateSchema,    ""),
    ("DELETE", "/schemas/:class",             DeleteSchema,    ""),
    ("DELETE", "/purge/:class",               Purge,           ""),
    ("GET",    "/config",                     Config,          ""),
    ("PUT",    "/config",                     UpdateConfig,    ""),
    ("GET",    "/serverInfo",                 ServerInfo,      ""),
    ("POST",   "/events/:name",               Analytics,       ""),
    ("*",      "/files/*",                    Absent("files"), ""),
    ("POST",   "/functions/:name",            CallFunction,    ""),
    ("GET",    "/hooks/functions",            HookFunctions,   ""),
    ("POST",   "/hooks/functions",            CreateHook,      ""),
    ("GET",    "/hooks/functions/:name",      Hook,            ""),
    ("PUT",    "/hooks/functions/:name",      UpdateHook,      ""),
    ("DELETE", "/hooks/functions/:name",      DeleteHook,      ""),
    ("GET",    "/hooks/triggers",             HookTriggers,    ""),
    ("POST",   "/hooks/triggers",             CreateHook,      ""),
    ("GET",    "/hooks/triggers/:class/:trigger", Hook,        ""),
    ("PUT",    "/hooks/triggers/:class/:trigger", UpdateHook,  ""),
    ("DELETE", "/hooks/triggers/:class/:trigger", DeleteHook,  ""),
    ("GET",    "/scriptlog",                  ScriptLog,       ""),
    ("POST",   "/jobs/:name",                 StartJob,        ""),
    ("POST",   "/jobs",                       StartJob,        ""),
    ("GET",    "/cloud_code/jobs",            Schedules,       ""),
    ("GET",    "/cloud_code/jobs/data",       JobsData,        ""),
    ("POST",   "/cloud_code/jobs",            CreateSchedule,  ""),
    ("PUT",    "/cloud_code/jobs/:id",        UpdateSchedule,  ""),
    ("DELETE", "/cloud_code/jobs/:id",        DeleteSchedule,  ""),
    ("*",      "/push/*",                     Absent("push"), ""),
    ("*",      "/push_audiences/*",           Absent("push_audiences"), ""),
    ("*",      "/security/*",                 Absent("security"), ""),
    ("*",      "/graphql-config/*",           Absent("graphql-config"), ""),
    ("*",      "/requestPasswordReset/*",     Absent("requestPasswordReset"), ""),
    ("*",      "/verificationEmailRequest/*", Absent("verificationEmailRequest"), ""),
    ("*",      "/challenge/*",                Absent("challenge"), ""),
    ("*",      "/validate_purchase/*",        Absent("validate_purchase"), ""),
];

/// An operation with what the path held.
#[derive(Debug)]
pub struct Routed<'p> {
    /// The operation.
    pub act: Act,
    /// Its pattern, for the log.
    pub template: &'static str,
    /// The class, where there is one, and the pattern's captures.
    pub args: Vec<Cow<'p, str>>,
}

/// Finds the operation of a method and path. Errors: `RouteNotFound`.
pub fn route<'p>(method: &Method, path: Vec<Cow<'p, str>>) -> Result<Routed<'p>> {
    let row = TABLE
        .iter()
        .find(|(verb, pattern, ..)| matches_verb(verb, method) && matches(pattern, &path));
    let Some((_, pattern, act, class)) = row else {
        let mut shown = path.join("/");
        crate::json::shorten(&mut shown);
        let message = format!("cannot route {method} /{shown}");
        return Err(fail(Reason::RouteNotFound, message));
    };
    // The two ways to one class are one operation.
    let mut args = Vec::with_capacity(2);
    if !class.is_empty() {
        args.push(Cow::Borrowed(*class));
    }
    let captures = steps(pattern).zip(path);
    args.extend(captures.filter(|(p, _)| p.starts_with(':')).map(|(_, s)| s));
    let installs = *act == Create && args.first().is_some_and(|c| c == "_Installation");
    let act = if installs { Act::Install } else { *act };
    Ok(Routed {
        act,
        template: pattern,
        args,
    })
}

fn matches_verb(verb: &str, method: &Method) -> bool {
    verb == method.as_str()
        || (verb == "*" && matches!(method.as_str(), "GET" | "POST" | "PUT" | "DELETE"))
}

fn steps(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').skip(1)
}

fn matches(pattern: &str, path: &[Cow<'_, str>]) -> bool {
    let mut path = path.iter();
    for step in steps(pattern) {
        match (step, path.next()) {
            ("*", _) => return true,
            (_, None) => return false,
            (step, Some(segment)) if step.starts_with(':') || step == segment => {}
            _ => return false,
        }
    }
    path.next().is_none()
}

impl Act {
    /// Refuses callers without a master key where one is needed. Errors: `MasterKeyRequired`.
    pub fn check_rank(self, rank: Rank) -> Result<()> {
        let needs_master = matches!(
            self,
            Aggregate
                | Schemas
                | Schema
                | CreateSchema
                | UpdateSchema
                | DeleteSchema
                | Purge
                | UpdateConfig
                | ServerInfo
                | ScriptLog
                | HookFunctions
                | HookTriggers
                | Hook
                | CreateHook
                | UpdateHook
                | DeleteHook
                | StartJob
                | Schedules
                | JobsData
                | CreateSchedule
                | UpdateSchedule
                | DeleteSchedule
                | Absent("push" | "security")
        );
        // The maintenance key is for objects' internal fields, not for running the app.
        if needs_master && matches!(rank, Rank::Client | Rank::Maintenance) {
            let message = "unauthorized: master key is required";
            return Err(fail(Reason::MasterKeyRequired, message));
        }
        Ok(())
    }

    /// Whether a presented session decides who the caller is: signing in starts from none, and a
    /// session that has expired can still be looked at by who has its token.
    pub fn takes_session(self) -> bool {
        !matches!(self, LogIn | CurrentSession)
    }
}

/// Runs an operation.
pub fn run<'r>(act: Act, req: &'r Req<'r>) -> BoxFuture<'r, Result<Reply>> {
    match act {
        Find => Box::pin(objects::find(req)),
        Get => Box::pin(objects::get(req)),
        Create => Box::pin(objects::create(req)),
        Update => Box::pin(objects::update(req)),
        Delete => Box::pin(objects::delete(req)),
        Me => Box::pin(users::me(req)),
        LogIn => Box::pin(users::log_in(req)),
        LogOut => Box::pin(users::log_out(req)),
        LogInAs => Box::pin(users::log_in_as(req)),
        VerifyPassword => Box::pin(users::verify_password(req)),
        CurrentSession => Box::pin(sessions::current(req)),
        UpgradeSession => Box::pin(sessions::upgrade(req)),
        Act::Install => Box::pin(installations::create(req)),
        Batch => Box::pin(batch::batch(req)),
        Aggregate => Box::pin(aggregate::aggregate(req)),
        Schemas => Box::pin(schemas::all(req)),
        Schema => Box::pin(schemas::one(req)),
        CreateSchema => Box::pin(schemas::create(req)),
        UpdateSchema => Box::pin(schemas::update(req)),
        DeleteSchema => Box::pin(schemas::delete(req)),
        Purge => Box::pin(schemas::purge(req)),
        Config => Box::pin(config::get(req)),
        UpdateConfig => Box::pin(config::update(req)),
        ServerInfo => Box::pin(server::info()),
        Analytics => Box::pin(server::analytics()),
        CallFunction => Box::pin(functions::call(req)),
        ScriptLog => Box::pin(functions::logs(req)),
        StartJob => Box::pin(jobs::start(req)),
        Schedules => Box::pin(jobs::all(req)),
        JobsData => Box::pin(jobs::data(req)),
        CreateSchedule => Box::pin(jobs::create(req)),
        UpdateSchedule => Box::pin(jobs::update(req)),
        DeleteSchedule => Box::pin(jobs::delete(req)),
        HookFunctions => Box::pin(hooks::functions(req)),
        HookTriggers => Box::pin(hooks::triggers(req)),
        Hook => Box::pin(hooks::one(req)),
        CreateHook => Box::pin(hooks::create(req)),
        UpdateHook => Box::pin(hooks::update(req)),
        DeleteHook => Box::pin(hooks::delete(req)),
        Absent(name) => Box::pin(server::absent(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Option<(Act, String)> {
        let method = method.parse().unwrap();
        let path = crate::transport::segments(path).unwrap();
        let routed = route(&method, path).ok()?;
        Some((routed.act, routed.args.join(",")))
    }

    #[test]
    fn paths_lead_to_their_operations() {
        let some = |act, args: &str| Some((act, args.to_owned()));
        let table = [
            ("GET", "/classes/Post", some(Find, "Post")),
            ("PUT", "//classes//Post/x1/", some(Update, "Post,x1")),
            ("GET", "/users/me", some(Me, "")),
            ("GET", "/users/abc", some(Get, "_User,abc")),
            ("GET", "/classes/_User/me", some(Get, "_User,me")),
            (
                "POST",
                "/classes/_Installation",
                some(Act::Install, "_Installation"),
            ),
            ("POST", "/files/a/b", some(Absent("files"), "")),
            ("POST", "/functions/a.b", some(CallFunction, "a.b")),
            ("POST", "/functions", None),
            (
                "PUT",
                "/hooks/triggers/A/beforeSave",
                some(UpdateHook, "A,beforeSave"),
            ),
            ("POST", "/events/AppOpened", some(Analytics, "AppOpened")),
            ("PATCH", "/classes/Post/1", None),
            ("GET", "/classes", None),
            ("GET", "/classes/A/b/c", None),
            ("DELETE", "/batch", None),
            ("GET", "/constructor", None),
        ];
        for (method, path, expected) in table {
            assert_eq!(found(method, path), expected, "{method} {path}");
        }
    }
}
