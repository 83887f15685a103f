//! What a tenant has: its workflows, and the names of its secrets, variables and channels.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use tenantry_protocol::channel::ChannelView;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::principal::SecretView;
use tenantry_protocol::variable::VariableView;
use tenantry_protocol::workflow::WorkflowView;

use super::report::Action;
use crate::commands::workflow::files::Text;
use crate::commands::workflow::revision;
use crate::diff;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::{Paging, Session};

/// What a tenant has.
pub(super) struct Deployed {
    pub(super) tenant: String,
    /// By name, the present revision.
    pub(super) workflows: BTreeMap<String, u32>,
    /// `None` where the principal may not know.
    secrets: Option<BTreeSet<String>>,
    vars: Option<BTreeSet<String>>,
    channels: Option<BTreeSet<String>>,
}

impl Deployed {
    pub(super) async fn read(session: &Session, tenant: String) -> Result<Self, Failure> {
        let workflows: Vec<WorkflowView> = all(session, Operation::WorkflowList, &tenant).await?;
        let workflows = workflows.into_iter().map(|view| (view.name, view.revision)).collect();
        let secrets = allowed(all::<SecretView>(session, Operation::SecretList, &tenant).await)?;
        let vars = allowed(all::<VariableView>(session, Operation::VarList, &tenant).await)?;
        let channels = allowed(all::<ChannelView>(session, Operation::ChannelList, &tenant).await)?;
        Ok(Self {
            secrets: secrets.map(|views| views.into_iter().map(|view| view.name).collect()),
            vars: vars.map(|views| views.into_iter().map(|view| view.name).collect()),
            channels: channels.map(|views| views.into_iter().map(|view| view.name).collect()),
            tenant,
            workflows,
        })
    }

    /// What applying a file would do, and the difference to what is deployed.
    pub(super) async fn compare(
        &self,
        session: &Session,
        name: &str,
        text: &Text,
    ) -> Result<(Action, String), Failure> {
        let Some(number) = self.workflows.get(name) else { return Ok((Action::Create, String::new())) };
        let revision = revision(session, &self.tenant, name, Some(*number)).await?;
        let old = revision.source.unwrap_or_default();
        let diff = diff::unified(&format!("{name} (revision {number})"), &text.name, &old, &text.text);
        let action = if diff.is_empty() { Action::Unchanged } else { Action::Change };
        Ok((action, diff))
    }

    /// What of these is not there yet, in words.
    pub(super) fn missing(&self, secrets: &[String], vars: &[String], channels: &[String]) -> Vec<String> {
        let absent = |what: &str, wanted: &[String], there: Option<&BTreeSet<String>>| {
            let absent = wanted.iter().filter(|name| there.is_some_and(|there| !there.contains(*name)));
            absent.map(|name| format!("{what} {name}")).collect::<Vec<_>>()
        };
        let mut missing = absent("secret", secrets, self.secrets.as_ref());
        missing.extend(absent("variable", vars, self.vars.as_ref()));
        missing.extend(absent("channel", channels, self.channels.as_ref()));
        missing
    }
}

async fn all<T: DeserializeOwned>(
    session: &Session,
    operation: Operation,
    tenant: &str,
) -> Result<Vec<T>, Failure> {
    let query = |limit, after| PageQuery { limit, after };
    Ok(session.pages::<T, _>(operation, &[tenant], &Paging::all(), query).await?.items)
}

/// `None` where the role does not allow the question.
fn allowed<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(failure) if failure.exit() == Exit::Auth => Ok(None),
        Err(failure) => Err(failure),
    }
}
