//! A tenant of the demo: its secrets, its channels and its workflow.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tenantry_protocol::channel::{ChannelConfig, ChannelView};
use tenantry_protocol::client::Client;
use tenantry_protocol::id::TenantId;
use tenantry_protocol::path::{Operation, hook};
use tenantry_protocol::principal::SecretPut;
use tenantry_protocol::tenant::{TenantCreate, TenantLimits, TenantView};
use tenantry_protocol::workflow::{WorkflowApplied, WorkflowApply};

use super::receiver::Receiver;
use super::sign;
use crate::failure::Failure;

const WORKFLOW: &str = include_str!("push-report.yaml");
/// What stands in the text for the demo's receiver.
const RECEIVER: &str = "http://receiver.example";

/// A tenant and the secrets that the outside shares with it.
pub(super) struct DemoTenant {
    pub(super) name: String,
    pub(super) id: TenantId,
    /// Signs webhooks that go in.
    pub(super) github: String,
    /// What the workflow's request authenticates with.
    pub(super) api_token: String,
    /// Signs notifications that come out.
    pub(super) signing: String,
}

impl DemoTenant {
    pub(super) async fn create(client: &Client, name: &str) -> Result<Self, Failure> {
        let body = TenantCreate { name: name.to_owned(), title: None, limits: TenantLimits::default() };
        let view: TenantView = client.send(Operation::TenantCreate, &[], &body).await?;
        Ok(Self {
            name: view.name,
            id: view.id,
            github: sign::new_secret()?,
            api_token: sign::new_secret()?,
            signing: sign::new_secret()?,
        })
    }

    /// Writes secrets, channels and the workflow; says so in a line.
    pub(super) async fn furnish(&self, client: &Client, receiver: &Receiver) -> Result<String, Failure> {
        let secrets = [("GITHUB", &self.github), ("API_TOKEN", &self.api_token), ("SIGNING", &self.signing)];
        for (name, value) in secrets {
            let body = SecretPut { value: value.clone() };
            client.send::<Value>(Operation::SecretPut, &[&self.name, name], &body).await?;
        }
        let team = ChannelConfig::Webhook {
            url: receiver.url(&self.notify_path()),
            secret: Some("SIGNING".to_owned()),
            headers: BTreeMap::new(),
        };
        for (name, config) in [("team", team), ("desk", ChannelConfig::Inbox)] {
            client.send::<ChannelView>(Operation::ChannelPut, &[&self.name, name], &config).await?;
        }
        let source = WORKFLOW.replace(RECEIVER, &receiver.url(&format!("/{}", self.name)));
        let body = WorkflowApply { file: "push-report.yaml".to_owned(), source, dry_run: false };
        let applied: WorkflowApplied = client.send(Operation::WorkflowApply, &[&self.name], &body).await?;
        let revision = applied.workflow.map_or(0, |workflow| workflow.revision);
        Ok(format!(
            "3 secrets (write-only), channels team (webhook) and desk (inbox), push-report revision {revision}"
        ))
    }

    /// Where its webhooks come in.
    pub(super) fn hook(&self) -> String {
        hook(&self.name, "github")
    }

    /// Where the workflow asks for stars.
    pub(super) fn stars_path(&self) -> String {
        format!("/{}/stars", self.name)
    }

    /// Where its notifications go.
    pub(super) fn notify_path(&self) -> String {
        format!("/{}/notify", self.name)
    }

    /// A push as GitHub describes it, shortened.
    pub(super) fn push(&self) -> Vec<u8> {
        let push = json!({
            "ref": "refs/heads/main",
            "repository": { "full_name": format!("{}/shop", self.name) },
            "pusher": { "name": "ada" },
            "commits": [
                { "id": "7b1c", "message": "Count stock before it is sold" },
                { "id": "9e02", "message": "Say when a parcel leaves" },
            ],
        });
        push.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demos_workflow_is_valid_and_names_what_the_demo_provides() {
        let checked = tenantry_workflow::check("push-report.yaml", WORKFLOW, tenantry_workflow::Format::Yaml);
        assert_eq!(checked.findings, []);
        assert!(checked.workflow.is_some());
        assert_eq!(WORKFLOW.matches(&format!("{RECEIVER}/")).count(), 1);
    }
}
