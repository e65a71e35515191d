//! The one error type: a closed kind, a stable reason, a message safe to show, a source for the log.

use crate::Value;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The result type of every engine and seam.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The closed set of error families. Adapters choose a transport status by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request can't be understood or breaks a rule that holds for every caller.
    InvalidArgument,
    /// The caller did not prove who it is.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The addressed thing does not exist, or the caller may not know that it does.
    NotFound,
    /// A unique value is taken.
    AlreadyExists,
    /// The state changed under the caller; trying again can succeed.
    Conflict,
    /// A stated precondition does not hold.
    PreconditionFailed,
    /// A size limit was passed.
    TooLarge,
    /// Too many requests in too short a time.
    RateLimited,
    /// A quota is used up.
    QuotaExceeded,
    /// A known feature that this server does not have.
    Unsupported,
    /// The deadline passed before the work was done.
    Timeout,
    /// The caller went away.
    Cancelled,
    /// The server or a part of it can't serve right now; whether a write happened may be unknown.
    Unavailable,
    /// User code failed or refused.
    UserCode,
    /// Stored data is damaged.
    Corrupt,
    /// A defect of this server.
    Internal,
}

macro_rules! reasons {
    ($($variant:ident $kind:ident $name:literal $doc:literal;)*) => {
        /// Why an operation failed: stable names that clients, logs and metrics may rely on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $(#[doc = $doc] $variant,)* }

        impl Reason {
            /// Every reason with its family, stable name and explanation; `docs/errors.md` is made from it.
            pub const TABLE: &'static [(Reason, Kind, &'static str, &'static str)] =
                &[$((Reason::$variant, Kind::$kind, $name, $doc),)*];

            /// The family this reason belongs to.
            pub const fn kind(self) -> Kind { match self { $(Reason::$variant => Kind::$kind,)* } }

            /// The stable `snake_case` name.
            pub const fn name(self) -> &'static str { match self { $(Reason::$variant => $name,)* } }
        }
    };
}

reasons! {
    Internal Internal "internal" "A defect of this server; the log holds the cause under the request id.";
    ObjectNotFound NotFound "object_not_found" "No such object, or the caller may not see it.";
    RouteNotFound NotFound "route_not_found" "No operation has this path and method.";
    CollectionNotFound NotFound "collection_not_found" "No such class.";
    InvalidQuery InvalidArgument "invalid_query" "The query names something that does not exist or has the wrong shape.";
    UnsupportedQuery Unsupported "unsupported_query" "The query uses an operator or stage that this server does not have; the message names it.";
    QueryTooComplex InvalidArgument "query_too_complex" "The query passes a complexity limit.";
    InvalidCollectionName InvalidArgument "invalid_collection_name" "The class name breaks the naming rules.";
    MissingParameter InvalidArgument "missing_parameter" "A part of the request that the operation needs is missing; the message names it.";
    ImmutableField InvalidArgument "immutable_field" "The field can't be added, changed or removed.";
    MissingObjectId InvalidArgument "missing_object_id" "The operation needs an object id.";
    InvalidFieldName InvalidArgument "invalid_field_name" "The field name breaks the naming rules or is reserved.";
    InvalidReference InvalidArgument "invalid_reference" "The pointer is not of the right shape.";
    InvalidJson InvalidArgument "invalid_json" "The body is not acceptable JSON: malformed, too deep, or text that can't be stored (U+0000, unpaired surrogates).";
    OperationForbidden PermissionDenied "operation_forbidden" "The caller may not do this.";
    AccessDenied PermissionDenied "access_denied" "The class permissions refuse this caller.";
    Unauthorized PermissionDenied "unauthorized" "The application id or key is missing or wrong.";
    MasterKeyRequired PermissionDenied "master_key_required" "Only the master key may do this.";
    ReadOnly PermissionDenied "read_only" "The read-only master key can't write.";
    CommandUnavailable Unsupported "command_unavailable" "This operation is not available on this server.";
    IncorrectType InvalidArgument "incorrect_type" "A value has another type than the field.";
    SchemaMismatch InvalidArgument "schema_mismatch" "A value has another type than the schema declares for the field.";
    ObjectTooLarge TooLarge "object_too_large" "The object is larger than the limit.";
    BodyTooLarge TooLarge "body_too_large" "The request body is larger than the limit.";
    InvalidNestedKey InvalidArgument "invalid_nested_key" "A nested key holds a forbidden character.";
    InvalidAcl InvalidArgument "invalid_acl" "The ACL has the wrong shape.";
    InvalidValue InvalidArgument "invalid_value" "A parameter of the operation has no usable value; the message names it.";
    Timeout Timeout "timeout" "The operation ran past its deadline and was stopped.";
    Cancelled Cancelled "cancelled" "The caller went away before the operation finished.";
    InvalidEmail InvalidArgument "invalid_email" "The e-mail address has the wrong format.";
    DuplicateValue AlreadyExists "duplicate_value" "A unique value is already in use.";
    PreconditionFailed PreconditionFailed "precondition_failed" "The object is not in the state that the write asked for.";
    InvalidRoleName InvalidArgument "invalid_role_name" "The role name has the wrong shape or may not change.";
    QuotaExceeded QuotaExceeded "quota_exceeded" "A quota of the app is used up.";
    InvalidHook InvalidArgument "invalid_hook" "The declaration of a hook or function is not one, or there is none of this name.";
    ScriptFailed UserCode "script_failed" "Cloud code failed or refused.";
    ValidationFailed InvalidArgument "validation_failed" "A validation rule refused the value.";
    RequestLimit RateLimited "request_limit" "Too many requests.";
    Overloaded RateLimited "overloaded" "A bounded queue is full; try again later.";
    DuplicateRequest AlreadyExists "duplicate_request" "A request with this id was already processed.";
    UsernameMissing InvalidArgument "username_missing" "The user name is missing or empty.";
    PasswordMissing InvalidArgument "password_missing" "The password is missing or empty.";
    UsernameTaken AlreadyExists "username_taken" "The user name is in use.";
    EmailTaken AlreadyExists "email_taken" "The e-mail address is in use.";
    EmailMissing InvalidArgument "email_missing" "The e-mail address is missing.";
    EmailNotFound NotFound "email_not_found" "No user has this e-mail address.";
    SessionMissing Unauthenticated "session_missing" "The operation needs a session, or a session of this very user.";
    InvalidSession Unauthenticated "invalid_session" "The session token is unknown, expired or revoked.";
    InvalidCredentials Unauthenticated "invalid_credentials" "The user name or password is wrong.";
    AccountAlreadyLinked AlreadyExists "account_already_linked" "The account of the provider is linked to another user.";
    UnsupportedService Unsupported "unsupported_service" "This sign-in provider is not configured.";
    SchemaRefused InvalidArgument "schema_refused" "The schema change can't be made; the message says why.";
    TransactionConflict Conflict "transaction_conflict" "The transaction met a concurrent change too often.";
    LeaseLost Conflict "lease_lost" "The lease that the write was made under is held by somebody else or was given back.";
    StaleReceipt Conflict "stale_receipt" "The task was leased to somebody else, completed or removed.";
    OutcomeUnknown Unavailable "outcome_unknown" "The store failed during commit: the write may or may not have happened.";
    StoreUnavailable Unavailable "store_unavailable" "The store can't serve right now.";
    BodiesExhausted Unavailable "bodies_exhausted" "The bodies of all requests under way together take as much memory as they may; try again later.";
    StoreCorrupt Corrupt "store_corrupt" "Stored data is damaged.";
    StoreVersion Unsupported "store_version" "The store was written by a newer version of this server.";
    StoreLocked Unavailable "store_locked" "Another server is using this data directory.";
    InvalidSetting InvalidArgument "invalid_setting" "A setting is unknown or has the wrong form.";
}

struct Inner {
    reason: Reason,
    message: Cow<'static, str>,
    retry_after: Option<Duration>,
    details: Option<Value>,
    code: Option<i32>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// An error of any engine or seam, one word wide.
///
/// `message` may be shown to the caller; `source` is for the log only and is never serialised.
pub struct Error(Box<Inner>);

impl Error {
    /// An error with a message that is safe to show to the caller.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            reason,
            message: message.into(),
            retry_after: None,
            details: None,
            code: None,
            source: None,
        }))
    }

    /// A defect or failure whose cause belongs in the log and not in the answer.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Reason::Internal, "Internal server error.").with_source(source)
    }

    /// Attaches the cause for the log.
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Tells the caller when trying again makes sense.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// What user code gave as its message where that is no text; shown in place of the message.
    pub fn with_details(mut self, details: Value) -> Self {
        self.0.details = Some(details);
        self
    }

    /// The number that user code gave; an adapter whose errors have numbers shows it in place of
    /// the reason's own.
    pub fn with_code(mut self, code: i32) -> Self {
        self.0.code = Some(code);
        self
    }

    /// The number that user code gave.
    pub fn code(&self) -> Option<i32> {
        self.0.code
    }

    /// The family.
    pub fn kind(&self) -> Kind {
        self.0.reason.kind()
    }

    /// The stable reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The message that is safe to show.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is shown in place of the message, if user code gave something.
    pub fn details(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }

    /// When trying again makes sense, if known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The cause, for the log.
    pub fn log_source(&self) -> Option<&(dyn std::error::Error + Send + Sync)> {
        self.0.source.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.reason.name(), self.0.message)?;
        if let Some(source) = &self.0.source {
            write!(f, " ({source})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn reasons_have_distinct_stable_names() {
        let names: HashSet<_> = Reason::TABLE.iter().map(|row| row.2).collect();
        assert_eq!(names.len(), Reason::TABLE.len());
        for (reason, kind, name, doc) in Reason::TABLE {
            assert_eq!((reason.kind(), reason.name()), (*kind, *name));
            assert!(
                name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "{name}"
            );
            assert!(doc.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn the_source_stays_out_of_the_message() {
        let error = Error::internal("disk on fire");
        assert_eq!(error.to_string(), "Internal server error.");
        assert!(format!("{error:?}").contains("disk on fire"));
    }
}
