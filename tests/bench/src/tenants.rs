//! The tenants of the benchmark and their workflow W1.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tenantry_protocol::channel::{ChannelConfig, ChannelView};
use tenantry_protocol::client::{Client, ClientError};
use tenantry_protocol::path::{Operation, hook};
use tenantry_protocol::principal::SecretPut;
use tenantry_protocol::tenant::{TenantCreate, TenantLimits, TenantView};
use tenantry_protocol::workflow::{WorkflowApplied, WorkflowApply};

use crate::request::{SECRET, Webhook};

const W1: &str = r#"
name: w1
on:
  webhook: { path: w1, verify: { scheme: github, secret: "${{ secrets.HOOK }}" } }
steps:
  - id: call
    http:
      url: "http://RECEIVER/a"
      json: { id: "${{ event.body.id }}", ref: "${{ event.body.ref }}", by: "${{ event.body.pusher.name }}" }
notify:
  - { on: success, channel: out, title: "${{ workflow.name }}", message: "${{ event.body.id }}" }
"#;

/// Creates a tenant with W1 and a channel for test notifications; answers its webhook.
pub(crate) async fn create(
    client: &Client,
    name: &str,
    receiver: SocketAddr,
) -> Result<Webhook, ClientError> {
    let body = TenantCreate { name: name.to_owned(), title: None, limits: TenantLimits::default() };
    client.send::<TenantView>(Operation::TenantCreate, &[], &body).await?;
    let body = SecretPut { value: SECRET.to_owned() };
    client.send::<serde_json::Value>(Operation::SecretPut, &[name, "HOOK"], &body).await?;
    for (channel, path) in [("out", "n"), ("probe", "t")] {
        let config = ChannelConfig::Webhook {
            url: format!("http://{receiver}/{path}"),
            secret: Some("HOOK".to_owned()),
            headers: BTreeMap::new(),
        };
        client.send::<ChannelView>(Operation::ChannelPut, &[name, channel], &config).await?;
    }
    let source = W1.replace("RECEIVER", &receiver.to_string());
    let body = WorkflowApply { file: "w1.yaml".to_owned(), source, dry_run: false };
    client.send::<WorkflowApplied>(Operation::WorkflowApply, &[name], &body).await?;
    Ok(Webhook::to(&hook(name, "w1")))
}
