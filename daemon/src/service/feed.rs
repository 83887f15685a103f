//! The feed: pushes what changes to whoever follows. A hint, never the truth.
//!
//! Items live in a ring in memory. A follower that falls behind, or comes back too late, gets a gap and reads again.
//! **Invariant:** publishing never waits for a follower.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tenantry_protocol::feed::{Change, FeedItem};
use tenantry_protocol::id::TenantId;
use tokio::sync::Notify;

/// How many items are kept for followers that resume or fall behind.
const RING: usize = 4096;

/// An item with its number.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// Counted from 1 since the daemon started.
    pub number: u64,
    /// What changed.
    pub item: Arc<FeedItem>,
}

struct Ring {
    items: VecDeque<Arc<FeedItem>>,
    /// Items ever published.
    published: u64,
    /// Followers at present.
    followers: usize,
}

/// The feed of the whole daemon. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    ring: Arc<Mutex<Ring>>,
    more: Arc<Notify>,
}

impl Default for Feed {
    fn default() -> Self {
        let ring = Ring { items: VecDeque::new(), published: 0, followers: 0 };
        Self { ring: Arc::new(Mutex::new(ring)), more: Arc::default() }
    }
}

impl Feed {
    fn with<T>(&self, act: impl FnOnce(&mut Ring) -> T) -> T {
        act(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes changes in order. Without followers nothing is kept: the numbers go on, so that whoever resumes
    /// gets a gap.
    pub fn publish(&self, at: i64, tenant: Option<TenantId>, changes: impl IntoIterator<Item = Change>) {
        let followed = self.with(|ring| {
            for change in changes {
                ring.published += 1;
                if ring.followers == 0 {
                    ring.items.clear();
                    continue;
                }
                if ring.items.len() == RING {
                    ring.items.pop_front();
                }
                ring.items.push_back(Arc::new(FeedItem { at, tenant, change }));
            }
            ring.followers > 0
        });
        if followed {
            self.more.notify_waiters();
        }
    }

    /// Whether anybody follows: lets a caller save the making of changes.
    pub fn is_followed(&self) -> bool {
        self.with(|ring| ring.followers > 0)
    }

    /// Follows from now, or from the item after `after` while it is still there.
    pub fn follow(&self, after: Option<u64>) -> Follower {
        let (position, gap) = self.with(|ring| {
            ring.followers += 1;
            let oldest = ring.published - ring.items.len() as u64;
            match after {
                Some(after) if (oldest..=ring.published).contains(&after) => (after, None),
                Some(after) => (ring.published, Some(ring.published.saturating_sub(after))),
                None => (ring.published, Some(0)),
            }
        });
        Follower { feed: self.clone(), position, gap }
    }
}

/// One that follows the feed. Leaves when dropped.
pub struct Follower {
    feed: Feed,
    position: u64,
    gap: Option<u64>,
}

/// What a follower gets.
#[derive(Debug)]
pub enum Followed {
    /// So many items were lost; read again what is shown.
    Gap {
        /// The number to resume from.
        number: u64,
        /// Items lost.
        dropped: u64,
    },
    /// The next item.
    Item(Numbered),
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.feed.with(|ring| ring.followers = ring.followers.saturating_sub(1));
    }
}

impl Follower {
    /// The next item or gap; waits for it. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Followed {
        loop {
            let more = Arc::clone(&self.feed.more);
            let notified = more.notified();
            tokio::pin!(notified);
            // Registered before looking: what is published in between is not missed.
            notified.as_mut().enable();
            if let Some(dropped) = self.gap.take() {
                return Followed::Gap { number: self.position, dropped };
            }
            if let Some(followed) = self.look() {
                return followed;
            }
            notified.await;
        }
    }

    fn look(&mut self) -> Option<Followed> {
        let position = self.position;
        let found = self.feed.with(|ring| {
            let oldest = ring.published - ring.items.len() as u64;
            if position < oldest {
                return Some(Followed::Gap { number: oldest, dropped: oldest - position });
            }
            let index = usize::try_from(position - oldest).ok()?;
            let item = Arc::clone(ring.items.get(index)?);
            Some(Followed::Item(Numbered { number: position + 1, item }))
        });
        match &found {
            Some(Followed::Gap { number, .. }) => self.position = *number,
            Some(Followed::Item(numbered)) => self.position = numbered.number,
            None => {}
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(name: &str) -> Change {
        Change::Workflow { name: name.to_owned() }
    }

    async fn names(follower: &mut Follower, count: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(match follower.next().await {
                Followed::Gap { dropped, .. } => format!("gap {dropped}"),
                Followed::Item(numbered) => match &numbered.item.change {
                    Change::Workflow { name } => format!("{} {name}", numbered.number),
                    other => format!("{other:?}"),
                },
            });
        }
        names
    }

    #[tokio::test]
    async fn a_new_follower_starts_with_a_gap_and_then_gets_every_item() {
        let feed = Feed::default();
        feed.publish(1, None, [change("before")]);
        let mut follower = feed.follow(None);
        feed.publish(2, None, [change("a"), change("b")]);
        assert_eq!(names(&mut follower, 3).await, ["gap 0", "2 a", "3 b"]);
    }

    #[tokio::test]
    async fn a_follower_resumes_where_it_left_or_learns_what_it_lost() {
        let feed = Feed::default();
        let keeper = feed.follow(None);
        feed.publish(1, None, [change("a"), change("b"), change("c")]);
        assert_eq!(names(&mut feed.follow(Some(1)), 2).await, ["2 b", "3 c"]);
        drop(keeper);
        feed.publish(2, None, [change("unseen")]);
        assert_eq!(names(&mut feed.follow(Some(3)), 1).await, ["gap 1"]);
    }

    #[tokio::test]
    async fn a_slow_follower_loses_the_oldest_items_and_is_told_how_many() {
        let feed = Feed::default();
        let mut follower = feed.follow(None);
        feed.publish(1, None, (0..RING + 5).map(|n| change(&n.to_string())));
        assert_eq!(names(&mut follower, 3).await, ["gap 0", "gap 5", "6 5"]);
    }

    #[tokio::test]
    async fn a_waiting_follower_wakes() {
        let feed = Feed::default();
        let mut follower = feed.follow(None);
        names(&mut follower, 1).await;
        let mut next = std::pin::pin!(follower.next());
        assert!(futures_util::poll!(&mut next).is_pending());
        feed.publish(1, None, [change("x")]);
        assert!(matches!(next.await, Followed::Item(_)));
    }
}
