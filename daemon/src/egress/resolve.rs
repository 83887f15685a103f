//! From names to addresses.
//!
//! The system's resolver blocks a thread, so lookups run on tokio's blocking threads, at most [`MAX_LOOKUPS`] at a
//! time: a slow name server must not take the threads that files are read on. Of these a tenant has at most
//! [`MAX_TENANT_LOOKUPS`], so that one whose names are never answered does not stop the others.
//!
//! What must never happen here: a decision about an address. Go next to `connect`, which asks `guard`.

use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::supervise::Supervisor;

/// Lookups at one time.
pub const MAX_LOOKUPS: usize = 32;

/// Lookups of one tenant at one time.
pub const MAX_TENANT_LOOKUPS: usize = 4;

/// Addresses of one name that are looked at.
pub const MAX_ADDRESSES: usize = 16;

pub(super) type Lookup<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>>;

/// Something that knows the addresses of names.
pub(super) trait Resolve: Send + Sync {
    /// The addresses of the name, in the order in which to try them. The tenant's turn is held until the lookup has
    /// ended, even where nobody waits for it any more.
    fn resolve<'a>(&'a self, name: &'a str, turn: OwnedSemaphorePermit) -> Lookup<'a>;
}

/// The resolver of the operating system: hosts file, DNS, whatever it is set up for.
pub(super) struct SystemResolver {
    supervisor: Supervisor,
    lookups: Arc<Semaphore>,
}

impl SystemResolver {
    pub(super) fn new(supervisor: Supervisor) -> Self {
        Self { supervisor, lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str, turn: OwnedSemaphorePermit) -> Lookup<'a> {
        Box::pin(async move {
            let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let name = name.to_owned();
            let lookup = self.supervisor.blocking("egress resolver", move || {
                // Held by the thread: whoever waited may have given up long before the lookup ends.
                let _held = (permit, turn);
                let addresses = (name.as_str(), 0).to_socket_addrs()?;
                Ok(addresses.map(|address| address.ip()).take(MAX_ADDRESSES).collect())
            });
            lookup.join().await.map_err(io::Error::other)?
        })
    }
}
