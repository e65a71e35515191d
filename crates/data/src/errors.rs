//! The refusals that more than one part of the engine words. Client suites compare them literally.

use basalt_base::{Error, Reason};

pub(crate) const PERMISSION_DENIED: &str = "Permission denied";

pub(crate) fn not_found() -> Error {
    Error::new(Reason::ObjectNotFound, "Object not found.")
}

pub(crate) fn master_required() -> Error {
    Error::new(
        Reason::MasterKeyRequired,
        "unauthorized: master key is required",
    )
}

pub(crate) fn invalid_collection_name(name: &str) -> Error {
    Error::new(
        Reason::InvalidCollectionName,
        format!(
            "Invalid classname: {name}, classnames can only have alphanumeric characters and _, \
             and must start with an alpha character "
        ),
    )
}

pub(crate) fn invalid_field_name(name: &str) -> Error {
    Error::new(
        Reason::InvalidFieldName,
        format!("Invalid field name: {name}."),
    )
}

pub(crate) fn invalid_key(name: &str) -> Error {
    Error::new(
        Reason::InvalidFieldName,
        format!("Invalid key name: {name}"),
    )
}

pub(crate) fn too_complex(what: impl Into<String>) -> Error {
    Error::new(Reason::QueryTooComplex, what.into())
}

pub(crate) fn duplicate() -> Error {
    Error::new(
        Reason::DuplicateValue,
        "A duplicate value for a field with unique values was provided",
    )
}

pub(crate) fn mismatch(collection: &str, field: &str, expected: &str, got: &str) -> Error {
    Error::new(
        Reason::SchemaMismatch,
        format!("schema mismatch for {collection}.{field}; expected {expected} but got {got}"),
    )
}
