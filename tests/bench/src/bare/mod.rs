//! The limits: what would be possible if nothing but the writes, or nothing but the requests, had to be done.

pub(crate) mod axum_limit;
pub(crate) mod sqlite_limit;
