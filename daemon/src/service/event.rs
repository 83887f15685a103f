//! An event: one recorded occurrence, as it is stored and as expressions see it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tenantry_protocol::id::EventId;
use tenantry_protocol::state::EventKind;

/// Header fields that are never kept: they carry credentials or belong to the connection.
const DROPPED_HEADERS: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
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
    /// The webhook's path, the emitted name, or the workflow started by hand.
    pub source: String,
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
}

/// Why a body is not what its content type says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not valid JSON: {0}")]
pub struct BadBody(String);

/// The header fields of a request that are kept, as one JSON object. `secret` names a field that carries a
/// token and is dropped too.
pub fn kept_headers(headers: &http::HeaderMap, secret: Option<&str>) -> String {
    let mut kept = Map::new();
    for (name, value) in headers {
        let name = name.as_str();
        let is_secret = secret.is_some_and(|secret| secret.eq_ignore_ascii_case(name));
        if is_secret || DROPPED_HEADERS.contains(&name) || kept.len() >= HEADERS_KEPT {
            continue;
        }
        kept.entry(name).or_insert_with(|| String::from_utf8_lossy(value.as_bytes()).into_owned().into());
    }
    Value::Object(kept).to_string()
}

impl Event {
    /// `event` as expressions see it; its fields are those of `tenantry_workflow::context::EVENT_FIELDS`.
    ///
    /// A JSON body is parsed, a form becomes an object, text a string; other bytes become `{"base64": …}`.
    pub fn value(&self) -> Result<Arc<Value>, BadBody> {
        let only = |kind: EventKind| (self.kind == kind).then_some(self.source.as_str());
        let body = self.body_value()?;
        let is_batch = self.content_type.as_deref() == Some(BATCH_TYPE);
        let items = body.get("items").filter(|_| is_batch).cloned().unwrap_or_default();
        // Values are moved in: `json!` would copy headers and body once more.
        let fields = [
            ("id", self.id.to_string().into()),
            ("kind", self.kind.as_str().into()),
            ("name", only(EventKind::Emitted).into()),
            ("path", only(EventKind::Webhook).into()),
            ("method", only(EventKind::Webhook).map(|_| "POST").into()),
            ("headers", serde_json::from_str(&self.headers).unwrap_or(Value::Null)),
            ("query", self.query.as_deref().map_or(Value::Null, |query| form(query.as_bytes()))),
            ("items", items),
            ("body", body),
            ("received_at", self.received_at.into()),
            ("scheduled_at", Value::Null),
            ("size", Value::Null),
        ];
        Ok(Arc::new(Value::Object(
            fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
        )))
    }

    fn body_value(&self) -> Result<Value, BadBody> {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        if essence == "application/json" || essence.ends_with("+json") {
            return serde_json::from_slice(&self.body).map_err(|error| BadBody(error.to_string()));
        }
        if essence == "application/x-www-form-urlencoded" {
            return Ok(form(&self.body));
        }
        let looks_like_json = essence.is_empty() && matches!(self.body.first(), Some(b'{' | b'['));
        if looks_like_json && let Ok(value) = serde_json::from_slice(&self.body) {
            return Ok(value);
        }
        Ok(match std::str::from_utf8(&self.body) {
            Ok(text) => Value::String(text.to_owned()),
            Err(_) => json!({ "base64": STANDARD.encode(&self.body) }),
        })
    }
}

/// A form or a query string as an object; of a repeated key the last value counts.
fn form(text: &[u8]) -> Value {
    let pairs = url::form_urlencoded::parse(text);
    Value::Object(pairs.map(|(key, value)| (key.into_owned(), Value::String(value.into_owned()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(content_type: Option<&str>, body: &'static [u8]) -> Event {
        Event {
            id: EventId::new(1),
            kind: EventKind::Webhook,
            source: "x".to_owned(),
            content_type: content_type.map(str::to_owned),
            headers: "{}".to_owned(),
            query: Some("a=1&b=%20x".to_owned()),
            body: Bytes::from_static(body),
            received_at: 5,
        }
    }

    fn body(content_type: Option<&str>, body: &'static [u8]) -> Value {
        event(content_type, body).value().map_or(Value::String("refused".into()), |v| v["body"].clone())
    }

    #[test]
    fn the_content_type_decides_how_a_body_is_read() {
        assert_eq!(body(Some("application/json; charset=utf-8"), b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(body(Some("application/vnd.x+json"), b"[1]"), json!([1]));
        assert_eq!(body(Some("application/x-www-form-urlencoded"), b"a=1&b=2"), json!({"a": "1", "b": "2"}));
        assert_eq!(body(Some("text/plain"), b"{\"a\":1}"), json!("{\"a\":1}"));
        assert_eq!(body(None, b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(body(None, b"{oops"), json!("{oops"));
        assert_eq!(body(Some("application/octet-stream"), b"\xff\xfe"), json!({"base64": "//4="}));
        assert_eq!(body(Some("application/json"), b""), Value::Null);
        assert_eq!(body(Some("application/json"), b"{oops"), json!("refused"));
    }

    #[test]
    fn every_promised_field_is_there() {
        let value = event(None, b"").value();
        for field in tenantry_workflow::context::EVENT_FIELDS {
            assert!(value.as_ref().is_ok_and(|value| value.get(field).is_some()), "{field}");
        }
        assert_eq!(value.map(|v| v["query"].clone()), Ok(json!({"a": "1", "b": " x"})));
    }

    #[test]
    fn the_events_of_a_batch_are_its_items() {
        let batch = event(Some(BATCH_TYPE), b"{\"items\":[{\"body\":1}]}").value().unwrap();
        assert_eq!(batch["items"], json!([{"body": 1}]));
        assert_eq!(
            event(Some("application/json"), b"{\"items\":[1]}").value().unwrap()["items"],
            Value::Null
        );
    }

    #[test]
    fn credentials_are_not_kept() {
        let mut headers = http::HeaderMap::new();
        for (name, value) in
            [("authorization", "Bearer x"), ("x-token", "x"), ("x-kept", "y"), ("cookie", "z")]
        {
            headers.insert(name, http::HeaderValue::from_static(value));
        }
        assert_eq!(kept_headers(&headers, Some("X-Token")), r#"{"x-kept":"y"}"#);
    }
}
