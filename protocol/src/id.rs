//! Prefixed UUIDv7 identifiers. The prefix says what an id names; the time in it makes ids sort by age.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form {prefix}_ and 32 lower-case hexadecimal digits")]
pub struct IdError {
    /// The prefix that was expected, without the underscore.
    pub prefix: &'static str,
}

macro_rules! id {
    ($($(#[$meta:meta])* $name:ident = $prefix:literal;)+) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id. `unix_ms` is the time that goes into it, so that ids sort by age.
            pub fn new(unix_ms: i64) -> Self {
                let ms = u64::try_from(unix_ms).unwrap_or_default();
                Self(uuid::Builder::from_unix_timestamp_millis(ms, &tail()).into_uuid())
            }

            /// The lowest id of a time: a bound between ids that are older and ids that are not. Names nothing.
            pub fn lowest(unix_ms: i64) -> Self {
                let ms = u64::try_from(unix_ms).unwrap_or_default();
                Self(uuid::Builder::from_unix_timestamp_millis(ms, &[0; 10]).into_uuid())
            }

            /// The time that went into it; unix milliseconds.
            pub fn unix_ms(&self) -> i64 {
                let [a, b, c, d, e, f, ..] = *self.as_bytes();
                i64::from_be_bytes([0, 0, a, b, c, d, e, f])
            }

            /// The 16 bytes as they are stored.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From the 16 stored bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = Uuid::encode_buffer();
                write!(f, concat!($prefix, "_{}"), self.0.simple().encode_lower(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix).map(Self).ok_or(IdError { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": "string", "pattern": concat!("^", $prefix, "_[0-9a-f]{32}$") })
            }
        }
    )+ };
}

/// The 74 bits of an id that are not its time. Ids must be unique, not secret, and a busy daemon makes a hundred
/// thousand a second: each thread draws a random start from the operating system once and then mixes a counter into
/// it (SplitMix64; Steele, Lea and Flood, 2014).
fn tail() -> [u8; 10] {
    thread_local! {
        static STATE: Cell<Option<(u64, u64)>> = const { Cell::new(None) };
    }
    // The lower half of a UUIDv7 is 62 random bits.
    let seed = || Uuid::now_v7().as_u64_pair().1;
    let (high, low) = STATE.get().unwrap_or_else(|| (seed(), seed()));
    let low = low.wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(Some((high, low)));
    let mix = |mut word: u64| {
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    let mut bytes = [0; 10];
    let (first, second) = bytes.split_at_mut(8);
    first.copy_from_slice(&mix(low ^ high).to_le_bytes());
    second.copy_from_slice(&mix(low.wrapping_add(high)).to_le_bytes()[..2]);
    bytes
}

fn parse(text: &str, prefix: &str) -> Option<Uuid> {
    let digits = text.strip_prefix(prefix)?.strip_prefix('_')?;
    let well_formed = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if well_formed { Uuid::try_parse(digits).ok() } else { None }
}

id! {
    /// A tenant: the isolation unit, one SQLite file.
    TenantId = "ten";
    /// A workflow of a tenant.
    WorkflowId = "wfl";
    /// One recorded occurrence reported by a trigger.
    EventId = "evt";
    /// One execution of a revision.
    RunId = "run";
    /// One row of a stage's queue.
    JobId = "job";
    /// The fence of one claim on a job.
    LeaseToken = "lea";
    /// Who acts.
    PrincipalId = "pri";
    /// What proves who acts: an API key.
    CredentialId = "key";
    /// One login; its tokens are revoked together.
    SessionId = "ses";
    /// A place where notifications go.
    ChannelId = "chn";
    /// One message to one channel.
    NotificationId = "ntf";
    /// Joins response, telemetry and audit record of one request.
    RequestId = "req";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips(bytes in any::<[u8; 16]>()) {
            let id = RunId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        }

        #[test]
        fn anything_else_is_refused(text in "\\PC{0,60}") {
            if let Ok(id) = text.parse::<TenantId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_foreign_prefix_and_upper_case_are_refused() {
        let id = RunId::new(1);
        assert!(id.to_string().parse::<TenantId>().is_err());
        assert!(id.to_string().to_uppercase().parse::<RunId>().is_err());
        assert!("run_..".parse::<RunId>().is_err());
    }

    #[test]
    fn ids_of_one_moment_differ_within_and_between_threads() {
        let make = || (0..10_000).map(|_| JobId::new(1)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
        let mut all: Vec<_> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!((count, all.len()), (40_000, 40_000));
    }

    #[test]
    fn later_ids_sort_after_earlier_ones() {
        assert!(RunId::new(1_000) < RunId::new(2_000));
    }
}
