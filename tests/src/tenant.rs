//! A tenant of a test daemon, and the things one does with it.

use tenantry_protocol::channel::{ChannelConfig, ChannelView};
use tenantry_protocol::client::{Client, ClientError};
use tenantry_protocol::page::Page;
use tenantry_protocol::path::{Operation, hook};
use tenantry_protocol::permission::Role;
use tenantry_protocol::principal::{KeyCreate, KeyCreated, Login, SecretPut};
use tenantry_protocol::run::{RunQuery, RunStart, RunView};
use tenantry_protocol::tenant::{TenantCreate, TenantLimits, TenantView};
use tenantry_protocol::workflow::{WorkflowApplied, WorkflowApply};

use crate::daemon::{TestDaemon, soon};
use crate::http::{Answer, Call};
use crate::sign;

/// The secret that [`TestTenant::start`] stores as `HOOK`.
pub const HOOK_SECRET: &str = "a secret for signing webhooks";

/// A tenant with the secret `HOOK`, and an admin's client of it.
pub struct TestTenant {
    /// Its name.
    pub name: String,
    /// As the daemon showed it when it was created.
    pub view: TenantView,
    host: Client,
}

impl TestTenant {
    /// Creates a tenant.
    pub async fn start(daemon: &TestDaemon, name: &str) -> Result<Self, ClientError> {
        Self::start_with(daemon, name, TenantLimits::default()).await
    }

    /// Creates a tenant with limits of its own.
    pub async fn start_with(
        daemon: &TestDaemon,
        name: &str,
        limits: TenantLimits,
    ) -> Result<Self, ClientError> {
        let host = daemon.client().clone();
        let create = TenantCreate { name: name.to_owned(), title: None, limits };
        let view = host.send(Operation::TenantCreate, &[], &create).await?;
        let tenant = Self { name: name.to_owned(), view, host };
        tenant.secret("HOOK", HOOK_SECRET).await?;
        Ok(tenant)
    }

    /// The tenant's folder below the data folder.
    pub fn folder(&self, daemon: &TestDaemon) -> std::path::PathBuf {
        daemon.data().join("tenants").join(self.view.id.to_string())
    }

    /// Writes a secret.
    pub async fn secret(&self, name: &str, value: &str) -> Result<(), ClientError> {
        let body = SecretPut { value: value.to_owned() };
        self.host.send::<serde_json::Value>(Operation::SecretPut, &[&self.name, name], &body).await.map(drop)
    }

    /// Creates a channel that leads to a URL.
    pub async fn webhook_channel(&self, name: &str, url: String) -> Result<ChannelView, ClientError> {
        let body = ChannelConfig::Webhook { url, secret: None, headers: std::collections::BTreeMap::new() };
        self.host.send(Operation::ChannelPut, &[&self.name, name], &body).await
    }

    /// Creates a channel that leads to the inbox.
    pub async fn inbox_channel(&self, name: &str) -> Result<ChannelView, ClientError> {
        self.host.send(Operation::ChannelPut, &[&self.name, name], &ChannelConfig::Inbox).await
    }

    /// Applies a workflow.
    pub async fn apply(&self, source: &str) -> Result<WorkflowApplied, ClientError> {
        let body = WorkflowApply { file: "test.yaml".to_owned(), source: source.to_owned(), dry_run: false };
        self.host.send(Operation::WorkflowApply, &[&self.name], &body).await
    }

    /// Starts a workflow by hand.
    pub async fn run(&self, workflow: &str, inputs: serde_json::Value) -> Result<RunView, ClientError> {
        let inputs = inputs.as_object().cloned().unwrap_or_default();
        let body = RunStart { inputs, ..RunStart::default() };
        let accepted: tenantry_protocol::run::Accepted =
            self.host.send(Operation::WorkflowRun, &[&self.name, workflow], &body).await?;
        match accepted.run {
            // The id is given with the acknowledgement; the trigger stage makes the run a moment later.
            Some(run) => {
                Ok(soon("the run is made", || async { self.run_view(&run.to_string()).await.ok() }).await)
            }
            None => self.run_of_event(&accepted.event.to_string()).await,
        }
    }

    /// Waits for the first run of an event.
    pub async fn run_of_event(&self, event: &str) -> Result<RunView, ClientError> {
        let run = soon("the event has a run", || async {
            let view: tenantry_protocol::run::EventView =
                self.host.get(Operation::EventGet, &[&self.name, event], &()).await.ok()?;
            view.runs.first().copied()
        })
        .await;
        self.run_view(&run.to_string()).await
    }

    /// A run with its steps.
    pub async fn run_view(&self, run: &str) -> Result<RunView, ClientError> {
        self.host.get(Operation::RunGet, &[&self.name, run], &()).await
    }

    /// Waits until a run has ended.
    pub async fn ended(&self, run: &str) -> RunView {
        soon("the run ends", || async { self.run_view(run).await.ok().filter(|r| r.state.is_terminal()) })
            .await
    }

    /// All runs, newest first, page by page.
    pub async fn runs(&self) -> Result<Vec<RunView>, ClientError> {
        let mut all = Vec::new();
        let mut query = RunQuery { limit: Some(500), ..RunQuery::default() };
        loop {
            let page: Page<RunView> = self.host.get(Operation::RunList, &[&self.name], &query).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(all),
            }
        }
    }

    /// A client that is logged in with a new key of a role in this tenant.
    pub async fn member(&self, daemon: &TestDaemon, role: Role) -> Result<(Client, KeyCreated), ClientError> {
        let body = KeyCreate { name: format!("test-{role}"), role, expires_in_days: None };
        let created: KeyCreated = self.host.send(Operation::KeyCreate, &[&self.name], &body).await?;
        let client = daemon.stranger();
        client.login(&Login::Key { key: created.key.clone(), scope: None }).await?;
        Ok((client, created))
    }

    /// Sends a webhook signed as GitHub does, with this delivery id.
    pub async fn hook(
        &self,
        daemon: &TestDaemon,
        path: &str,
        delivery: &str,
        body: &[u8],
    ) -> std::io::Result<Answer> {
        signed_hook(&self.name, path, delivery, body).tcp(daemon.ingress()).await
    }
}

/// A webhook signed as GitHub does with [`HOOK_SECRET`].
pub fn signed_hook(tenant: &str, path: &str, delivery: &str, body: &[u8]) -> Call {
    Call::post(hook(tenant, path), body)
        .header("content-type", "application/json")
        .header("x-github-delivery", delivery)
        .header("x-github-event", "push")
        .header("x-hub-signature-256", sign::github(HOOK_SECRET, body))
}
