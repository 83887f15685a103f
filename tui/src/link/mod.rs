//! The one room that talks to the daemon: login, feed, reconnecting, and the reads that the model asks for.
//!
//! The feed is open for as long as the link is live. When it breaks the link says why and when it tries again, and
//! tries again for as long as the dashboard runs. After every connect, and after every gap, the model reads again what
//! it shows. **Invariant:** what happens in here never ends the dashboard. Go next to [`read`].

pub mod backoff;
mod read;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use tenantry_protocol::client::stream::Stream;
use tenantry_protocol::client::{Client, ClientError};
use tenantry_protocol::error::{ErrorCode, Problem};
use tenantry_protocol::feed::{Change, FeedItem};
use tenantry_protocol::page::{Page, PageQuery};
use tenantry_protocol::path::Operation;
use tenantry_protocol::permission::Permission;
use tenantry_protocol::principal::Whoami;
use tenantry_protocol::tenant::TenantView;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::{AbortHandle, JoinSet};

use crate::clock;
use crate::message::{Access, LinkState, Message, Request, Trouble};
use backoff::Backoff;

/// How long a read may take. Shorter than the client's own limit: a person is watching.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// A feed that was open for so long worked, even if nothing happened meanwhile.
pub const LASTING: Duration = Duration::from_secs(5);
/// How many requests may wait for the link.
pub const REQUESTS_LIMIT: usize = 64;
/// How many messages may wait for the model; then the feed waits, and the daemon tells the gap.
pub const MESSAGES_LIMIT: usize = 1_024;

/// The link to one daemon.
pub struct Link {
    client: Client,
    /// The tenant to look at, where the client sees several but not the host.
    preferred: Option<String>,
    requests: Receiver<Request>,
    messages: Sender<Message>,
    calls: JoinSet<()>,
    log: Option<AbortHandle>,
    /// Where the feed ended, so that nothing is missed in between.
    last_id: Option<String>,
    backoff: Backoff,
}

/// Why a session ended.
enum End {
    /// The dashboard has gone.
    Closed,
    /// The daemon has closed the feed in good order.
    Finished,
    /// Something broke.
    Broken(ClientError),
}

impl From<ClientError> for End {
    fn from(error: ClientError) -> Self {
        Self::Broken(error)
    }
}

impl Link {
    /// A link that is not connected yet.
    pub fn new(
        client: Client,
        preferred: Option<String>,
        requests: Receiver<Request>,
        messages: Sender<Message>,
    ) -> Self {
        Self {
            client: client.with_timeout(READ_TIMEOUT),
            preferred,
            requests,
            messages,
            calls: JoinSet::new(),
            log: None,
            last_id: None,
            backoff: Backoff::default(),
        }
    }

    /// Connects, and connects again, until the dashboard has gone.
    pub async fn run(mut self) {
        loop {
            let error = match self.session().await {
                End::Closed => return,
                // A daemon that rotates its streams is asked again at once; one that goes away refuses then.
                End::Finished if self.backoff.is_fresh() => {
                    self.backoff.spend();
                    continue;
                }
                End::Finished => ClientError::Broken("the daemon closed the feed".to_owned()),
                End::Broken(error) => error,
            };
            let wait = self.backoff.after_failure();
            let retry_at = clock::unix_ms().saturating_add(wait.as_millis() as i64);
            let state = LinkState::Lost { trouble: trouble(&error), retry_at };
            if !self.tell(Message::Link(state)).await || !self.wait(wait).await {
                return;
            }
            if !self.tell(Message::Link(LinkState::Connecting)).await {
                return;
            }
        }
    }

    /// Waits for the next try, or until a person asks for it. Whether the dashboard is still there.
    async fn wait(&mut self, wait: Duration) -> bool {
        let over = tokio::time::sleep(wait);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                request = self.requests.recv() => match request {
                    None => return false,
                    Some(Request::ConnectNow) => return true,
                    Some(request) => self.perform(request),
                },
                Some(_) = self.calls.join_next() => {}
            }
        }
    }

    /// One connection: who am I, the feed, and everything that is asked while it is open.
    async fn session(&mut self) -> End {
        let mut feed = match self.open().await {
            Ok(feed) => feed,
            Err(end) => return end,
        };
        let opened = Instant::now();
        let mut first = true;
        loop {
            tokio::select! {
                item = feed.next() => match item {
                    Ok(Some(item)) => {
                        self.backoff.reset();
                        self.last_id = item.id.clone().or_else(|| self.last_id.take());
                        let item: FeedItem = match item.decode() {
                            Ok(item) => item,
                            Err(error) => return error.into(),
                        };
                        // The gap at the beginning is covered: the model reads everything once the link is live.
                        let opening = std::mem::take(&mut first) && matches!(item.change, Change::Gap { .. });
                        if !opening && !self.tell(Message::Feed(item)).await {
                            return End::Closed;
                        }
                    }
                    Ok(None) => {
                        // An idle feed brings nothing by which to tell a good connection, but it lasts.
                        if opened.elapsed() >= LASTING {
                            self.backoff.reset();
                        }
                        return End::Finished;
                    }
                    Err(error) => return error.into(),
                },
                request = self.requests.recv() => match request {
                    None => return End::Closed,
                    Some(request) => self.perform(request),
                },
                Some(_) = self.calls.join_next() => {}
            }
        }
    }

    async fn open(&mut self) -> Result<Stream, End> {
        let access = self.access().await?;
        let last_id = self.last_id.as_deref();
        let feed = match &access.tenant {
            None => self.client.stream(Operation::HostFeed, &[], &(), last_id).await?,
            Some(tenant) => {
                self.client.stream(Operation::TenantFeed, &[tenant.as_str()], &(), last_id).await?
            }
        };
        let told = self.tell(Message::Access(access)).await;
        if told && self.tell(Message::Link(LinkState::Live)).await { Ok(feed) } else { Err(End::Closed) }
    }

    /// Who this client is, and which tenant it looks at if not all.
    async fn access(&self) -> Result<Access, ClientError> {
        let who: Whoami = self.client.get(Operation::Whoami, &[], &()).await?;
        let sees_host = who.permissions.contains(&Permission::HostAdmin);
        let tenant = match (sees_host, who.tenant_name, &self.preferred) {
            (true, _, _) => None,
            (false, Some(name), _) => Some(name),
            (false, None, Some(name)) => Some(name.clone()),
            (false, None, None) => Some(self.first_tenant().await?),
        };
        Ok(Access { principal: who.name, role: who.role, tenant })
    }

    async fn first_tenant(&self) -> Result<String, ClientError> {
        let query = PageQuery { limit: Some(1), after: None };
        let page: Page<TenantView> = self.client.get(Operation::TenantList, &[], &query).await?;
        let first = page.items.into_iter().next();
        first.map(|tenant| tenant.name).ok_or_else(|| {
            let code = ErrorCode::NotFound;
            ClientError::Problem(Box::new(Problem {
                code,
                title: code.title().to_owned(),
                status: code.status(),
                detail: "this token sees no tenant".to_owned(),
                hint: Some("name a tenant: `tenantry tui -t NAME`".to_owned()),
                request_id: tenantry_protocol::id::RequestId::new(clock::unix_ms()),
                retry_after_s: None,
                findings: Vec::new(),
            }))
        })
    }

    /// Begins a read; its answer comes as a message.
    fn perform(&mut self, request: Request) {
        if let (Request::Log { .. } | Request::CloseLog, Some(log)) = (&request, self.log.take()) {
            log.abort();
        }
        let reader = read::Reader { client: self.client.clone(), messages: self.messages.clone() };
        match request {
            Request::ConnectNow | Request::CloseLog => {}
            Request::Stats { tenant } => {
                self.calls.spawn(reader.stats(tenant));
            }
            Request::Runs { asked, tenants } => {
                self.calls.spawn(reader.runs(asked, tenants));
            }
            Request::Dead { tenants } => {
                self.calls.spawn(reader.dead(tenants));
            }
            Request::Run { tenant, run } => {
                self.calls.spawn(reader.run(tenant, run));
            }
            Request::Log { tenant, run, after } => {
                self.log = Some(self.calls.spawn(reader.log(tenant, run, after)));
            }
        }
    }

    /// Whether the dashboard is still there.
    async fn tell(&self, message: Message) -> bool {
        self.messages.send(message).await.is_ok()
    }
}

/// A failed call as it is shown.
fn trouble(error: &ClientError) -> Trouble {
    let code = error.code();
    let hint = match error {
        ClientError::Problem(problem) => problem.hint.clone(),
        _ => None,
    };
    Trouble { code, detail: error.to_string(), hint: hint.unwrap_or_else(|| code.remedy().to_owned()) }
}
