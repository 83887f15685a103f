//! What goes out and what comes back, and which parts of a request are not the sender's to choose.
//!
//! What must never happen here: a header of a tenant that changes how the request is framed or where it is routed;
//! a secret that follows a redirect to another origin.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CONNECTION, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST,
    HeaderName, HeaderValue, LOCATION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;

use super::error::EgressError;
use super::guard::Target;

/// The most headers of one request.
pub const MAX_HEADERS: usize = 64;

/// The largest sum of header names and values of one request, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// A request to the outside.
#[derive(Clone, Debug)]
pub struct OutRequest {
    /// Any method but CONNECT and TRACE.
    pub method: Method,
    /// An absolute http or https address.
    pub url: String,
    /// The sender's headers. Host, length and connection headers are not the sender's to set.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Time for everything: name, connection, redirects and the last byte of the answer.
    pub timeout: Duration,
    /// Whether redirects are followed; otherwise they are the answer.
    pub follow_redirects: bool,
}

impl OutRequest {
    /// A request without headers and body, 30 seconds, redirects not followed.
    pub fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(30),
            follow_redirects: false,
        }
    }
}

/// What the outside answered, whatever its status.
#[derive(Clone, Debug)]
pub struct OutResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// From the call to the last byte, in milliseconds.
    pub elapsed_ms: u64,
}

/// Headers that frame the message or belong to one hop (RFC 9110 §7.6.1), and the one that routes it.
fn is_reserved(name: &HeaderName) -> bool {
    static RESERVED: [HeaderName; 10] = [
        HOST,
        CONNECTION,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        TE,
        TRAILER,
        UPGRADE,
        EXPECT,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
    ];
    RESERVED.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

/// Headers that say nothing about who sends; all others stay behind when a redirect leaves the origin.
fn is_harmless(name: &HeaderName) -> bool {
    static HARMLESS: [HeaderName; 5] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_LANGUAGE, CONTENT_TYPE, USER_AGENT];
    HARMLESS.contains(name)
}

/// A request on its way, perhaps redirected.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Outgoing {
    /// Checks what the sender wrote.
    pub(super) fn new(
        method: Method,
        url: &str,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Self, EgressError> {
        let bad = |why: String| Err(EgressError::BadRequest { why });
        if matches!(method, Method::CONNECT | Method::TRACE) {
            return bad(format!("the method {method} is not sent"));
        }
        if let Some(name) = headers.keys().find(|name| is_reserved(name)) {
            return bad(format!("the header {name} is set by the daemon"));
        }
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
            return bad(format!(
                "it has more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them"
            ));
        }
        headers.entry(USER_AGENT).or_insert(const { HeaderValue::from_static("tenantry") });
        headers.entry(ACCEPT).or_insert(const { HeaderValue::from_static("*/*") });
        Ok(Self { method, target: Target::parse(url)?, headers, body })
    }

    /// Whether doing it twice is the same as doing it once (RFC 9110 §9.2.2).
    pub(super) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    /// The message as it is written to the wire.
    pub(super) fn message(&self) -> Request<Full<Bytes>> {
        let mut message = Request::new(Full::new(self.body.clone()));
        *message.method_mut() = self.method.clone();
        *message.uri_mut() = Uri::from(self.target.path.clone());
        let mut headers = self.headers.clone();
        headers.insert(HOST, self.target.authority.clone());
        // RFC 9110 §8.6: an empty body of a method that means one is said to be empty.
        if self.body.is_empty() && matches!(self.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, const { HeaderValue::from_static("0") });
        }
        *message.headers_mut() = headers;
        message
    }

    /// The request that an answer redirects to; `None` where the answer is final.
    pub(super) fn redirected(&mut self, status: StatusCode, answer: &HeaderMap) -> Result<bool, EgressError> {
        let drops_body = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => false,
            _ => return Ok(false),
        };
        let Some(location) = answer.get(LOCATION) else { return Ok(false) };
        let location = location.to_str().map_err(|error| EgressError::bad_url("", error))?;
        let target = self.target.redirect(location)?;
        if drops_body {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers.remove(CONTENT_TYPE);
            self.headers.remove(CONTENT_LANGUAGE);
        }
        if target.origin != self.target.origin {
            let kept = std::mem::take(&mut self.headers);
            let kept = kept.iter().filter(|(name, _)| is_harmless(name));
            self.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        self.target = target;
        Ok(true)
    }
}
