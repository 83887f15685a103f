//! Variables as clients see them: a tenant's values that workflows read by name, and that are no secrets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Writes a variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct VariablePut {
    /// Any JSON; expressions keep its type.
    pub value: Value,
}

/// A variable as clients see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct VariableView {
    /// Its name: `vars.NAME` in expressions.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// Who wrote it.
    pub updated_by: String,
}

/// Whether a text may name a variable: a letter or `_`, then letters, digits and `_`, at most 63.
pub fn is_variable_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 1..=63)
        && bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}
