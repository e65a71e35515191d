//! From the query model to SQL.
