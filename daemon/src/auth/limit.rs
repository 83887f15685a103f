//! How often: limits per address, per tenant and per principal, with a bounded memory.
//!
//! The arithmetic is governor's GCRA. Its own keyed store grows with every key that anybody makes up, so the
//! store here has a cap: when it is full, keys that are as good as new are dropped, and keys that still find no
//! place share one bucket. **Invariant:** no number of spoofed addresses grows this room.
//! Must never happen here: a decision about who may do what.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{Quota, RateLimiter};
use tenantry_protocol::error::ErrorCode;

use crate::clock::{Clock, Moment};
use crate::config::Rate;
use crate::error::Error;

/// How often a full store is searched for keys that can be dropped.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// An address as a key: a v4 address alone, a v6 address by its /64, which one customer owns whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IpKey {
    /// A v4 address.
    V4(u32),
    /// The upper half of a v6 address.
    V6(u64),
}

impl From<IpAddr> for IpKey {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

/// A limit of one kind of key.
pub struct Limiter<K: Hash + Eq + Clone> {
    inner: RateLimiter<K, BoundedStore<K>, Ticks, StateInformationMiddleware>,
    clock: Clock,
    key_limit: usize,
    swept: Mutex<Option<Moment>>,
    rate: Rate,
}

/// What the fields of an answer say (RateLimit and RateLimit-Policy of draft-ietf-httpapi-ratelimit-headers).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many may come at once.
    pub limit: u32,
    /// How many may still come at once.
    pub remaining: u32,
    /// Seconds until one more may come after `remaining` is used up; at least 1.
    pub reset_s: u64,
}

/// Too many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// How many may come at once.
    pub limit: u32,
    /// Seconds until the next one may come; at least 1.
    pub retry_after_s: u64,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// A limiter that remembers at most `key_limit` keys.
    pub fn new(rate: Rate, key_limit: usize, clock: &Clock) -> Self {
        let store = BoundedStore::new(key_limit);
        let inner = RateLimiter::new(quota(rate), store, Ticks::of(clock));
        Self { inner, clock: clock.clone(), key_limit, swept: Mutex::new(None), rate }
    }

    /// Counts one request of the key.
    pub fn check(&self, key: &K) -> Result<Standing, Limited> {
        if self.inner.len() >= self.key_limit {
            self.sweep();
        }
        let limit = self.rate.burst;
        let one = quota(self.rate).replenish_interval();
        match self.inner.check_key(key) {
            Ok(state) => {
                Ok(Standing { limit, remaining: state.remaining_burst_capacity(), reset_s: seconds_up(one) })
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(governor::clock::Clock::now(self.inner.clock()));
                Err(Limited { limit, retry_after_s: seconds_up(wait) })
            }
        }
    }

    /// Drops the keys that are as good as new, at most once an interval.
    pub fn sweep(&self) {
        let now = self.clock.instant();
        let mut swept = lock(&self.swept);
        if swept.is_none_or(|last| now.since(last) >= SWEEP_INTERVAL) {
            *swept = Some(now);
            drop(swept);
            self.inner.retain_recent();
            self.inner.shrink_to_fit();
        }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }
}

impl From<Limited> for Error {
    fn from(limited: Limited) -> Self {
        Self::from(ErrorCode::RateLimited).with_retry_after(limited.retry_after_s)
    }
}

impl fmt::Display for Standing {
    /// The value of the RateLimit field; the policy's name is added by the door.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r={};t={}", self.remaining, self.reset_s)
    }
}

/// The daemon's clock in governor's words.
struct Ticks {
    clock: Clock,
    start: Moment,
}

impl Ticks {
    fn of(clock: &Clock) -> Self {
        Self { clock: clock.clone(), start: clock.instant() }
    }
}

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.clock.elapsed(self.start)
    }
}

/// State by key, at most `key_limit` keys; the keys beyond share one state.
struct BoundedStore<K> {
    key_limit: usize,
    shared: Mutex<Shared<K>>,
}

struct Shared<K> {
    by_key: HashMap<K, Nanos>,
    overflow: Option<Nanos>,
}

impl<K> BoundedStore<K> {
    fn new(key_limit: usize) -> Self {
        Self { key_limit, shared: Mutex::new(Shared { by_key: HashMap::new(), overflow: None }) }
    }
}

impl<K: Hash + Eq + Clone> StateStore for BoundedStore<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shared = lock(&self.shared);
        if let Some(state) = shared.by_key.get_mut(key) {
            let (output, next) = f(Some(*state))?;
            *state = next;
            return Ok(output);
        }
        if shared.by_key.len() < self.key_limit {
            let (output, next) = f(None)?;
            shared.by_key.insert(key.clone(), next);
            return Ok(output);
        }
        let (output, next) = f(shared.overflow)?;
        shared.overflow = Some(next);
        Ok(output)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for BoundedStore<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        lock(&self.shared).by_key.retain(|_, state| *state > drop_below);
    }

    fn shrink_to_fit(&self) {
        lock(&self.shared).by_key.shrink_to_fit();
    }

    fn len(&self) -> usize {
        lock(&self.shared).by_key.len()
    }

    fn is_empty(&self) -> bool {
        lock(&self.shared).by_key.is_empty()
    }
}

/// A configured rate is never zero; if it were, the answer is the narrowest limit and not none.
fn quota(rate: Rate) -> Quota {
    let interval = rate.per / rate.count.max(1);
    let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(interval).unwrap_or(Quota::per_hour(NonZeroU32::MIN)).allow_burst(burst)
}

fn seconds_up(span: Duration) -> u64 {
    (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1)
}

/// A panic while one of these locks was held cannot leave them half changed, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { count: 2, per: Duration::from_secs(1), burst: 4 };

    fn passed(limiter: &Limiter<u32>, key: u32, tries: u32) -> u32 {
        (0..tries).map(|_| u32::from(limiter.check(&key).is_ok())).sum()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let clock = Clock::manual(0);
        let limiter = Limiter::new(RATE, 100, &clock);
        assert_eq!(limiter.check(&1), Ok(Standing { limit: 4, remaining: 3, reset_s: 1 }));
        assert_eq!(passed(&limiter, 1, 10), 3);
        clock.advance(1_000);
        assert_eq!(passed(&limiter, 1, 10), 2);
        assert_eq!(passed(&limiter, 2, 10), 4, "another key is not touched");
    }

    #[test]
    fn a_refusal_says_when_to_come_again_and_means_it() {
        let clock = Clock::manual(0);
        let slow = Rate { count: 1, per: Duration::from_mins(1), burst: 1 };
        let limiter = Limiter::new(slow, 100, &clock);
        assert_eq!(passed(&limiter, 1, 1), 1);
        clock.advance(500);
        let limited = limiter.check(&1).expect_err("the burst is used up");
        assert_eq!(limited, Limited { limit: 1, retry_after_s: 60 });
        clock.advance(limited.retry_after_s * 1_000);
        assert_eq!(passed(&limiter, 1, 1), 1);
        let error = Error::from(limited);
        assert_eq!((error.code(), error.retry_after_s()), (ErrorCode::RateLimited, Some(60)));
    }

    #[test]
    fn made_up_keys_do_not_grow_the_store_and_do_not_lock_out_those_within() {
        let clock = Clock::manual(0);
        let limiter = Limiter::new(RATE, 100, &clock);
        assert_eq!(passed(&limiter, 0, 1), 1);
        let passed_of_strangers: u32 = (1..10_000).map(|key| passed(&limiter, key, 1)).sum();
        assert_eq!(limiter.len(), 100);
        assert_eq!(passed_of_strangers, 99 + RATE.burst, "the rest shares one bucket");
        assert_eq!(passed(&limiter, 0, 10), 3, "a key with a place keeps its own bucket");
    }

    #[test]
    fn keys_that_are_as_good_as_new_make_room() {
        let clock = Clock::manual(0);
        let limiter = Limiter::new(RATE, 100, &clock);
        for key in 0..200 {
            assert_eq!(limiter.len().min(99), (key as usize).min(99));
            passed(&limiter, key, 1);
        }
        clock.advance(60_000);
        assert_eq!(passed(&limiter, 1_000, 1), 1);
        assert_eq!(limiter.len(), 1);
        clock.advance(60_000);
        limiter.sweep();
        assert!(limiter.is_empty());
    }

    proptest! {
        /// Whatever the pattern of requests: no more than the burst and the rate allow, and a refusal is never longer
        /// than it has to be.
        #[test]
        fn no_pattern_beats_the_rate(pauses in prop::collection::vec(0_u64..2_000, 1..200), count in 1_u32..20, burst in 1_u32..20) {
            let clock = Clock::manual(0);
            let rate = Rate { count, per: Duration::from_secs(1), burst };
            let limiter = Limiter::new(rate, 10, &clock);
            let (mut elapsed_ms, mut passed) = (0, 0);
            for pause in pauses {
                clock.advance(pause);
                elapsed_ms += pause;
                match limiter.check(&1) {
                    Ok(standing) => {
                        passed += 1;
                        prop_assert!(standing.remaining < burst);
                    }
                    Err(limited) => prop_assert!(limited.retry_after_s == 1, "one is due within a second"),
                }
                let allowed = u64::from(burst) + elapsed_ms * u64::from(count) / 1_000;
                prop_assert!(passed <= allowed, "{} of {}", passed, allowed);
            }
            clock.advance(1_000);
            prop_assert!(limiter.check(&1).is_ok(), "after a second one more passes");
        }
    }

    #[test]
    fn v6_customers_count_as_one_and_mapped_v4_as_v4() {
        let key = |text: &str| IpKey::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
    }
}
