//! Tokens that were verified before. A signature costs 60 µs, a look here less than one.
//!
//! Only good signatures get in, times and revocations are checked on every use, and a rotation empties it. It is
//! bounded by emptying it when it is full, which costs a busy daemon a few signatures.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::Claims;

/// Tokens kept; each is below 4 KiB.
const LIMIT: usize = 1_024;

#[derive(Default)]
pub(super) struct Cache {
    inner: RwLock<Inner>,
}

#[derive(Default)]
struct Inner {
    generation: u64,
    claims: HashMap<String, Arc<Claims>>,
}

impl Cache {
    pub(super) fn get(&self, token: &str, generation: u64) -> Option<Arc<Claims>> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        (inner.generation == generation).then(|| inner.claims.get(token).cloned())?
    }

    pub(super) fn put(&self, token: &str, claims: Arc<Claims>, generation: u64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if inner.generation != generation || inner.claims.len() >= LIMIT {
            inner.claims.clear();
            inner.generation = generation;
        }
        inner.claims.insert(token.to_owned(), claims);
    }
}

#[cfg(test)]
impl Cache {
    pub(super) fn len(&self) -> usize {
        self.inner.read().unwrap_or_else(PoisonError::into_inner).claims.len()
    }
}
