//! The body of an event: what its content type says it is, and how expressions see it.
//!
//! JSON is parsed, a form becomes an object, text a string. Anything else is kept as a blob and described, never
//! decoded: `{"size": …, "sha256": …, "content_type": …}`.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tenantry_protocol::merkle::record::to_hex;

/// Why a body is not what its content type says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content type is {content_type}, but the body is not valid JSON: {error}")]
pub struct BadBody {
    content_type: String,
    error: String,
}

/// What a content type announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Form,
    Text,
    Binary,
    /// Nothing is said, or nothing that is known: the bytes decide.
    Unknown,
}

fn essence(content_type: Option<&str>) -> String {
    let content_type = content_type.unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn media(essence: &str) -> Media {
    match essence {
        "application/json" => Media::Json,
        "application/x-www-form-urlencoded" => Media::Form,
        "application/octet-stream" | "application/pdf" | "application/zip" | "application/gzip" => {
            Media::Binary
        }
        _ if essence.ends_with("+json") => Media::Json,
        _ if essence.starts_with("text/") || essence.ends_with("+xml") || essence == "application/xml" => {
            Media::Text
        }
        _ if ["image/", "audio/", "video/", "font/", "multipart/"]
            .iter()
            .any(|kind| essence.starts_with(kind)) =>
        {
            Media::Binary
        }
        _ => Media::Unknown,
    }
}

/// Whether the content type announces several parts, which no door takes.
pub fn is_multipart(content_type: Option<&str>) -> bool {
    essence(content_type).starts_with("multipart/")
}

/// Whether the body is no text: it is kept as a blob and only described to expressions.
pub fn is_binary(content_type: Option<&str>, body: &[u8]) -> bool {
    match media(&essence(content_type)) {
        Media::Json | Media::Form => false,
        Media::Binary => !body.is_empty(),
        Media::Text | Media::Unknown => std::str::from_utf8(body).is_err(),
    }
}

/// `event.body`.
pub(super) fn value(content_type: Option<&str>, body: &[u8]) -> Result<Value, BadBody> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let essence = essence(content_type);
    let announced = media(&essence);
    match announced {
        Media::Json => {
            return serde_json::from_slice(body)
                .map_err(|error| BadBody { content_type: essence, error: error.to_string() });
        }
        Media::Form => return Ok(form(body)),
        Media::Text | Media::Binary | Media::Unknown => {}
    }
    if is_binary(content_type, body) {
        return Ok(json!({ "size": body.len(), "sha256": sha256_hex(body), "content_type": content_type }));
    }
    let looks_like_json = essence.is_empty() && matches!(body.first(), Some(b'{' | b'['));
    if looks_like_json && let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    Ok(Value::String(String::from_utf8_lossy(body).into_owned()))
}

/// The SHA-256 of a body in hexadecimal digits.
pub fn sha256_hex(body: &[u8]) -> String {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, body).as_ref());
    to_hex(&hash)
}

/// A form or a query string as an object; of a repeated key the last value counts.
pub(super) fn form(text: &[u8]) -> Value {
    let pairs = url::form_urlencoded::parse(text);
    Value::Object(pairs.map(|(key, value)| (key.into_owned(), Value::String(value.into_owned()))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(content_type: Option<&str>, body: &[u8]) -> Value {
        value(content_type, body).unwrap_or_else(|_| "refused".into())
    }

    #[test]
    fn the_content_type_decides_how_a_body_is_read() {
        assert_eq!(body(Some("application/json; charset=utf-8"), b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(body(Some("application/vnd.x+json"), b"[1]"), json!([1]));
        assert_eq!(
            body(Some("application/x-www-form-urlencoded"), b"a=1&b=%20"),
            json!({"a": "1", "b": " "})
        );
        assert_eq!(body(Some("text/plain"), b"{\"a\":1}"), json!("{\"a\":1}"));
        assert_eq!(body(Some("application/xml"), b"<a/>"), json!("<a/>"));
        assert_eq!(body(None, b"{\"a\":1}"), json!({"a": 1}));
        assert_eq!(body(None, b"{oops"), json!("{oops"));
        assert_eq!(body(Some("application/json"), b""), Value::Null);
        assert_eq!(body(Some("application/json"), b"{oops"), json!("refused"));
    }

    /// SHA-256 of `abc` as FIPS 180-2 publishes it.
    #[test]
    fn what_is_no_text_is_described() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let described = json!({ "size": 3, "sha256": sha256, "content_type": "image/png" });
        assert_eq!(body(Some("image/png"), b"abc"), described);
        assert_eq!(body(None, b"\xff\xfe")["size"], 2);
        assert_eq!(
            body(Some("text/plain; charset=latin1"), b"\xe4")["content_type"],
            "text/plain; charset=latin1"
        );
        assert!(is_binary(Some("application/octet-stream"), b"text") && !is_binary(Some("image/png"), b""));
        assert!(!is_binary(Some("application/json"), b"\xff"), "that is refused, not kept");
    }

    #[test]
    fn several_parts_are_recognised() {
        assert!(is_multipart(Some("Multipart/Form-Data; boundary=x")));
        assert!(!is_multipart(Some("text/plain")) && !is_multipart(None));
    }
}
