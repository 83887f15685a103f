//! The `notification` table: one message to one channel a row; the inbox is the rows of inbox channels.

use rusqlite::{Row, params};
use tenantry_protocol::channel::NotificationState;
use tenantry_protocol::id::{ChannelId, NotificationId, RunId};

use crate::error::Result;
use crate::store::row::{before, bind, count, key, key_or_none, page, word};
use crate::store::{ReadTx, WriteTx};

/// One message to one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its id; receivers use it to tell repeats.
    pub id: NotificationId,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What it tells about.
    pub run_id: Option<RunId>,
    /// Where it stands.
    pub state: NotificationState,
    /// One line.
    pub title: String,
    /// The message.
    pub body: String,
    /// Unix milliseconds.
    pub created_at: i64,
    /// Unix milliseconds; set exactly when delivered.
    pub delivered_at: Option<i64>,
    /// Unix milliseconds; for the inbox.
    pub read_at: Option<i64>,
    /// How many attempts were made.
    pub attempt: u32,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// A notification to insert.
#[derive(Clone, Copy, Debug)]
pub struct NewNotification<'a> {
    /// Its id; receivers use it to tell repeats.
    pub id: NotificationId,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What it tells about.
    pub run_id: Option<RunId>,
    /// One line.
    pub title: &'a str,
    /// The message.
    pub body: &'a str,
    /// Unix milliseconds.
    pub created_at: i64,
}

fn notification(row: &Row<'_>) -> rusqlite::Result<Notification> {
    Ok(Notification {
        id: key(row, 0)?,
        channel_id: key(row, 1)?,
        run_id: key_or_none(row, 2)?,
        state: word(row, 3)?,
        title: row.get(4)?,
        body: row.get(5)?,
        created_at: row.get(6)?,
        delivered_at: row.get(7)?,
        read_at: row.get(8)?,
        attempt: count(row, 9)?,
        error: row.get(10)?,
    })
}

const INSERT: &str = "
insert into notification (id, channel_id, run_id, state, title, body, created_at)
values (?1, ?2, ?3, 'pending', ?4, ?5, ?6)";

/// Adds a notification in state `pending`.
pub fn insert(tx: &WriteTx, new: &NewNotification) -> Result<()> {
    let NewNotification { id, channel_id, run_id, title, body, created_at } = new;
    let (channel, run) = (channel_id.as_bytes(), bind(run_id.as_ref()));
    tx.execute(INSERT, params![id.as_bytes(), channel, run, title, body, created_at])?;
    Ok(())
}

const GET: &str = "
select id, channel_id, run_id, state, title, body, created_at, delivered_at, read_at, attempt, error
from notification
where id = ?1";

/// The notification with this id.
pub fn get(tx: &ReadTx, id: NotificationId) -> Result<Option<Notification>> {
    Ok(tx.one(GET, [id.as_bytes()], notification)?)
}

const LIST: &str = "
select id, channel_id, run_id, state, title, body, created_at, delivered_at, read_at, attempt, error
from notification
where id < ?1
order by id desc
limit ?2";

const INBOX: &str = "
select id, channel_id, run_id, state, title, body, created_at, delivered_at, read_at, attempt, error
from notification
where channel_id in (select id from channel where kind = 'inbox')
  and id < ?1
  and (?2 = 0 or read_at is null)
order by id desc
limit ?3";

/// Which messages of the inbox a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All.
    All,
    /// Those that nobody has read.
    Unread,
}

/// The messages of the inbox channels, newest first, older than the cursor.
pub fn inbox(
    tx: &ReadTx,
    shown: Shown,
    cursor: Option<NotificationId>,
    limit: u32,
) -> Result<Vec<Notification>> {
    let unread = i64::from(shown == Shown::Unread);
    Ok(tx.all(INBOX, params![before(cursor.as_ref()), unread, page(limit)], notification)?)
}

const LIST_CHANNEL: &str = "
select id, channel_id, run_id, state, title, body, created_at, delivered_at, read_at, attempt, error
from notification
where channel_id = ?3 and id < ?1
order by id desc
limit ?2";

/// Notifications, of one channel or of all, newest first, older than the cursor.
pub fn list(
    tx: &ReadTx,
    channel: Option<ChannelId>,
    cursor: Option<NotificationId>,
    limit: u32,
) -> Result<Vec<Notification>> {
    let (cursor, limit) = (before(cursor.as_ref()), page(limit));
    Ok(match channel {
        None => tx.all(LIST, params![cursor, limit], notification),
        Some(id) => tx.all(LIST_CHANNEL, params![cursor, limit, id.as_bytes()], notification),
    }?)
}

const DELIVERED: &str = "
update notification
set state = 'delivered', delivered_at = ?2, attempt = ?3, error = null
where id = ?1 and state = 'pending'";

/// Moves from `pending` to `delivered`, in the given attempt; false if it is not pending.
pub fn set_delivered(tx: &WriteTx, id: NotificationId, at: i64, attempt: u32) -> Result<bool> {
    Ok(tx.execute(DELIVERED, params![id.as_bytes(), at, attempt])? > 0)
}

const ATTEMPTED: &str = "
update notification set attempt = ?2, error = ?3 where id = ?1 and state = 'pending'";

/// Notes a failed attempt that will be followed by another; false if it is not pending.
pub fn set_attempted(tx: &WriteTx, id: NotificationId, attempt: u32, error: &str) -> Result<bool> {
    Ok(tx.execute(ATTEMPTED, params![id.as_bytes(), attempt, error])? > 0)
}

const FAILED: &str = "
update notification
set state = 'failed', attempt = ?2, error = ?3
where id = ?1 and state = 'pending'";

/// Moves from `pending` to `failed`; false if it is not pending.
pub fn set_failed(tx: &WriteTx, id: NotificationId, attempt: u32, error: &str) -> Result<bool> {
    Ok(tx.execute(FAILED, params![id.as_bytes(), attempt, error])? > 0)
}

const REOPEN: &str = "
update notification set state = 'pending', error = null where id = ?1 and state = 'failed'";

/// Moves from `failed` back to `pending`: its dead letter is tried again. False if it is not failed.
pub fn reopen(tx: &WriteTx, id: NotificationId) -> Result<bool> {
    Ok(tx.execute(REOPEN, [id.as_bytes()])? > 0)
}

const READ: &str = "update notification set read_at = ?2 where id = ?1 and read_at is null";

/// Marks as read; false if there is none or it was read before.
pub fn set_read(tx: &WriteTx, id: NotificationId, at: i64) -> Result<bool> {
    Ok(tx.execute(READ, params![id.as_bytes(), at])? > 0)
}

const PURGE: &str = "
delete from notification where id in (
    select id from notification where id < ?1 and state <> 'pending' order by id limit ?2
)";

/// Forgets notifications older than `oldest` (an id made from a time) that are not pending; answers how many.
pub fn purge(tx: &WriteTx, oldest: NotificationId, limit: u32) -> Result<usize> {
    Ok(tx.execute(PURGE, params![oldest.as_bytes(), page(limit)])?)
}
