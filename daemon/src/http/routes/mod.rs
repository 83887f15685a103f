//! The handlers, one file a noun: out of the request, into one verb, back as JSON. Nothing is decided here.

pub(super) mod audit;
pub(super) mod channels;
pub(super) mod events;
pub(super) mod feed;
pub(super) mod host;
pub(super) mod keys;
pub(super) mod queues;
pub(super) mod runs;
pub(super) mod secrets;
pub(super) mod sessions;
pub(super) mod tenants;
pub(super) mod variables;
pub(super) mod workflows;

use std::sync::Arc;

use axum::extract::State;

use super::Api;

/// What every handler gets first.
type Shared = State<Arc<Api>>;
/// `{tenant}/…/{one}`: the door has used the tenant already.
type One = axum::extract::Path<(String, String)>;
/// `{tenant}/…/{one}/…/{two}`.
type Two = axum::extract::Path<(String, String, String)>;
