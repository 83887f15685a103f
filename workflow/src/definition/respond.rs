//! What a webhook's sender is answered, and when.

use serde_json::Value;

use crate::context::Context;
use crate::expression::{ExpressionError, ValueTemplate};

/// When and how a webhook's sender is answered.
#[derive(Debug, Default)]
pub struct Respond {
    /// When.
    pub mode: RespondMode,
    /// How long a result is waited for, in milliseconds; the daemon has a limit of its own.
    pub timeout_ms: Option<u64>,
    /// The status; the daemon's usual one if absent.
    pub status: Option<ValueTemplate>,
    /// The body; the daemon's usual one if absent.
    pub body: Option<ValueTemplate>,
    /// What the body is; by its type if absent.
    pub content_type: Option<String>,
}

/// When a webhook's sender is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RespondMode {
    /// When the event is on disk.
    #[default]
    Ack,
    /// When the run has ended, or it took too long.
    Result,
}

/// An answer over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// From 200 to 599.
    pub status: u16,
    /// What the body is.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: "application/json".to_owned(), body: body.to_string() }
    }
}

impl Respond {
    /// Whether the trigger says anything about the answer itself.
    pub const fn is_usual(&self) -> bool {
        self.status.is_none() && self.body.is_none()
    }

    /// The answer, where the trigger says nothing the usual one.
    pub fn reply(&self, usual: Reply, values: &Context<'_>) -> Result<Reply, ExpressionError> {
        let mut reply = usual;
        if let Some(status) = &self.status {
            let value = status.value(values)?;
            reply.status = status_of(&value).ok_or_else(|| {
                let shown: String = value.to_string().chars().take(40).collect();
                ExpressionError::plain(format!("respond.status must be from 200 to 599, not {shown}"))
            })?;
        }
        if let Some(body) = &self.body {
            (reply.content_type, reply.body) = match body.value(values)? {
                Value::String(text) => ("text/plain; charset=utf-8".to_owned(), text),
                Value::Null => ("text/plain; charset=utf-8".to_owned(), String::new()),
                value => ("application/json".to_owned(), value.to_string()),
            };
        }
        if let Some(content_type) = &self.content_type {
            reply.content_type.clone_from(content_type);
        }
        Ok(reply)
    }
}

/// A status that may be answered, as a number or in digits.
pub(crate) fn status_of(value: &Value) -> Option<u16> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.and_then(|number| u16::try_from(number).ok()).filter(|status| (200..600).contains(status))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Format, check};

    fn reply(respond: &str, event: &Value) -> Result<Reply, ExpressionError> {
        let text = format!(
            "name: w\non:\n  webhook:\n    path: a\n    verify: {{ scheme: none }}\n    respond: {respond}\nsteps: [{{ run: echo }}]\n"
        );
        let checked = check("w.yaml", &text, Format::Yaml);
        let workflow = checked.workflow.unwrap_or_else(|| unreachable!("{:?}", checked.findings));
        let values = Context { event, ..Context::default() };
        workflow.triggers.webhooks[0].respond.reply(Reply::json(202, &json!({ "usual": true })), &values)
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let event = json!({ "body": { "code": 404, "text": "no" } });
        let usual = Reply::json(202, &json!({ "usual": true }));
        assert_eq!(reply("ack", &event), Ok(usual.clone()));
        assert_eq!(reply("{ mode: ack, status: 204 }", &event), Ok(Reply { status: 204, ..usual }));
        let text = |status, body: &str| Reply {
            status,
            content_type: "text/plain; charset=utf-8".to_owned(),
            body: body.to_owned(),
        };
        let made = reply(
            "{ mode: ack, status: \"${{ event.body.code }}\", body: \"${{ event.body.text }}!\" }",
            &event,
        );
        assert_eq!(made, Ok(text(404, "no!")));
        assert_eq!(reply("{ mode: ack, body: \"\" }", &event), Ok(text(202, "")));
        let made = reply("{ mode: ack, body: { said: \"${{ event.body }}\" } }", &event);
        assert_eq!(made, Ok(Reply::json(202, &json!({ "said": { "code": 404, "text": "no" } }))));
        let made = reply("{ mode: ack, body: <ok/>, content-type: application/xml }", &event);
        assert_eq!(made.map(|reply| reply.content_type), Ok("application/xml".to_owned()));
    }

    #[test]
    fn a_status_that_is_none_is_an_error() {
        for code in [json!(99), json!(600), json!("ok"), json!(null), json!(-1), json!(200.5)] {
            let event = json!({ "body": code });
            assert!(reply("{ mode: ack, status: \"${{ event.body }}\" }", &event).is_err(), "{code}");
        }
        assert_eq!((status_of(&json!(200)), status_of(&json!("599"))), (Some(200), Some(599)));
    }
}
