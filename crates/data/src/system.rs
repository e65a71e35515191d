//! The system collections: which there are, which columns they come with, who may reach them.

use basalt_store::{FieldDef, FieldType};

/// The users.
pub(crate) const USER: &str = "_User";
/// The sessions.
pub(crate) const SESSION: &str = "_Session";
/// The roles.
pub(crate) const ROLE: &str = "_Role";
/// The installations.
pub(crate) const INSTALLATION: &str = "_Installation";

#[derive(Clone, Copy)]
enum Ty {
    Number,
    Text,
    Bool,
    Date,
    Object,
    Array,
    File,
    Reference(&'static str),
    Relation(&'static str),
}

impl Ty {
    fn field_type(self) -> FieldType {
        match self {
            Self::Number => FieldType::Number,
            Self::Text => FieldType::String,
            Self::Bool => FieldType::Boolean,
            Self::Date => FieldType::Date,
            Self::Object => FieldType::Object,
            Self::Array => FieldType::Array,
            Self::File => FieldType::File,
            Self::Reference(target) => FieldType::Reference(target.into()),
            Self::Relation(target) => FieldType::Relation(target.into()),
        }
    }
}

type Columns = &'static [(&'static str, Ty)];

const TABLE: &[(&str, Columns)] = &[
    (
        USER,
        &[
            ("username", Ty::Text),
            ("password", Ty::Text),
            ("email", Ty::Text),
            ("emailVerified", Ty::Bool),
            ("authData", Ty::Object),
        ],
    ),
    (
        INSTALLATION,
        &[
            ("installationId", Ty::Text),
            ("deviceToken", Ty::Text),
            ("channels", Ty::Array),
            ("deviceType", Ty::Text),
            ("pushType", Ty::Text),
            ("GCMSenderId", Ty::Text),
            ("timeZone", Ty::Text),
            ("localeIdentifier", Ty::Text),
            ("badge", Ty::Number),
            ("appVersion", Ty::Text),
            ("appName", Ty::Text),
            ("appIdentifier", Ty::Text),
            ("parseVersion", Ty::Text),
        ],
    ),
    (
        ROLE,
        &[
            ("name", Ty::Text),
            ("users", Ty::Relation(USER)),
            ("roles", Ty::Relation(ROLE)),
        ],
    ),
    (
        SESSION,
        &[
            ("user", Ty::Reference(USER)),
            ("installationId", Ty::Text),
            ("sessionToken", Ty::Text),
            ("expiresAt", Ty::Date),
            ("createdWith", Ty::Object),
        ],
    ),
    (
        "_Product",
        &[
            ("productIdentifier", Ty::Text),
            ("download", Ty::File),
            ("downloadName", Ty::Text),
            ("icon", Ty::File),
            ("order", Ty::Number),
            ("title", Ty::Text),
            ("subtitle", Ty::Text),
        ],
    ),
    (
        "_PushStatus",
        &[
            ("pushTime", Ty::Text),
            ("source", Ty::Text),
            ("query", Ty::Text),
            ("payload", Ty::Text),
            ("title", Ty::Text),
            ("expiry", Ty::Number),
            ("expiration_interval", Ty::Number),
            ("status", Ty::Text),
            ("numSent", Ty::Number),
            ("numFailed", Ty::Number),
            ("pushHash", Ty::Text),
            ("errorMessage", Ty::Object),
            ("sentPerType", Ty::Object),
            ("failedPerType", Ty::Object),
            ("sentPerUTCOffset", Ty::Object),
            ("failedPerUTCOffset", Ty::Object),
            ("count", Ty::Number),
        ],
    ),
    (
        "_JobStatus",
        &[
            ("jobName", Ty::Text),
            ("source", Ty::Text),
            ("status", Ty::Text),
            ("message", Ty::Text),
            ("params", Ty::Object),
            ("finishedAt", Ty::Date),
        ],
    ),
    (
        "_JobSchedule",
        &[
            ("jobName", Ty::Text),
            ("description", Ty::Text),
            ("params", Ty::Text),
            ("startAfter", Ty::Text),
            ("daysOfWeek", Ty::Array),
            ("timeOfDay", Ty::Text),
            ("lastRun", Ty::Number),
            ("repeatMinutes", Ty::Number),
        ],
    ),
    (
        "_Hooks",
        &[
            ("functionName", Ty::Text),
            ("className", Ty::Text),
            ("triggerName", Ty::Text),
            ("url", Ty::Text),
        ],
    ),
    (
        "_GlobalConfig",
        &[("params", Ty::Object), ("masterKeyOnly", Ty::Object)],
    ),
    ("_GraphQLConfig", &[("config", Ty::Object)]),
    (
        "_Audience",
        &[
            ("name", Ty::Text),
            ("query", Ty::Text),
            ("lastUsed", Ty::Date),
            ("timesUsed", Ty::Number),
        ],
    ),
    ("_Idempotency", &[("reqId", Ty::Text), ("expire", Ty::Date)]),
];

/// Fields without which an object of the collection can't be made or kept.
pub(crate) fn required(collection: &str) -> &'static [&'static str] {
    match collection {
        "_Product" => &["productIdentifier", "icon", "order", "title", "subtitle"],
        _ => &[],
    }
}

/// Fields on which no two objects of the collection agree; identity adds its own.
pub(crate) fn unique(collection: &str) -> Option<&'static str> {
    (collection == "_Idempotency").then_some("reqId")
}

fn columns(collection: &str) -> Option<Columns> {
    if !collection.starts_with('_') {
        return None;
    }
    TABLE
        .iter()
        .find(|(name, _)| *name == collection)
        .map(|(_, columns)| *columns)
}

/// Whether the name is that of a system collection (join collections are not).
pub(crate) fn is_system(collection: &str) -> bool {
    columns(collection).is_some()
}

/// The columns that the collection comes with.
pub(crate) fn fields(collection: &str) -> impl Iterator<Item = FieldDef> {
    let columns = columns(collection).unwrap_or_default();
    columns
        .iter()
        .map(|(name, ty)| FieldDef::new(*name, ty.field_type()))
}

/// The fixed type of a column that the collection comes with.
pub(crate) fn field_type(collection: &str, field: &str) -> Option<FieldType> {
    let (_, ty) = columns(collection)?.iter().find(|(n, _)| *n == field)?;
    Some(ty.field_type())
}

/// Whether clients can reach the collection at all; its rules decide the rest. Everything else that
/// starts with `_` is for the master key.
pub(crate) fn is_for_clients(collection: &str) -> bool {
    !collection.starts_with('_') || matches!(collection, USER | SESSION | ROLE | INSTALLATION)
}

/// Whether the collection keeps settings of the server, which have no schema of their own.
pub(crate) fn is_settings(collection: &str) -> bool {
    matches!(collection, "_Hooks" | "_GlobalConfig" | "_GraphQLConfig")
}

/// Whether references to the collection are followed for this kind of caller.
pub(crate) fn is_includable(collection: &str, reads_everything: bool) -> bool {
    match collection {
        USER | ROLE => true,
        _ if reads_everything => !collection.starts_with("_Join:"),
        _ => !collection.starts_with('_'),
    }
}
