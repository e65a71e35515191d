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
