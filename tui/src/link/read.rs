//! The reads: each is one or a few calls and ends in exactly one answer or failure (a log: in lines and an end).

use serde::Serialize;
use serde::de::DeserializeOwned;
use tenantry_protocol::client::{Client, ClientError};
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::health::{HostStats, Status};
use tenantry_protocol::id::{RunId, TenantId};
use tenantry_protocol::page::{PAGE_LIMIT, Page};
use tenantry_protocol::path::Operation;
use tenantry_protocol::queue::DeadQuery;
use tenantry_protocol::run::{LogLine, LogQuery, RunQuery, RunView, StepView};
use tenantry_protocol::tenant::TenantStats;
use tokio::sync::mpsc::Sender;

use super::trouble;
use crate::message::{Answer, Message, Read};

/// How many runs of each tenant are read.
const RUNS_READ: u32 = 50;
/// How many dead letters of each tenant are read.
const DEAD_READ: u32 = 200;
/// How many pages of a log are read before it is followed; beyond that the middle of it is left out.
const LOG_PAGES: usize = 20;

/// What a read needs.
pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) messages: Sender<Message>,
}

impl Reader {
    /// Counters and queues: of the tenant, or of the host with every tenant.
    pub(super) async fn stats(self, tenant: Option<String>) {
        let answer = self.read_stats(tenant).await;
        self.finish(Read::Stats, answer).await;
    }

    /// The latest runs of some tenants.
    pub(super) async fn runs(self, asked: u64, tenants: Vec<(TenantId, String)>) {
        let query = RunQuery { limit: Some(RUNS_READ), ..RunQuery::default() };
        let lists = self.of_each(Operation::RunList, tenants, &query).await;
        self.finish(Read::Runs, lists.map(|lists| Answer::Runs { asked, lists })).await;
    }

    /// The dead letters of some tenants.
    pub(super) async fn dead(self, tenants: Vec<(TenantId, String)>) {
        let query = DeadQuery { limit: Some(DEAD_READ), ..DeadQuery::default() };
        let answer = self.of_each(Operation::DeadList, tenants, &query).await;
        self.finish(Read::Dead, answer.map(Answer::Dead)).await;
    }

    /// One run with its steps and attempts.
    pub(super) async fn run(self, tenant: String, run: RunId) {
        let answer = self.read_run(&tenant, run).await;
        self.finish(Read::Run(run), answer).await;
    }

    /// The log of a run up to its end.
    pub(super) async fn log(self, tenant: String, run: RunId, after: Option<i64>) {
        let trouble = self.read_log(&tenant, run, after).await.err().map(|error| trouble(&error));
        self.tell(Message::LogEnd { run, trouble }).await;
    }

    async fn read_stats(&self, tenant: Option<String>) -> Result<Answer, ClientError> {
        if let Some(tenant) = tenant {
            let stats: TenantStats = self.client.get(Operation::TenantStats, &[tenant.as_str()], &()).await?;
            return Ok(Answer::Stats { host: None, tenants: vec![stats] });
        }
        let status: Status = self.client.get(Operation::HostStatus, &[], &()).await?;
        let stats: HostStats = self.client.get(Operation::HostStats, &[], &()).await?;
        Ok(Answer::Stats { host: Some(Box::new(status)), tenants: stats.tenants })
    }

    /// One page of each tenant.
    async fn of_each<T: DeserializeOwned>(
        &self,
        operation: Operation,
        tenants: Vec<(TenantId, String)>,
        query: &impl Serialize,
    ) -> Result<Vec<(TenantId, Vec<T>)>, ClientError> {
        let mut lists = Vec::with_capacity(tenants.len());
        for (id, name) in tenants {
            let page: Result<Page<T>, _> = self.client.get(operation, &[name.as_str()], query).await;
            match page {
                Ok(page) => lists.push((id, page.items)),
                // One tenant that is gone or set aside does not hide what the others have.
                Err(ClientError::Problem(problem)) if is_of_the_tenant(problem.code) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(lists)
    }

    async fn read_run(&self, tenant: &str, run: RunId) -> Result<Answer, ClientError> {
        let run = run.to_string();
        let path = [tenant, run.as_str()];
        let mut view: RunView = self.client.get(Operation::RunGet, &path, &()).await?;
        // The steps of the run come without their attempts.
        let steps: Page<StepView> = self.client.get(Operation::RunSteps, &path, &()).await?;
        if !steps.items.is_empty() {
            view.steps = steps.items;
        }
        view.steps.sort_by_key(|step| step.index);
        Ok(Answer::Run(Box::new(view)))
    }

    async fn read_log(&self, tenant: &str, run: RunId, after: Option<i64>) -> Result<(), ClientError> {
        let id = run.to_string();
        let path = [tenant, id.as_str()];
        let mut query = LogQuery { limit: Some(PAGE_LIMIT), ..LogQuery::default() };
        let mut last = after;
        if after.is_none() {
            for _ in 0..LOG_PAGES {
                let page: Page<LogLine> = self.client.get(Operation::RunLogs, &path, &query).await?;
                last = page.items.last().map(|line| line.seq).or(last);
                self.tell(Message::Log { run, lines: page.items }).await;
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
        }
        // Where a log goes on is the id of its last line, as a cursor and as the id of an event.
        let last = last.map(|seq| seq.to_string());
        let query = LogQuery { follow: true, after: last.clone(), ..LogQuery::default() };
        let mut stream = self.client.stream(Operation::RunLogs, &path, &query, last.as_deref()).await?;
        while let Some(event) = stream.next().await? {
            // Events of other kinds are for later releases.
            if let Ok(line) = event.decode::<LogLine>() {
                self.tell(Message::Log { run, lines: vec![line] }).await;
            }
        }
        Ok(())
    }

    async fn finish(&self, read: Read, answer: Result<Answer, ClientError>) {
        let message = match answer {
            Ok(answer) => Message::Answer(answer),
            Err(error) => Message::Failed { read, trouble: trouble(&error) },
        };
        self.tell(message).await;
    }

    /// A dashboard that has gone is noticed by the link; here there is nothing left to do.
    async fn tell(&self, message: Message) {
        drop(self.messages.send(message).await);
    }
}

/// Whether a failure concerns one tenant and not the daemon.
const fn is_of_the_tenant(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotFound
            | ErrorCode::TenantSuspended
            | ErrorCode::TenantQuarantined
            | ErrorCode::TenantDegraded
            | ErrorCode::StoreCorrupt
            | ErrorCode::StoreBusy
    )
}
