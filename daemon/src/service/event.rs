//! An event: one recorded occurrence, as it is stored and as expressions see it.

mod body;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serializer as _;
use serde_json::Value;
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::EventKind;
use tenantry_workflow::INBOX;
use tenantry_workflow::names::{is_credential_header, is_proof_header};

pub use self::body::{BadBody, is_binary, is_multipart, sha256_hex};
use crate::store::tenant::events::{self, Body};

/// Header fields that belong to the connection or say nothing; they are kept only where a trigger names them.
const DROPPED_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// Header fields that are kept of one event at the most.
const HEADERS_KEPT: usize = 64;

/// The content type of the event of a batch: its body holds the values of its events as `items`.
pub const BATCH_TYPE: &str = "application/vnd.tenantry.batch+json";

/// One recorded occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// How it came in.
    pub kind: EventKind,
    /// The webhook's path, the emitted name, the workflow started by hand or by its schedule, the one whose run ended,
    /// or the file's name.
    pub source: String,
    /// Of a webhook.
    pub method: Option<String>,
    /// As the sender named it.
    pub content_type: Option<String>,
    /// The kept header fields, one JSON object of lower-case names.
    pub headers: String,
    /// The query string without the question mark.
    pub query: Option<String>,
    /// The raw body.
    pub body: Bytes,
    /// Unix milliseconds.
    pub received_at: i64,
    /// How many events it follows from.
    pub depth: u32,
}

/// The header fields of a request that are kept, as one JSON object: those that were `chosen`, else all that carry no
/// credential. `proof` names the field that the trigger verifies; it is never kept.
pub fn kept_headers(headers: &http::HeaderMap, chosen: Option<&[String]>, proof: Option<&str>) -> String {
    let wanted = |name: &str| match chosen {
        Some(chosen) => chosen.iter().any(|chosen| chosen == name),
        None => !DROPPED_HEADERS.contains(&name) && !is_credential_header(name),
    };
    let mut kept: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(headers.keys_len().min(HEADERS_KEPT));
    // Of a repeated field the first value counts.
    for name in headers.keys() {
        let field = name.as_str();
        if !wanted(field) || is_proof_header(field) || proof == Some(field) || kept.len() >= HEADERS_KEPT {
            continue;
        }
        if let Some(value) = headers.get(name) {
            kept.push((field, String::from_utf8_lossy(value.as_bytes())));
        }
    }
    kept.sort_unstable_by_key(|(name, _)| *name);
    let mut json = Vec::with_capacity(256);
    let written = serde_json::Serializer::new(&mut json).collect_map(kept);
    // Text is always valid JSON text.
    written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_else(|| "{}".to_owned())
}

impl Event {
    /// The event, if its row holds all of it.
    pub fn inline(row: events::Event) -> Option<Self> {
        (!matches!(row.body, Body::Blob(_))).then(|| Self::recorded(row, None))
    }

    /// An event of the daemon's own, with a JSON body.
    pub fn internal(kind: EventKind, source: String, body: &Value, depth: u32, now: i64) -> Self {
        Self {
            id: EventId::new(now),
            kind,
            source,
            method: None,
            content_type: Some("application/json".to_owned()),
            headers: "{}".to_owned(),
            query: None,
            body: Bytes::from(body.to_string()),
            received_at: now,
            depth,
        }
    }

    /// An event as its row has it. `blob` is its body, if that lies outside of the row.
    pub fn recorded(row: events::Event, blob: Option<Bytes>) -> Self {
        let inline = match row.body {
            Body::Inline(bytes) => Bytes::from(bytes),
            Body::None | Body::Blob(_) => Bytes::new(),
        };
        Self {
            id: row.id,
            kind: row.kind,
            source: row.source,
            method: row.method,
            content_type: row.content_type,
            headers: row.headers,
            query: row.query,
            body: blob.unwrap_or(inline),
            received_at: row.received_at,
            depth: row.depth,
        }
    }

    /// `event` as expressions see it; its fields are those of `tenantry_workflow::context::EVENT_FIELDS`.
    pub fn value(&self) -> Result<Arc<Value>, BadBody> {
        let body = body::value(self.content_type.as_deref(), &self.body)?;
        let is_batch = self.content_type.as_deref() == Some(BATCH_TYPE);
        let items = if is_batch { body.get("items").cloned() } else { None };
        let only = |kind: EventKind| (self.kind == kind).then_some(self.source.as_str());
        let file = only(EventKind::File);
        let path = only(EventKind::Webhook).map(str::to_owned).or(file.map(|name| format!("{INBOX}/{name}")));
        let of = |kind: EventKind, field: &str| {
            let value = body.get(field).filter(|_| self.kind == kind);
            value.cloned().unwrap_or_default()
        };
        let of_end = |field: &str| of(EventKind::Workflow, field);
        let scheduled_at = of(EventKind::Schedule, "scheduled_at");
        let (run, state, error, outputs) =
            (of_end("run"), of_end("state"), of_end("error"), of_end("outputs"));
        // Values are moved in: `json!` would copy headers and body once more.
        let fields = [
            ("id", self.id.to_string().into()),
            ("kind", self.kind.as_str().into()),
            ("name", only(EventKind::Emitted).or(file).into()),
            ("path", path.into()),
            ("method", self.method.as_deref().into()),
            ("headers", serde_json::from_str(&self.headers).unwrap_or(Value::Null)),
            ("query", self.query.as_deref().map_or(Value::Null, |query| body::form(query.as_bytes()))),
            ("items", items.unwrap_or(Value::Null)),
            ("body", body),
            ("received_at", self.received_at.into()),
            ("scheduled_at", scheduled_at),
            ("size", file.map(|_| self.body.len()).into()),
            ("depth", self.depth.into()),
            ("workflow", only(EventKind::Workflow).into()),
            ("run", run),
            ("state", state),
            ("error", error),
            ("outputs", outputs),
        ];
        Ok(Arc::new(Value::Object(
            fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
        )))
    }

    /// Whether [`Self::value`] can be made. Much cheaper than making it.
    pub fn check(&self) -> Result<(), BadBody> {
        body::check(self.content_type.as_deref(), &self.body)
    }

    /// Whether the body is no text, so that it is kept as a blob.
    pub fn is_binary(&self) -> bool {
        is_binary(self.content_type.as_deref(), &self.body)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_promised_field_is_there() {
        let event = Event::internal(EventKind::Workflow, "w".into(), &json!({ "state": "failed" }), 3, 5);
        let value = Event { query: Some("a=1&b=%20x".to_owned()), ..event }.value().unwrap();
        for field in tenantry_workflow::context::EVENT_FIELDS {
            assert!(value.get(field).is_some(), "{field}");
        }
        assert_eq!(value.as_object().unwrap().len(), tenantry_workflow::context::EVENT_FIELDS.len());
        assert_eq!(value["query"], json!({"a": "1", "b": " x"}));
        assert_eq!(
            (&value["workflow"], &value["state"], &value["depth"]),
            (&json!("w"), &json!("failed"), &json!(3))
        );
    }

    #[test]
    fn the_events_of_a_batch_are_its_items() {
        let single =
            Event::internal(EventKind::Emitted, "e".into(), &json!({ "items": [{ "body": 1 }] }), 0, 5);
        assert_eq!(single.value().unwrap()["items"], Value::Null);
        let batch = Event { content_type: Some(BATCH_TYPE.to_owned()), ..single };
        assert_eq!(batch.value().unwrap()["items"], json!([{"body": 1}]));
    }

    #[test]
    fn credentials_are_not_kept() {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("x-mine", "x"),
            ("x-kept", "y"),
            ("cookie", "z"),
            ("x-hub-signature-256", "s"),
            ("x-api-key", "k"),
        ] {
            headers.insert(name, http::HeaderValue::from_static(value));
        }
        assert_eq!(kept_headers(&headers, None, Some("x-mine")), r#"{"x-kept":"y"}"#);
        let chosen = ["x-api-key", "x-mine", "cookie", "host"].map(str::to_owned);
        assert_eq!(kept_headers(&headers, Some(&chosen), Some("x-mine")), r#"{"x-api-key":"k"}"#);
        assert_eq!(kept_headers(&headers, Some(&[]), None), "{}");
    }
}
