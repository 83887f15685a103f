//! The body of an event: what its content type says it is, and how expressions see it.
//!
//! JSON is parsed, a form becomes an object, text a string. Anything else is kept as a blob and described, never
//! decoded: `{"size": …, "sha256": …, "content_type": …}`.

use std::fmt;

use ring::digest::{SHA256, digest};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
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

/// Whether [`value`] can be made, without making it.
pub(super) fn check(content_type: Option<&str>, body: &[u8]) -> Result<(), BadBody> {
    let essence = essence(content_type);
    if body.is_empty() || media(&essence) != Media::Json {
        return Ok(());
    }
    serde_json::from_slice::<Sound>(body)
        .map(|_| ())
        .map_err(|error| BadBody { content_type: essence, error: error.to_string() })
}

/// JSON that is looked at as closely as if it were kept: `serde::de::IgnoredAny` lets numbers, text and depth pass that
/// [`Value`] refuses.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(Self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        while fields.next_entry::<Self, Self>()?.is_some() {}
        Ok(Self)
    }
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
    use proptest::prelude::*;

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

    fn both(text: &[u8]) -> (bool, bool) {
        let content_type = Some("application/json");
        (check(content_type, text).is_ok(), value(content_type, text).is_ok())
    }

    #[test]
    fn what_is_looked_at_only_is_looked_at_closely() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for sound in
            ["", "null", "{\"a\":[1,-2,0.5,true,\"\\u00e4\"]}", &deep(127), "{\"a\":1,\"a\":2}", "1e308"]
        {
            assert_eq!(both(sound.as_bytes()), (true, true), "{sound}");
        }
        for broken in [
            "{",
            "[1,]",
            "01",
            "1e999",
            "\"\\ud800\"",
            "{1:2}",
            "nul",
            "[] []",
            &deep(128),
            "{\"\\ud800\":1}",
        ] {
            assert_eq!(both(broken.as_bytes()), (false, false), "{broken}");
        }
        assert_eq!(both(b"\"\xff\""), (false, false));
        assert_eq!(check(Some("text/plain"), b"{"), Ok(()));
        let (looked, read) = (check(Some("a/b+json"), b"{"), value(Some("a/b+json"), b"{"));
        assert_eq!(
            looked.map_err(|error| error.to_string()).err(),
            read.map_err(|error| error.to_string()).err()
        );
    }

    proptest! {
        #[test]
        fn looking_at_a_body_and_reading_it_say_the_same(text in "[\\[\\]{}:,\"\\\\u0-9a-fd8eE.+-]{0,24}", bytes in any::<Vec<u8>>()) {
            for body in [text.as_bytes(), &bytes] {
                let (looked, read) = both(body);
                prop_assert_eq!(looked, read, "{:?}", body);
            }
        }
    }

    #[test]
    fn several_parts_are_recognised() {
        assert!(is_multipart(Some("Multipart/Form-Data; boundary=x")));
        assert!(!is_multipart(Some("text/plain")) && !is_multipart(None));
    }
}
