//! Who acts and what proves it: logins, tokens, keys, secrets.
//!
//! **Invariant:** the text of a key is in an answer exactly once, when it is created; a secret's value never is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{CredentialId, PrincipalId, SessionId, TenantId};
use crate::permission::{Permission, Role};

/// How a caller proves who it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "with", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Login {
    /// The unix socket's peer credentials: the daemon's own user and root become host admin.
    Peer,
    /// An API key.
    Key {
        /// `tnk_…`
        key: String,
        /// Asks for less than the role gives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<Vec<Permission>>,
    },
    /// The refresh token of an earlier login; it is good for one use.
    Refresh {
        /// As it was answered.
        refresh_token: String,
    },
}

impl std::fmt::Debug for Login {
    /// Says the way only: a key never reaches a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Peer => "Login::Peer",
            Self::Key { .. } => "Login::Key",
            Self::Refresh { .. } => "Login::Refresh",
        })
    }
}

/// The answer to a login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct LoggedIn {
    /// Goes into `Authorization: Bearer …`.
    pub token: String,
    /// Seconds until it expires.
    pub expires_in_s: u64,
    /// Good for one use.
    pub refresh_token: String,
    /// Who the token speaks for.
    pub principal: Whoami,
}

/// Who a token speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Whoami {
    /// `host` for a login by peer credentials, else the principal's id.
    pub subject: String,
    /// The principal's name.
    pub name: String,
    /// Its role.
    pub role: Role,
    /// The tenant it is bound to; absent for host principals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// The tenant's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
    /// The session, to be revoked as a whole.
    pub session: SessionId,
    /// What the token may do.
    pub permissions: Vec<Permission>,
}

/// Creates a key, and a principal of the same name if there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeyCreate {
    /// Who or what will use it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Days until it expires; absent for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_days: Option<u32>,
}

/// The answer to [`KeyCreate`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyCreated {
    /// The key as lists show it.
    pub view: KeyView,
    /// Its text, shown this once.
    pub key: String,
}

/// A key without what it proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct KeyView {
    /// Its id.
    pub id: CredentialId,
    /// Who uses it.
    pub principal: PrincipalId,
    /// The principal's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<i64>,
    /// Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<i64>,
}

/// Writes a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SecretPut {
    /// At least 8 bytes, so that it can be redacted; at most 16 KiB.
    pub value: String,
}

impl std::fmt::Debug for SecretPut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretPut")
    }
}

/// A secret without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SecretView {
    /// Its name: `[A-Z][A-Z0-9_]*`.
    pub name: String,
    /// Counted up at each write.
    pub version: u32,
    /// Unix milliseconds.
    pub updated_at: i64,
    /// Who wrote it.
    pub updated_by: String,
}

/// Whether a text may name a secret: `[A-Z][A-Z0-9_]*`, at most 64.
pub fn is_secret_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes.len(), 1..=64)
        && bytes.first().is_some_and(u8::is_ascii_uppercase)
        && bytes.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_')
}
