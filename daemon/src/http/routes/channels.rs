//! Channels, notifications and the inbox.

use axum::extract::{Path, State};
use tenantry_protocol::channel::{ChannelConfig, ChannelView, InboxQuery, NotificationView};
use tenantry_protocol::page::{Page, PageQuery};

use super::{One, Shared};
use crate::http::extract::{Caller, Params, Payload};
use crate::http::reply::{Answer, Reply};

pub(in crate::http) async fn list(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<ChannelView>> {
    Ok(Answer(api.service.list_channels(&by, &query).await?))
}

pub(in crate::http) async fn put(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
    Payload(body): Payload<ChannelConfig>,
) -> Reply<ChannelView> {
    Ok(Answer(api.service.put_channel(&by, &name, body).await?))
}

pub(in crate::http) async fn get(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<ChannelView> {
    Ok(Answer(api.service.get_channel(&by, &name).await?))
}

pub(in crate::http) async fn test(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<NotificationView> {
    Ok(Answer(api.service.test_channel(&by, &name).await?))
}

pub(in crate::http) async fn delete(
    State(api): Shared,
    Caller(by): Caller,
    Path((_, name)): One,
) -> Reply<()> {
    Ok(Answer(api.service.delete_channel(&by, &name).await?))
}

pub(in crate::http) async fn notifications(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<PageQuery>,
) -> Reply<Page<NotificationView>> {
    Ok(Answer(api.service.list_notifications(&by, &query).await?))
}

pub(in crate::http) async fn inbox(
    State(api): Shared,
    Caller(by): Caller,
    Params(query): Params<InboxQuery>,
) -> Reply<Page<NotificationView>> {
    Ok(Answer(api.service.list_inbox(&by, &query).await?))
}

pub(in crate::http) async fn read(State(api): Shared, Caller(by): Caller, Path((_, id)): One) -> Reply<()> {
    Ok(Answer(api.service.read_inbox(&by, &id).await?))
}
