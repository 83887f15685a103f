//! Server-sent events (WHATWG HTML §9.2): the feed, and the log of a run while it goes on.
//!
//! Ids are `<daemon start>-<number>`, so that a client that comes back after a restart gets a gap instead of the
//! wrong items. **Invariant:** a stream that nobody reads costs no memory: the next event is made when the
//! connection takes it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::feed::{Change, FeedItem};
use tenantry_protocol::page::Page;
use tenantry_protocol::run::{LogLine, LogQuery};
use tokio::sync::OwnedSemaphorePermit;

use super::Api;
use crate::error::{Error, Result};
use crate::service::Authorized;
use crate::service::cursor;
use crate::service::feed::{Followed, Follower};
use crate::service::stats::Only;

/// How often a comment shows that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a follower of a log waits before it looks again without having been told of anything.
const LOG_PAUSE: Duration = Duration::from_millis(250);

/// A place among the streams that are open at once.
fn seat(api: &Api) -> Result<OwnedSemaphorePermit> {
    Arc::clone(&api.limits.streams)
        .try_acquire_owned()
        .map_err(|_| Error::new(ErrorCode::RateLimited, "too many streams are open").with_retry_after(5))
}

/// The number after which the client wants to go on, if it is of this life of the daemon.
pub(super) fn resume(api: &Api, headers: &HeaderMap) -> Option<u64> {
    let id = headers.get("last-event-id")?.to_str().ok()?;
    let (life, number) = id.split_once('-')?;
    let number = number.parse().ok()?;
    // Of another life: a number that was never given, so that the client gets a gap.
    Some(if life == api.service.started_at.to_string() { number } else { u64::MAX })
}

fn event(id: &str, name: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("id: {id}\nevent: {name}\ndata: {data}\n\n"))
}

fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

fn answer(body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The feed, as far as the follower may see it.
pub(super) fn feed(api: &Arc<Api>, follower: Follower, only: Only) -> Result<Response> {
    let state = (Arc::clone(api), follower, only, seat(api)?);
    let items = stream::unfold(state, |(api, mut follower, only, seat)| async move {
        let bytes = next_item(&api, &mut follower, &only).await?;
        Some((Ok::<_, Infallible>(bytes), (api, follower, only, seat)))
    });
    Ok(answer(Body::from_stream(items)))
}

async fn next_item(api: &Api, follower: &mut Follower, only: &Only) -> Option<Bytes> {
    let life = api.service.started_at;
    loop {
        let followed = tokio::select! {
            biased;
            () = api.stop.cancelled() => return None,
            followed = follower.next() => followed,
            () = api.service.clock.sleep(KEEP_ALIVE) => return Some(comment()),
        };
        match followed {
            Followed::Gap { number, dropped } => {
                let at = api.service.clock.now_ms();
                let item = FeedItem { at, tenant: None, change: Change::Gap { dropped } };
                return Some(event(&format!("{life}-{number}"), "gap", &item));
            }
            Followed::Item(numbered) if only(&numbered.item) => {
                return Some(event(&format!("{life}-{}", numbered.number), "change", &*numbered.item));
            }
            Followed::Item(_) => {}
        }
    }
}

/// A follower of one run's log.
struct LogFollower {
    api: Arc<Api>,
    by: Authorized,
    run: String,
    query: LogQuery,
    ready: VecDeque<LogLine>,
    ended: bool,
    _seat: OwnedSemaphorePermit,
}

/// The log of a run from the first line on (or after `query.after`) until the run's end has been recorded.
pub(super) fn log(
    api: &Arc<Api>,
    by: Authorized,
    run: String,
    query: LogQuery,
    first: Page<LogLine>,
) -> Result<Response> {
    let mut follower = LogFollower {
        api: Arc::clone(api),
        by,
        run,
        query,
        ready: VecDeque::new(),
        ended: false,
        _seat: seat(api)?,
    };
    follower.take(first);
    let lines = stream::unfold(follower, |mut follower| async move {
        let bytes = follower.next().await?;
        Some((Ok::<_, Infallible>(bytes), follower))
    });
    Ok(answer(Body::from_stream(lines)))
}

impl LogFollower {
    fn take(&mut self, page: Page<LogLine>) {
        // A full page may hold nothing of the wanted step: its cursor leads past it all the same.
        let last = page.items.last().map(|line| line.seq.to_string());
        self.query.after = page.next.clone().or(last).or(self.query.after.take());
        self.ready.extend(page.items);
    }

    async fn next(&mut self) -> Option<Bytes> {
        let mut quiet = Duration::ZERO;
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(event(&line.seq.to_string(), "line", &line));
            }
            if self.ended {
                return None;
            }
            let id = cursor::parse(&self.run, "run").ok()?;
            // Asked before the lines are read: lines of a recorded end are all there.
            let (state, recorded) = self.api.service.run_progress(&self.by, id).await.ok()?;
            let page = self.api.service.list_log_lines(&self.by, &self.run, &self.query).await.ok()?;
            let more = !page.items.is_empty();
            self.take(page);
            if more {
                continue;
            }
            if recorded {
                self.ended = true;
                let after = self.query.after.clone().unwrap_or_default();
                return Some(event(&after, "end", &serde_json::json!({ "state": state })));
            }
            tokio::select! {
                biased;
                () = self.api.stop.cancelled() => return None,
                () = self.api.service.clock.sleep(LOG_PAUSE) => quiet += LOG_PAUSE,
            }
            if quiet >= KEEP_ALIVE {
                return Some(comment());
            }
        }
    }
}
