//! Parameters in their binary form.

use super::number::Number;
use bytes::{BufMut, BytesMut};
use std::error::Error;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// A parameter. Texts are in the form of [`crate::text`]. The statement says its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Param {
    /// NULL of any type.
    Null,
    /// BIGINT.
    Int(i64),
    /// DOUBLE PRECISION.
    Double(f64),
    /// NUMERIC.
    Number(Number),
    /// BOOLEAN.
    Bool(bool),
    /// TEXT.
    Text(String),
    /// BYTEA.
    Bytes(Vec<u8>),
    /// JSONB, as JSON text.
    Json(String),
    /// TEXT[].
    Texts(Vec<String>),
    /// An array of anything else.
    List(Vec<Param>),
}

impl Param {
    /// Its type; that of a null or an empty list is the statement's matter.
    pub(crate) fn ty(&self) -> Type {
        match self {
            Self::Null => Type::UNKNOWN,
            Self::Int(_) => Type::INT8,
            Self::Double(_) => Type::FLOAT8,
            Self::Number(_) => Type::NUMERIC,
            Self::Bool(_) => Type::BOOL,
            Self::Text(_) => Type::TEXT,
            Self::Bytes(_) => Type::BYTEA,
            Self::Json(_) => Type::JSONB,
            Self::Texts(_) => Type::TEXT_ARRAY,
            Self::List(items) => match items.first() {
                Some(Self::Int(_)) => Type::INT8_ARRAY,
                Some(Self::Double(_)) => Type::FLOAT8_ARRAY,
                Some(Self::Number(_)) => Type::NUMERIC_ARRAY,
                Some(Self::Bool(_)) => Type::BOOL_ARRAY,
                Some(Self::Bytes(_)) => Type::BYTEA_ARRAY,
                Some(Self::Json(_)) => Type::JSONB_ARRAY,
                _ => Type::TEXT_ARRAY,
            },
        }
    }
}

/// The types of parameters, in their order.
pub(crate) fn types(params: &[Param]) -> Vec<Type> {
    params.iter().map(Param::ty).collect()
}

impl ToSql for Param {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Int(n) => out.put_i64(*n),
            Self::Double(n) => out.put_f64(*n),
            Self::Number(n) => n.put(out),
            Self::Bool(b) => out.put_u8(u8::from(*b)),
            Self::Text(text) => out.put_slice(text.as_bytes()),
            Self::Bytes(bytes) => out.put_slice(bytes),
            Self::Json(text) => {
                out.put_u8(1);
                out.put_slice(text.as_bytes());
            }
            Self::Texts(texts) => return texts.to_sql(ty, out),
            Self::List(items) => return items.to_sql(ty, out),
        }
        Ok(IsNull::No)
    }

    // Every statement casts its parameters, so that the types are known to fit.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}
