//! JSON with expressions in its strings, as in `json:` and `data:`. Constant branches are serialised once.

use serde_json::{Map, Value};

use super::template::within_limit;
use super::{Expression, ExpressionError, Found, Scope, Template};
use crate::context::Context;

/// A JSON value of the language. A string that is exactly one `${{ }}` becomes that value with its type.
#[derive(Debug)]
pub struct ValueTemplate(Form);

#[derive(Debug)]
enum Form {
    Constant { value: Value, json: Box<str> },
    Template(Template),
    List(Box<[ValueTemplate]>),
    Object(Box<[Field]>),
}

#[derive(Debug)]
struct Field {
    key: Box<str>,
    /// The key as JSON text.
    json: Box<str>,
    value: ValueTemplate,
}

impl ValueTemplate {
    pub(crate) fn constant(value: Value) -> Self {
        let json = value.to_string().into();
        Self(Form::Constant { value, json })
    }

    pub(crate) fn template(template: Template) -> Self {
        match template.as_constant() {
            Some(text) => Self::constant(Value::String(text)),
            None => Self(Form::Template(template)),
        }
    }

    /// A list; constant if all its items are.
    pub(crate) fn list(items: Vec<Self>) -> Self {
        match items.iter().map(Self::as_constant).collect::<Option<Vec<_>>>() {
            Some(values) => Self::constant(values.into_iter().cloned().collect()),
            None => Self(Form::List(items.into())),
        }
    }

    /// An object; constant if all its values are.
    pub(crate) fn object(fields: Vec<(String, Self)>) -> Self {
        let constant: Option<Map<_, _>> = fields
            .iter()
            .map(|(key, value)| value.as_constant().map(|value| (key.clone(), value.clone())))
            .collect();
        match constant {
            Some(fields) => Self::constant(Value::Object(fields)),
            None => Self(Form::Object(
                fields
                    .into_iter()
                    .map(|(key, value)| {
                        let json = Value::String(key.clone()).to_string();
                        Field { key: key.into(), json: json.into(), value }
                    })
                    .collect(),
            )),
        }
    }

    const fn as_constant(&self) -> Option<&Value> {
        match &self.0 {
            Form::Constant { value, .. } => Some(value),
            Form::Template(_) | Form::List(_) | Form::Object(_) => None,
        }
    }

    /// Every expression in it.
    pub(crate) fn expressions(&self) -> Vec<&Expression> {
        match &self.0 {
            Form::Constant { .. } => Vec::new(),
            Form::Template(template) => template.expressions().collect(),
            Form::List(items) => items.iter().flat_map(Self::expressions).collect(),
            Form::Object(fields) => fields.iter().flat_map(|field| field.value.expressions()).collect(),
        }
    }

    /// The value with its expressions filled in.
    pub fn value(&self, context: &Context<'_>) -> Result<Value, ExpressionError> {
        self.value_in(&Scope::of(context))
    }

    pub(crate) fn value_in(&self, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        match &self.0 {
            Form::Constant { value, .. } => Ok(value.clone()),
            Form::Template(template) => template.value_in(scope),
            Form::List(items) => items.iter().map(|item| item.value_in(scope)).collect(),
            Form::Object(fields) => {
                fields.iter().map(|field| Ok((field.key.to_string(), field.value.value_in(scope)?))).collect()
            }
        }
    }

    /// The JSON text of the value, without building the value where that can be avoided.
    pub(crate) fn write_json(&self, scope: &Scope<'_>, out: &mut String) -> Result<(), ExpressionError> {
        match &self.0 {
            Form::Constant { json, .. } => out.push_str(json),
            Form::Template(template) => write_template(template, scope, out)?,
            Form::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(scope, out)?;
                }
                out.push(']');
            }
            Form::Object(fields) => {
                out.push('{');
                for (index, field) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&field.json);
                    out.push(':');
                    field.value.write_json(scope, out)?;
                }
                out.push('}');
            }
        }
        within_limit(out)
    }
}

fn write_template(template: &Template, scope: &Scope<'_>, out: &mut String) -> Result<(), ExpressionError> {
    let failed = |error: serde_json::Error| ExpressionError::plain(error.to_string());
    if let Some(path) = template.as_expression().and_then(Expression::as_path)
        && let Found::Value(value) = path.resolve(scope)
    {
        return write_json(value, out).map_err(failed);
    }
    write_json(&template.value_in(scope)?, out).map_err(failed)
}

/// Appends the JSON text of a value.
pub(crate) fn write_json(value: &Value, out: &mut String) -> Result<(), serde_json::Error> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        other => out.push_str(&serde_json::to_string(other)?),
    }
    Ok(())
}
