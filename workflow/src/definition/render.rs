//! Templates into calls. Values from outside are kept in the place they were written for.
//!
//! A value inside of a URL's path or query is percent-encoded, so it cannot climb out of its segment; inside
//! of the host it may hold nothing but host characters. Header values may not hold line breaks.

use serde_json::{Value, json};

use crate::context::Context;
use crate::definition::{
    EmitAction, EmitCall, HttpAction, HttpBody, HttpCall, JqAction, JqCall, RunAction, RunCall,
};
use crate::expression::{Expression, ExpressionError, Part, Scope, Template};

pub(crate) fn http(action: &HttpAction, scope: &Scope<'_>) -> Result<HttpCall, ExpressionError> {
    let mut url = url(&action.url, scope)?;
    if !action.query.is_empty() {
        let fragment = url.find('#').map(|at| url.split_off(at));
        let mut joiner = if url.contains('?') { '&' } else { '?' };
        for (name, value) in &action.query {
            url.push(joiner);
            encode(name, &mut url);
            url.push('=');
            encode(&value.text_in(scope)?, &mut url);
            joiner = '&';
        }
        url.push_str(fragment.as_deref().unwrap_or_default());
    }
    let mut headers = Vec::with_capacity(action.headers.len() + 2);
    for (name, value) in &action.headers {
        headers.push((name.clone(), header_value(name, value.text_in(scope)?)?));
    }
    if let Some(bearer) = &action.bearer {
        let token = header_value("authorization", bearer.text_in(scope)?)?;
        headers.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    if let Some((name, password)) = &action.basic {
        headers.push(("authorization".to_owned(), basic(&name.text_in(scope)?, &password.text_in(scope)?)?));
    }
    let (kind, body) = body(&action.body, scope)?;
    if let Some(kind) = kind
        && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_owned(), kind.to_owned()));
    }
    Ok(HttpCall { method: action.method.clone(), url, headers, body, expect: action.expect.clone() })
}

/// The credentials of a user (RFC 7617 §2).
fn basic(name: &str, password: &str) -> Result<String, ExpressionError> {
    if name.contains(':') {
        return Err(ExpressionError::plain("the name of `basic` has a colon in it"));
    }
    let mut out = "Basic ".to_owned();
    base64(format!("{name}:{password}").as_bytes(), &mut out);
    Ok(out)
}

/// Base64 with padding (RFC 4648 §4).
fn base64(bytes: &[u8], out: &mut String) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
}

/// The content type that a body implies, and the body.
fn body(
    body: &HttpBody,
    scope: &Scope<'_>,
) -> Result<(Option<&'static str>, Option<String>), ExpressionError> {
    match body {
        HttpBody::Empty => Ok((None, None)),
        HttpBody::Text(text) => Ok((Some("text/plain; charset=utf-8"), Some(text.text_in(scope)?))),
        HttpBody::Json(value) => {
            let mut out = String::new();
            value.write_json(scope, &mut out)?;
            Ok((Some("application/json"), Some(out)))
        }
        HttpBody::Form(fields) => {
            let mut out = String::new();
            for (name, value) in fields {
                if !out.is_empty() {
                    out.push('&');
                }
                encode(name, &mut out);
                out.push('=');
                encode(&value.text_in(scope)?, &mut out);
            }
            Ok((Some("application/x-www-form-urlencoded"), Some(out)))
        }
    }
}

/// A URL. One that is exactly one expression is taken as it is.
fn url(template: &Template, scope: &Scope<'_>) -> Result<String, ExpressionError> {
    let mut out = String::with_capacity(128);
    if template.as_expression().is_some() {
        template.write(scope, &mut out)?;
    } else {
        for part in template.parts() {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expression(expression) => url_part(expression, scope, &mut out)?,
            }
        }
    }
    if out.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        return Err(ExpressionError::plain("the URL has a space or a control character in it"));
    }
    Ok(out)
}

fn url_part(expression: &Expression, scope: &Scope<'_>, out: &mut String) -> Result<(), ExpressionError> {
    let mut value = String::new();
    expression.write_text(scope, &mut value)?;
    if value.is_empty() {
        return Err(expression.failure("a part of the URL is empty or null".to_owned()));
    }
    if out.is_empty() {
        // The beginning of a URL is taken as it is, so a base can be configured.
        out.push_str(&value);
        return Ok(());
    }
    let authority = out.split_once("://").map(|(_, rest)| rest);
    let past_host = authority.is_some_and(|rest| rest.contains(['/', '?', '#']));
    if expression.secret().is_some() {
        out.push_str(&value);
    } else if past_host {
        if value.bytes().all(|byte| byte == b'.') {
            return Err(expression.failure("a part of the URL is only dots".to_owned()));
        }
        encode(&value, out);
    } else {
        let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if !value.bytes().all(host) {
            let message = "a part of the URL's host has characters that no host has; \
                           let one expression make the whole URL if this is meant";
            return Err(expression.failure(message.to_owned()));
        }
        out.push_str(&value);
    }
    Ok(())
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

fn header_value(name: &str, value: String) -> Result<String, ExpressionError> {
    if value.bytes().any(|byte| byte != b'\t' && byte.is_ascii_control()) {
        return Err(ExpressionError::plain(format!(
            "the value of header `{name}` has a control character in it"
        )));
    }
    Ok(value)
}

pub(crate) fn run(action: &RunAction, scope: &Scope<'_>) -> Result<RunCall, ExpressionError> {
    let mut env = Vec::with_capacity(action.env.len());
    for (name, value) in &action.env {
        let value = value.text_in(scope)?;
        if value.contains('\0') {
            return Err(ExpressionError::plain(format!("the value of env `{name}` has a NUL in it")));
        }
        env.push((name.clone(), value));
    }
    let stdin = action.stdin.as_ref().map(|stdin| stdin.text_in(scope)).transpose()?;
    Ok(RunCall { script: action.script.text_in(scope)?, shell: action.shell.clone(), env, stdin })
}

pub(crate) fn jq(action: &JqAction, scope: &Scope<'_>) -> Result<JqCall, ExpressionError> {
    let input = match &action.input {
        Some(input) => input.value_in(scope)?,
        None => whole(scope.context),
    };
    Ok(JqCall { filter: action.filter.clone(), input })
}

/// Everything an expression can read, except for the secrets.
fn whole(context: &Context<'_>) -> Value {
    json!({
        "event": context.event,
        "inputs": context.inputs,
        "steps": context.steps,
        "tenant": context.tenant,
        "workflow": context.workflow,
        "run": context.run,
        "item": context.item,
        "failed": context.failed,
    })
}

pub(crate) fn emit(action: &EmitAction, scope: &Scope<'_>) -> Result<EmitCall, ExpressionError> {
    Ok(EmitCall { name: action.name.clone(), data: action.data.value_in(scope)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{fb}\u{ff}", "w7vDvw=="),
        ] {
            let mut out = String::new();
            base64(plain.as_bytes(), &mut out);
            assert_eq!(out, coded);
        }
        assert_eq!(basic("Aladdin", "open sesame").unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(basic("a:b", "c").is_err());
    }

    #[test]
    fn percent_encoding_keeps_only_the_unreserved() {
        let mut out = String::new();
        encode("aZ0-._~ /?#%&=+é", &mut out);
        assert_eq!(out, "aZ0-._~%20%2F%3F%23%25%26%3D%2B%C3%A9");
    }
}
