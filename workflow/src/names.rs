//! What may be a name in a workflow: step ids, inputs, secrets, webhook paths, event names.
//!
//! Names that travel into other systems (paths, environment variables, URLs) are checked here and nowhere
//! else.

use crate::limits::{MAX_ID_CHARS, MAX_PATH_CHARS};

/// Whether the text may be a step's id or an input's name: a letter or `_`, then letters, digits, `_` and
/// inner dashes, at most 63. So it can stand in an expression, as in `steps.sign-off.output`.
pub fn is_step_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let starts = bytes.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    starts
        && bytes.len() <= MAX_ID_CHARS
        && bytes.iter().all(inner)
        && !text.ends_with('-')
        && !text.contains("--")
}

/// Whether the text may be the name of a secret or of an environment variable: a letter or `_`, then letters,
/// digits and `_`, at most 63.
pub fn is_variable(text: &str) -> bool {
    let bytes = text.as_bytes();
    let starts = bytes.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    starts
        && bytes.len() <= MAX_ID_CHARS
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// Whether the text may be a webhook's path below `/hooks/<tenant>/`: segments of `[a-z0-9._-]` that are not
/// only dots, joined by `/`, at most 128 characters.
pub fn is_webhook_path(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    let good = |segment: &str| {
        !segment.is_empty() && segment.bytes().all(inner) && segment.bytes().any(|b| b != b'.')
    };
    text.len() <= MAX_PATH_CHARS && text.split('/').all(good)
}

/// Whether the text may be the name of an event, such as `invoice.paid`.
pub fn is_event_name(text: &str) -> bool {
    text.len() <= MAX_PATH_CHARS && text.split('.').all(tenantry_protocol::permission::is_name)
}

/// Whether the text may be a pattern for event names: a name, or a name's beginning and `*`, or `*` alone.
pub fn is_event_pattern(text: &str) -> bool {
    match text.strip_suffix('*') {
        None => is_event_name(text),
        Some("") => true,
        Some(prefix) => is_event_name(prefix.strip_suffix('.').unwrap_or(prefix)),
    }
}

/// Whether the text may be a pattern for names of workflows: a name, or a name's beginning and `*`, or `*` alone.
pub fn is_workflow_pattern(text: &str) -> bool {
    use tenantry_protocol::permission::is_name;
    match text.strip_suffix('*') {
        None => is_name(text),
        Some("") => true,
        Some(prefix) => is_name(prefix.strip_suffix('-').unwrap_or(prefix)),
    }
}

/// Whether the text may be the name of an HTTP header (RFC 9110 §5.6.2 token).
pub fn is_header_name(text: &str) -> bool {
    matches!(text.len(), 1..=128)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a header field of that name carries a proof of who sent a request: no event ever keeps it.
pub fn is_proof_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "cookie", "signature", "hmac"].iter().any(|word| name.contains(word))
}

/// Whether a header field of that name looks as if it carried a credential: an event keeps it only where the trigger
/// names it.
pub fn is_credential_header(name: &str) -> bool {
    const WORDS: &[&str] =
        &["token", "secret", "passw", "apikey", "api-key", "api_key", "access-key", "credential", "session"];
    let lower = name.to_ascii_lowercase();
    is_proof_header(&lower)
        || WORDS.iter().any(|word| lower.contains(word))
        || lower.split(['-', '_']).any(|part| matches!(part, "auth" | "sign" | "sig" | "jwt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_ids() {
        for good in ["a", "_x", "sign-off", "Step2", "a-1", &"a".repeat(63)] {
            assert!(is_step_id(good), "{good}");
        }
        for bad in ["", "1a", "-a", "a-", "a--b", "a.b", "a b", "é", "a/b", &"a".repeat(64)] {
            assert!(!is_step_id(bad), "{bad}");
        }
    }

    #[test]
    fn webhook_paths() {
        for good in ["stripe", "a/b/c", "v1.2/x_y-z", &"a".repeat(128)] {
            assert!(is_webhook_path(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", ".", "A", "a?b", "a%20", "a\0", &"a".repeat(129)]
        {
            assert!(!is_webhook_path(bad), "{bad}");
        }
    }

    #[test]
    fn event_names_and_patterns() {
        for good in ["invoice.paid", "a", "*", "invoice.*", "invo*"] {
            assert!(is_event_pattern(good), "{good}");
        }
        for bad in ["", "a..b", ".a", "a.", "*.a", "a.*.b", "A", "a b", "..*"] {
            assert!(!is_event_pattern(bad), "{bad}");
        }
        assert!(!is_event_name("invoice.*"));
    }

    #[test]
    fn headers_with_credentials() {
        for name in
            ["Authorization", "Proxy-Authorization", "Cookie", "X-Hub-Signature", "X-Shopify-Hmac-Sha256"]
        {
            assert!(is_proof_header(name) && is_credential_header(name), "{name}");
        }
        for name in ["X-Gitlab-Token", "X-API-Key", "x-auth", "X-Sign", "X-Amz-Security-Token", "Access-Key"]
        {
            assert!(!is_proof_header(name) && is_credential_header(name), "{name}");
        }
        for name in
            ["x-github-event", "webhook-id", "content-type", "user-agent", "x-author", "idempotency-key"]
        {
            assert!(!is_credential_header(name), "{name}");
        }
    }

    #[test]
    fn variables_and_headers() {
        assert!(is_variable("STRIPE_KEY") && is_variable("_a1"));
        assert!(!is_variable("A-B") && !is_variable("1A") && !is_variable(""));
        assert!(is_header_name("X-Hub-Signature-256"));
        assert!(!is_header_name("a b") && !is_header_name("a:b") && !is_header_name("a\r\n"));
    }
}
