//! Objects as rows: columns to values and back.
