//! Applying files: all of them in one call, so that either every workflow is as the files say or nothing has changed.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use clap::Args;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::printable::printable;
use tenantry_protocol::workflow::{
    Applied, WorkflowFile, WorkflowSet, WorkflowSetApplied, WorkflowSetItem, WorkflowView,
};

use super::files::{self, Text};
use crate::exit::Exit;
use crate::failure::{Ended, Failure, finding_text};
use crate::input::confirm;
use crate::session::{Paging, Session};

/// Apply workflow files: create, or add a revision where the text has changed
///
/// All files are applied together: one that is not valid, and nothing is changed. With --prune the tenant's workflows
/// that are in none of the files are deleted in the same step; it asks first.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry -t acme workflow apply hello.yaml
  tenantry -t acme workflow apply workflows/ --dry-run
  tenantry -t acme workflow apply workflows/ --prune
  generate | tenantry -t acme workflow apply -
  tenantry -t acme workflow apply workflows/ -o json | jq -r '.workflows[] | select(.applied == \"updated\").name'")]
pub(super) struct Apply {
    /// Files, folders, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    stdin: files::StdinName,
    /// Check and compare only; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Delete the tenant's workflows that are in none of the files; their runs are kept
    #[arg(long)]
    prune: bool,
    /// Do not ask before pruning
    #[arg(long, requires = "prune")]
    yes: bool,
}

impl Apply {
    pub(super) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        let texts = files::read(&self.paths, &self.stdin)?;
        // Found here before anything is asked or sent; the daemon checks again.
        let names = names(&texts)?;
        let tenant = session.tenant().await?;
        let prune = if self.prune { to_prune(session, &tenant, &names).await? } else { Vec::new() };
        if !prune.is_empty() && !self.dry_run {
            let question = format!(
                "Delete what is in none of the files from {tenant}: {}? The runs are kept.",
                prune.join(", ")
            );
            confirm(&question, self.yes, output).await?;
        }
        let files = texts.into_iter().map(|text| WorkflowFile { file: text.name, source: text.text });
        let body = WorkflowSet { files: files.collect(), prune, dry_run: self.dry_run };
        let applied: WorkflowSetApplied =
            session.send(Operation::WorkflowApplySet, &[&tenant], &body).await?;
        for finding in &applied.findings {
            output.warn(&finding_text(finding, output.colour_err()));
        }
        let names: Vec<&str> = applied.workflows.iter().map(|item| item.name.as_str()).collect();
        output.several(&applied, &names, || {
            let lines = applied.workflows.iter().map(|item| line(item, self.dry_run));
            output.raw(&lines.collect::<String>())
        })?;
        Ok(Exit::Ok)
    }
}

/// The names in the files; a failure with the findings of all of them if there is an error.
pub(super) fn names(texts: &[Text]) -> Result<BTreeSet<String>, Failure> {
    let mut names = BTreeSet::new();
    let mut refused: Option<Failure> = None;
    let mut first: HashMap<String, &str> = HashMap::new();
    for text in texts {
        let workflow = text.workflow().and_then(|workflow| {
            let Some(other) = first.insert(workflow.name.clone(), &text.name) else { return Ok(workflow) };
            let finding = tenantry_workflow::duplicate_workflow(&workflow.name, &text.name, other);
            let failure = Failure::new(ErrorCode::InvalidWorkflow, format!("{} is not valid", text.name));
            Err(failure.with_findings(vec![finding]))
        });
        match (workflow, &mut refused) {
            (Ok(workflow), _) => drop(names.insert(workflow.name)),
            (Err(failure), None) => refused = Some(failure),
            (Err(failure), Some(first)) => first.absorb(failure),
        }
    }
    refused.map_or(Ok(names), Err)
}

/// The tenant's workflows that are not among these.
pub(super) async fn to_prune(
    session: &Session,
    tenant: &str,
    names: &BTreeSet<String>,
) -> Result<Vec<String>, Failure> {
    let query = |limit, after| PageQuery { limit, after };
    let page =
        session.pages::<WorkflowView, _>(Operation::WorkflowList, &[tenant], &Paging::all(), query).await?;
    let there = page.items.into_iter().map(|view| view.name);
    Ok(there.filter(|name| !names.contains(name)).collect())
}

fn line(item: &WorkflowSetItem, dry_run: bool) -> String {
    let word = match (item.applied, dry_run) {
        (Applied::Unchanged, _) => "unchanged",
        (Applied::Created, false) => "created",
        (Applied::Updated, false) => "updated",
        (Applied::Pruned, false) => "deleted",
        (Applied::Created, true) => "would be created",
        (Applied::Updated, true) => "would be updated",
        (Applied::Pruned, true) => "would be deleted",
    };
    let revision = item.revision.map_or_else(String::new, |revision| format!(" (revision {revision})"));
    format!("{} {word}{revision}\n", printable(&item.name))
}
