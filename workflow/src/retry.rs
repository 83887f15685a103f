//! Whether a failed attempt is followed by another, and after how long.
//!
//! Pure: the caller brings the attempt's number, the kind of failure, the server's wish and a random number.
//! No clock, no generator. The delay never exceeds the larger of the policy's `max-delay` and
//! [`limits::MAX_RETRY_AFTER_MS`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The step's time limit passed.
    Timeout,
    /// The HTTP answer had a status that `expect` does not accept.
    Http(u16),
    /// The command ended with a code other than 0.
    Exit(i32),
    /// No connection, or the connection broke before the answer was whole.
    Connect,
    /// The daemon or the runner ended while the attempt was under way.
    Interrupted,
    /// Trying again cannot help: refused by egress, a missing secret, a failed expression, a bad filter.
    Permanent,
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("timeout"),
            Self::Http(status) => write!(f, "http:{status}"),
            Self::Exit(code) => write!(f, "exit:{code}"),
            Self::Connect => f.write_str("connect"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Permanent => f.write_str("permanent"),
        }
    }
}

/// A kind of failure that a policy tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryOn {
    /// `timeout`
    Timeout,
    /// `connect`
    Connect,
    /// `http:429`: this status.
    Http(u16),
    /// `http:5xx`: the statuses of this hundred.
    HttpClass(u8),
    /// `exit:75`: this exit code.
    Exit(i32),
    /// `exit`: any exit code other than 0.
    AnyExit,
    /// `any`: everything but the permanent failures.
    Any,
}

impl RetryOn {
    /// Reads the word of the language; `None` if it is none.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "timeout" => return Some(Self::Timeout),
            "connect" => return Some(Self::Connect),
            "exit" => return Some(Self::AnyExit),
            "any" => return Some(Self::Any),
            _ => {}
        }
        if let Some(code) = word.strip_prefix("exit:") {
            return code.parse().ok().filter(|code| (1..=255).contains(code)).map(Self::Exit);
        }
        let status = word.strip_prefix("http:")?;
        if let Some(hundred) = status.strip_suffix("xx") {
            return hundred.parse().ok().filter(|hundred| (3..=5).contains(hundred)).map(Self::HttpClass);
        }
        let known = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
        status.parse().ok().filter(|status| known && (100..=599).contains(status)).map(Self::Http)
    }

    /// Whether the policy entry speaks of the failure.
    pub fn covers(self, failure: FailureClass) -> bool {
        match (self, failure) {
            (_, FailureClass::Permanent) => false,
            (Self::Any, _)
            | (Self::Timeout, FailureClass::Timeout)
            | (Self::Connect, FailureClass::Connect)
            | (Self::AnyExit, FailureClass::Exit(_)) => true,
            (Self::Http(status), FailureClass::Http(got)) => status == got,
            (Self::HttpClass(hundred), FailureClass::Http(got)) => u16::from(hundred) == got / 100,
            (Self::Exit(code), FailureClass::Exit(got)) => code == got,
            (
                Self::Timeout
                | Self::Connect
                | Self::Http(_)
                | Self::HttpClass(_)
                | Self::Exit(_)
                | Self::AnyExit,
                _,
            ) => false,
        }
    }
}

/// How the delay grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backoff {
    /// Always `delay`.
    Constant,
    /// `delay`, doubled with every attempt, at most `max-delay`.
    Exponential,
}

/// When a step is tried again. Without a `retry:` a step has one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// All attempts, the first included.
    pub attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The delay before the second attempt, in milliseconds.
    pub delay_ms: u64,
    /// The longest delay the policy itself chooses, in milliseconds.
    pub max_delay_ms: u64,
    /// Whether the delay is spread at random over its upper half, so that many runs do not return at once.
    pub jitter: bool,
    /// Which failures are tried again.
    pub on: Vec<RetryOn>,
}

impl RetryPolicy {
    /// What holds for a step without `retry:`: one attempt.
    pub fn none() -> Self {
        Self { attempts: 1, ..Self::usual() }
    }

    /// What holds for the keys that a `retry:` leaves out.
    pub fn usual() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::Exponential,
            delay_ms: 2_000,
            max_delay_ms: 120_000,
            jitter: true,
            on: vec![
                RetryOn::Timeout,
                RetryOn::Connect,
                RetryOn::Http(429),
                RetryOn::HttpClass(5),
                RetryOn::Exit(75),
            ],
        }
    }
}

/// How long to wait before the next attempt, in milliseconds; `None` if there is none.
///
/// `attempt` is the number of the attempt that failed, from 1. `retry_after_ms` is what the server asked for;
/// it is honoured where it is longer, up to a limit. `random` is in `0..1`. An interruption is not the step's
/// fault: it is tried again whatever the policy covers, up to [`limits::MAX_INTERRUPTED_ATTEMPTS`] or the
/// policy's own number, if that is larger.
pub fn next_delay_ms(
    policy: &RetryPolicy,
    attempt: u32,
    failure: &FailureClass,
    retry_after_ms: Option<u64>,
    random: f64,
) -> Option<u64> {
    let interrupted = *failure == FailureClass::Interrupted;
    let granted =
        if interrupted { policy.attempts.max(limits::MAX_INTERRUPTED_ATTEMPTS) } else { policy.attempts };
    let covered = interrupted || policy.on.iter().any(|on| on.covers(*failure));
    if !covered || attempt >= granted {
        return None;
    }
    let full = match policy.backoff {
        Backoff::Constant => policy.delay_ms,
        Backoff::Exponential => {
            let doublings = attempt.saturating_sub(1).min(63);
            policy.delay_ms.saturating_mul(1_u64 << doublings)
        }
    }
    .min(policy.max_delay_ms);
    let chosen = if policy.jitter {
        let half = full / 2;
        let spread = (full - half) as f64 * random.clamp(0.0, 1.0);
        half + spread as u64
    } else {
        full
    };
    let asked = retry_after_ms.unwrap_or_default().min(limits::MAX_RETRY_AFTER_MS);
    Some(chosen.max(asked))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(attempts: u32) -> RetryPolicy {
        RetryPolicy { attempts, jitter: false, ..RetryPolicy::usual() }
    }

    #[test]
    fn words_are_read_and_others_refused() {
        assert_eq!(RetryOn::parse("http:5xx"), Some(RetryOn::HttpClass(5)));
        assert_eq!(RetryOn::parse("http:429"), Some(RetryOn::Http(429)));
        assert_eq!(RetryOn::parse("exit:75"), Some(RetryOn::Exit(75)));
        assert_eq!(RetryOn::parse("any"), Some(RetryOn::Any));
        for bad in
            ["", "http:", "http:9", "http:2xx", "http:+29", "http:600", "exit:0", "exit:256", "5xx", "Any"]
        {
            assert_eq!(RetryOn::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn exponential_doubles_up_to_the_cap() {
        let delays: Vec<_> = (1..9)
            .map(|attempt| next_delay_ms(&plain(9), attempt, &FailureClass::Http(503), None, 0.0))
            .map(Option::unwrap_or_default)
            .collect();
        assert_eq!(delays, [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 120_000, 120_000]);
        assert_eq!(next_delay_ms(&plain(9), 9, &FailureClass::Http(503), None, 0.0), None);
    }

    #[test]
    fn only_what_is_covered_is_tried_again() {
        for (failure, again) in [
            (FailureClass::Http(429), true),
            (FailureClass::Http(404), false),
            (FailureClass::Exit(75), true),
            (FailureClass::Exit(1), false),
            (FailureClass::Timeout, true),
            (FailureClass::Connect, true),
            (FailureClass::Permanent, false),
        ] {
            assert_eq!(next_delay_ms(&plain(2), 1, &failure, None, 0.5).is_some(), again, "{failure}");
        }
        let any = RetryPolicy { on: vec![RetryOn::Any], ..plain(2) };
        assert_eq!(next_delay_ms(&any, 1, &FailureClass::Permanent, None, 0.5), None);
    }

    #[test]
    fn an_interruption_is_tried_again_without_a_policy_but_not_for_ever() {
        let none = RetryPolicy::none();
        assert!(next_delay_ms(&none, 1, &FailureClass::Interrupted, None, 0.5).is_some());
        let last = limits::MAX_INTERRUPTED_ATTEMPTS;
        assert_eq!(next_delay_ms(&none, last, &FailureClass::Interrupted, None, 0.5), None);
    }

    proptest! {
        #[test]
        fn delays_stay_in_bounds(
            attempts in 1_u32..200,
            attempt in 0_u32..300,
            delay_ms in 0_u64..100_000_000,
            max_delay_ms in 0_u64..100_000_000,
            jitter: bool,
            constant: bool,
            after in proptest::option::of(0_u64..u64::MAX),
            random in 0.0_f64..1.0,
        ) {
            let backoff = if constant { Backoff::Constant } else { Backoff::Exponential };
            let policy = RetryPolicy { attempts, backoff, delay_ms, max_delay_ms, jitter, on: vec![RetryOn::Any] };
            let delay = next_delay_ms(&policy, attempt, &FailureClass::Timeout, after, random);
            prop_assert_eq!(delay.is_some(), attempt < attempts);
            if let Some(delay) = delay {
                prop_assert!(delay <= max_delay_ms.max(limits::MAX_RETRY_AFTER_MS));
                prop_assert!(delay >= after.unwrap_or_default().min(limits::MAX_RETRY_AFTER_MS));
            }
        }
    }
}
