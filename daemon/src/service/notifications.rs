//! Notifications and the inbox.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tenantry_protocol::channel::{InboxQuery, NotificationView};
use tenantry_protocol::id::{ChannelId, NotificationId, RunId};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::Permission;
use tenantry_protocol::state::StageName;

use super::ledger::{Enqueue, Ledger};
use super::material::{Material, NotificationMaterial};
use super::{Authorized, Service, cursor};
use crate::error::{Error, Result};
use crate::store::tenant::channels::{self, Channel};
use crate::store::tenant::notifications::{self, NewNotification, Notification, Shown};
use crate::store::{PAGE_LIMIT, ReadTx};

/// What a job of the notification queue says on disk: asks for the delivery of one notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationJob {
    /// The layout of this payload.
    pub v: u32,
    /// The notification.
    pub notification: NotificationId,
}

impl NotificationJob {
    /// Reads a stored payload.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        serde_json::from_slice(payload).map_err(|e| Error::internal(format!("notification payload: {e}")))
    }
}

/// A notification to send.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its id.
    pub id: NotificationId,
    /// Where it goes.
    pub channel: Arc<Channel>,
    /// The run it tells about.
    pub run: Option<RunId>,
    /// One line.
    pub title: String,
    /// The message.
    pub body: String,
}

/// Inserts a notification and its job into a transaction.
pub fn enqueue(ledger: &mut Ledger<'_>, notice: &Notice) -> Result<()> {
    let Notice { id, channel, run, title, body } = notice;
    let row = NewNotification {
        id: *id,
        channel_id: channel.id,
        run_id: *run,
        title,
        body,
        created_at: ledger.now,
    };
    notifications::insert(ledger.tx, &row)?;
    let material = NotificationMaterial {
        id: *id,
        channel: Arc::clone(channel),
        run: *run,
        title: title.clone(),
        body: body.clone(),
        created_at: ledger.now,
    };
    ledger.enqueue(Enqueue {
        stage: StageName::Notification,
        run: *run,
        payload: &NotificationJob { v: 1, notification: *id },
        material: Some(Material::Notification(Arc::new(material))),
        limit_ms: 0,
    })?;
    Ok(())
}

impl Service {
    /// Lists notifications with their delivery state, newest first.
    pub async fn list_notifications(
        &self,
        by: &Authorized,
        query: &PageQuery,
    ) -> Result<Page<NotificationView>> {
        let tenant = by.require_tenant(Permission::ChannelRead)?;
        let (after, size) = (cursor::id(query.after.as_deref())?, query.size());
        let file = self.store.tenant(tenant.id)?;
        let read = file.read(move |tx| Ok((names(tx)?, notifications::list(tx, None, after, size)?)));
        let (names, rows) = read.await?;
        Ok(cursor::page(rows, size, |row| row.id.to_string(), |row| named(&names, row)))
    }

    /// Lists the tenant's inbox, newest first.
    pub async fn list_inbox(&self, by: &Authorized, query: &InboxQuery) -> Result<Page<NotificationView>> {
        let tenant = by.require_tenant(Permission::InboxRead)?;
        let page = PageQuery { limit: query.limit, after: query.after.clone() };
        let (after, size) = (cursor::id(page.after.as_deref())?, page.size());
        let shown = if query.unread { Shown::Unread } else { Shown::All };
        let file = self.store.tenant(tenant.id)?;
        let read = file.read(move |tx| Ok((names(tx)?, notifications::inbox(tx, shown, after, size)?)));
        let (names, rows) = read.await?;
        Ok(cursor::page(rows, size, |row| row.id.to_string(), |row| named(&names, row)))
    }

    /// Marks a message of the inbox as read.
    pub async fn read_inbox(self: &Arc<Self>, by: &Authorized, id: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::InboxRead)?;
        let id = cursor::parse::<NotificationId>(id, "notification")?;
        let context = by.context.clone();
        self.change(tenant, move |ledger| {
            if notifications::get(ledger.tx, id)?.is_none() {
                return Err(Error::not_found("notification", id));
            }
            if notifications::set_read(ledger.tx, id, ledger.now)? {
                ledger.audit_by(&context, "notification.read", &id.to_string(), &json!({}))?;
            }
            Ok(())
        })
        .await
    }
}

fn names(tx: &ReadTx<'_>) -> Result<HashMap<ChannelId, String>> {
    let rows = channels::list(tx, "", PAGE_LIMIT)?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

fn named(names: &HashMap<ChannelId, String>, row: Notification) -> NotificationView {
    let channel = names.get(&row.channel_id).cloned().unwrap_or_else(|| "(deleted)".to_owned());
    view(row, channel)
}

/// A notification as clients see it.
pub(super) fn view(row: Notification, channel: String) -> NotificationView {
    NotificationView {
        id: row.id,
        channel,
        run: row.run_id,
        state: row.state,
        title: row.title,
        body: row.body,
        attempt: row.attempt,
        error: row.error,
        created_at: row.created_at,
        delivered_at: row.delivered_at,
        read_at: row.read_at,
    }
}
