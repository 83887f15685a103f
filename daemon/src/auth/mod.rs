//! Who may do what: tokens, keys, peer credentials, policy and rate limits.
//!
//! Everything here decides on values it is handed; files and rows belong to the store, routes to the doors.
//! **Invariant:** there is no second way to a decision: [`policy::decide`] is the one function that says yes.
//! Must never happen here: a secret in a `Debug` text or in an error.
//! Go next to [`policy`] for permissions, [`token`] for tokens, [`key`] for keys, [`limit`] for rates.

pub mod key;
pub mod limit;
pub mod peer;
pub mod policy;
pub mod refresh;
pub mod refusals;
pub mod revocation;
pub mod token;

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, Result};

/// Random bytes of the operating system. Without them nothing may be issued.
fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::internal("the operating system gives no random bytes"))?;
    Ok(bytes)
}
