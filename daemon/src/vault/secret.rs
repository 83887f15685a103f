//! A secret's value in memory, and which values may become secrets.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use tenantry_protocol::error::ErrorCode;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Shorter values occur by chance in harmless text, so redaction would either miss them or spoil outputs.
pub const VALUE_MIN: usize = 8;
/// The longest value, in bytes: enough for a chain of certificates.
pub const VALUE_MAX: usize = 16 * 1024;
/// What the values of one tenant may have together, in bytes. Redaction holds some forty times as much in memory.
pub const TOTAL_MAX: usize = 64 * 1024;

/// A secret's value. It prints nowhere and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue {
    bytes: Zeroizing<Vec<u8>>,
}

impl SecretValue {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: Zeroizing::new(bytes) }
    }

    /// The bytes, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// The value as text; `None` where it is none.
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// Refuses values that could not be redacted from outputs, or that are no text.
pub fn check_secret_value(value: &SecretValue) -> Result<()> {
    let text = value.expose_text().ok_or_else(|| refused("a secret's value must be text in UTF-8"))?;
    if text.trim().len() < VALUE_MIN {
        return Err(refused(format!(
            "a secret's value must have at least {VALUE_MIN} bytes without the spaces around"
        ))
        .with_hint(
            "shorter values cannot be redacted from outputs; if it is not secret, write it into `env:`",
        ));
    }
    if text.len() > VALUE_MAX {
        return Err(refused(format!("a secret's value must have at most {VALUE_MAX} bytes")));
    }
    if text.contains('\0') {
        return Err(refused("a secret's value must not contain a zero byte"));
    }
    Ok(())
}

/// Refuses a value that makes a tenant's values too many to search for; `others` is the size of all others.
pub fn check_total(others: usize, value: &SecretValue) -> Result<()> {
    if others.saturating_add(value.expose().len()) > TOTAL_MAX {
        return Err(refused(format!("the secrets of a tenant may have at most {TOTAL_MAX} bytes together")));
    }
    Ok(())
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadRequest, detail)
}

/// Keeps the memory of this process out of core dumps and away from debuggers of the same user.
pub fn forbid_dumps() -> Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .map_err(|error| Error::internal("forbid core dumps").with_source(error))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| Error::internal("make the process undumpable").with_source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Option<ErrorCode> {
        check_secret_value(&SecretValue::new(text.as_bytes().to_vec())).err().map(|error| error.code())
    }

    #[test]
    fn values_that_cannot_be_redacted_are_refused() {
        assert_eq!(check("12345678"), None);
        assert_eq!(check(&"x".repeat(VALUE_MAX)), None);
        for bad in ["", "1234567", "   1234567   ", "1234567\0", &"x".repeat(VALUE_MAX + 1)] {
            assert_eq!(check(bad), Some(ErrorCode::BadRequest), "{bad:.20}");
        }
        let bytes = SecretValue::new(vec![0xff; 20]);
        assert!(check_secret_value(&bytes).is_err());
    }

    #[test]
    fn a_tenant_has_room_for_so_many_bytes() {
        let value = SecretValue::new(vec![b'x'; 1_000]);
        assert!(check_total(TOTAL_MAX - 1_000, &value).is_ok());
        assert!(check_total(TOTAL_MAX - 999, &value).is_err());
        assert!(check_total(usize::MAX, &value).is_err());
    }

    #[test]
    fn a_refusal_does_not_repeat_the_value() {
        let error = check_secret_value(&SecretValue::new(b"hunter2".to_vec())).expect_err("it is short");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
