//! Channels: where notifications go.

use std::sync::Arc;

use serde_json::json;
use tenantry_protocol::channel::{ChannelConfig, ChannelView, NotificationView};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::id::{ChannelId, NotificationId};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::permission::{Permission, is_name};
use tenantry_protocol::principal::is_secret_name;

use super::ledger::Ledger;
use super::notifications::{Notice, enqueue, view as notification_view};
use super::{Authorized, Service, cursor};
use crate::error::{Error, Result};
use crate::store::tenant::channels::{self, Channel};
use crate::store::tenant::notifications;

/// Extra headers of a webhook channel.
const HEADER_LIMIT: usize = 16;
/// The longest URL of a webhook channel, in bytes.
const URL_LIMIT: usize = 2_048;

impl Service {
    /// Lists channels by name.
    pub async fn list_channels(&self, by: &Authorized, query: &PageQuery) -> Result<Page<ChannelView>> {
        let tenant = by.require_tenant(Permission::ChannelRead)?;
        let (after, size) = (query.after.clone().unwrap_or_default(), query.size());
        let rows = self.store.tenant(tenant.id)?.read(move |tx| channels::list(tx, &after, size)).await?;
        let page = cursor::page(rows, size, |row| row.name.clone(), |row| view(&row));
        Ok(Page { items: page.items.into_iter().collect::<Result<_>>()?, next: page.next })
    }

    /// Shows a channel.
    pub async fn get_channel(&self, by: &Authorized, name: &str) -> Result<ChannelView> {
        let tenant = by.require_tenant(Permission::ChannelRead)?;
        let wanted = name.to_owned();
        let row = self.store.tenant(tenant.id)?.read(move |tx| channels::by_name(tx, &wanted)).await?;
        view(&row.ok_or_else(|| absent(name))?)
    }

    /// Creates or changes a channel.
    pub async fn put_channel(
        self: &Arc<Self>,
        by: &Authorized,
        name: &str,
        config: ChannelConfig,
    ) -> Result<ChannelView> {
        let tenant = by.require_tenant(Permission::ChannelEdit)?;
        check(name, &config)?;
        let (name, context) = (name.to_owned(), by.context.clone());
        let row = self.change(tenant, move |ledger| {
            let row = put(ledger, &name, &config)?;
            let detail = json!({ "name": row.name, "kind": row.kind });
            ledger.audit_by(&context, "channel.put", &row.id.to_string(), &detail)?;
            Ok(row)
        });
        let row = row.await?;
        self.catalog.changed(tenant.id);
        view(&row)
    }

    /// Deletes a channel. Notifications that are on their way to it are dropped.
    pub async fn delete_channel(self: &Arc<Self>, by: &Authorized, name: &str) -> Result<()> {
        let tenant = by.require_tenant(Permission::ChannelEdit)?;
        let (name, context) = (name.to_owned(), by.context.clone());
        self.change(tenant, move |ledger| {
            let row = channels::by_name(ledger.tx, &name)?.ok_or_else(|| absent(&name))?;
            channels::delete(ledger.tx, row.id)?;
            ledger.audit_by(&context, "channel.delete", &row.id.to_string(), &json!({ "name": name }))
        })
        .await?;
        self.catalog.changed(tenant.id);
        Ok(())
    }

    /// Sends a test notification through a channel.
    pub async fn test_channel(self: &Arc<Self>, by: &Authorized, name: &str) -> Result<NotificationView> {
        let tenant = by.require_tenant(Permission::ChannelEdit)?;
        let (name, context) = (name.to_owned(), by.context.clone());
        self.change(tenant, move |ledger| {
            let channel = Arc::new(channels::by_name(ledger.tx, &name)?.ok_or_else(|| absent(&name))?);
            let (id, resource) = (NotificationId::new(ledger.now), channel.id.to_string());
            let body = format!("Channel {name} of tenant {} works.", ledger.tenant.name);
            let title = "Test notification".to_owned();
            enqueue(ledger, &Notice { id, channel, run: None, title, body })?;
            ledger.audit_by(&context, "channel.test", &resource, &json!({ "name": name }))?;
            let row =
                notifications::get(ledger.tx, id)?.ok_or_else(|| Error::not_found("notification", id))?;
            Ok(notification_view(row, name))
        })
        .await
    }
}

fn put(ledger: &Ledger<'_>, name: &str, config: &ChannelConfig) -> Result<Channel> {
    let existing = channels::by_name(ledger.tx, name)?;
    let row = Channel {
        id: existing.as_ref().map_or_else(|| ChannelId::new(ledger.now), |row| row.id),
        name: name.to_owned(),
        kind: config.kind().to_owned(),
        config: serde_json::to_string(config).map_err(|error| Error::internal(error.to_string()))?,
        created_at: existing.as_ref().map_or(ledger.now, |row| row.created_at),
        updated_at: ledger.now,
    };
    if existing.is_some() {
        channels::update(ledger.tx, row.id, &row.kind, &row.config, ledger.now)?;
    } else {
        channels::insert(ledger.tx, &row)?;
    }
    Ok(row)
}

fn check(name: &str, config: &ChannelConfig) -> Result<()> {
    if !is_name(name) {
        let detail = format!("{:?} is no name of a channel", cursor::shown(name));
        return Err(Error::new(ErrorCode::BadIdentifier, detail));
    }
    let ChannelConfig::Webhook { url, secret, headers } = config else { return Ok(()) };
    let bad = |detail: String| Err(Error::new(ErrorCode::BadRequest, detail));
    let parsed = url::Url::parse(url);
    let scheme = parsed.as_ref().map(url::Url::scheme).unwrap_or_default();
    if url.len() > URL_LIMIT || !matches!(scheme, "http" | "https") {
        return bad(format!("url must be http or https and at most {URL_LIMIT} bytes"));
    }
    if secret.as_deref().is_some_and(|name| !is_secret_name(name)) {
        return bad(
            "secret must name a secret, such as OPS_HOOK; its value is set by `tenantry secret set`".into()
        );
    }
    if headers.len() > HEADER_LIMIT {
        return bad(format!("a channel has at most {HEADER_LIMIT} headers"));
    }
    for (name, value) in headers {
        let name_is_ok = http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if !name_is_ok || http::HeaderValue::from_str(value).is_err() {
            return bad("a header has characters that no header may have".to_owned());
        }
    }
    Ok(())
}

fn absent(name: &str) -> Error {
    Error::not_found("channel", cursor::shown(name))
}

fn view(row: &Channel) -> Result<ChannelView> {
    let config = serde_json::from_str(&row.config)
        .map_err(|error| Error::damaged(format!("channel {}: {error}", row.name)))?;
    let (created_at, updated_at) = (row.created_at, row.updated_at);
    Ok(ChannelView { id: row.id, name: row.name.clone(), config, created_at, updated_at })
}
