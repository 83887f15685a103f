//! How many connections are open, altogether and for each peer.
//!
//! What must never happen here: a seat that is not given back, a map that grows beyond the seats.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::{ListenLimits, PeerInfo};

/// Whom a connection is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Share {
    V4([u8; 4]),
    /// The /64, which is what one subscriber has.
    V6([u8; 8]),
    User(u32),
}

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    House,
    Share,
}

/// The seats of one listener.
pub(super) struct Seats {
    max: usize,
    max_per_peer: usize,
    trusted: Vec<crate::config::Network>,
    taken: Mutex<Taken>,
    emptied: Notify,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_share: HashMap<Share, usize>,
}

/// One connection's seat; given back when dropped.
pub(super) struct Seat {
    seats: Arc<Seats>,
    share: Option<Share>,
}

impl Seats {
    pub(super) fn new(limits: &ListenLimits) -> Arc<Self> {
        Arc::new(Self {
            max: limits.max_connections,
            max_per_peer: limits.max_per_peer,
            trusted: limits.trusted_proxies.clone(),
            taken: Mutex::default(),
            emptied: Notify::new(),
        })
    }

    /// Takes a seat for the peer.
    pub(super) fn take(self: &Arc<Self>, peer: &PeerInfo) -> Result<Seat, Full> {
        let share = self.share(peer);
        let mut taken = self.lock();
        if taken.all >= self.max {
            return Err(Full::House);
        }
        if let Some(share) = share {
            let own = taken.by_share.get(&share).copied().unwrap_or(0);
            if own >= self.max_per_peer {
                return Err(Full::Share);
            }
            taken.by_share.insert(share, own + 1);
        }
        taken.all += 1;
        Ok(Seat { seats: Arc::clone(self), share })
    }

    /// Returns once every seat is given back.
    pub(super) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().all == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn share(&self, peer: &PeerInfo) -> Option<Share> {
        match (peer.ip, peer.uid) {
            (Some(ip), _) if self.trusted.iter().any(|network| network.contains(ip)) => None,
            (Some(IpAddr::V4(ip)), _) => Some(Share::V4(ip.octets())),
            (Some(IpAddr::V6(ip)), _) => ip.octets().first_chunk().map(|half| Share::V6(*half)),
            (None, uid) => uid.map(Share::User),
        }
    }

    /// Every change under this lock is complete before anything can panic, so poison means nothing.
    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.all -= 1;
        if let Some(share) = self.share
            && let Some(own) = taken.by_share.get_mut(&share)
        {
            *own -= 1;
            if *own == 0 {
                taken.by_share.remove(&share);
            }
        }
        if taken.all == 0 {
            self.seats.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn peer(ip: &str) -> PeerInfo {
        PeerInfo::of_tcp(ip.parse().unwrap())
    }

    fn seats(max: usize, max_per_peer: usize, trusted: &[&str]) -> Arc<Seats> {
        let trusted_proxies = trusted.iter().map(|text| config::Network::parse(text).unwrap()).collect();
        let limits = ListenLimits::from(&config::Ingress::default());
        Seats::new(&ListenLimits { max_connections: max, max_per_peer, trusted_proxies, ..limits })
    }

    #[test]
    fn a_peer_has_its_share_and_the_house_its_limit() {
        let seats = seats(4, 2, &[]);
        let mut held = vec![seats.take(&peer("1.1.1.1")).ok(), seats.take(&peer("1.1.1.1")).ok()];
        assert_eq!(seats.take(&peer("::ffff:1.1.1.1")).err(), Some(Full::Share));
        held.push(seats.take(&peer("2001:db8::1")).ok());
        held.push(seats.take(&peer("2001:db8::ffff:1")).ok());
        assert!(held.iter().all(Option::is_some));
        assert_eq!(seats.take(&peer("2.2.2.2")).err(), Some(Full::House));
        held.remove(0);
        assert!(seats.take(&peer("1.1.1.1")).is_ok());
    }

    #[test]
    fn the_neighbours_in_a_64_share_and_others_do_not() {
        let seats = seats(10, 1, &[]);
        let _held = seats.take(&peer("2001:db8:0:1::1")).unwrap();
        assert_eq!(seats.take(&peer("2001:db8:0:1:ffff::2")).err(), Some(Full::Share));
        assert!(seats.take(&peer("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn a_proxy_has_no_share_of_its_own() {
        let seats = seats(3, 1, &["127.0.0.0/8"]);
        let held: Vec<_> = (0..3).map(|_| seats.take(&peer("127.0.0.1"))).collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(seats.take(&peer("127.0.0.1")).err(), Some(Full::House));
    }

    #[test]
    fn users_have_shares_and_nothing_is_kept_of_those_who_left() {
        let seats = seats(3, 1, &[]);
        let user = |uid| PeerInfo { ip: None, uid: Some(uid), pid: Some(1) };
        let seat = seats.take(&user(1000)).unwrap();
        assert_eq!(seats.take(&user(1000)).err(), Some(Full::Share));
        assert!(seats.take(&user(1001)).is_ok());
        drop(seat);
        assert!(seats.take(&user(1000)).is_ok());
        let taken = seats.lock();
        assert_eq!((taken.all, taken.by_share.len()), (0, 0));
    }
}
