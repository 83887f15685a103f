//! `tenantry tenant`: who is served, in what state, within which limits.

use clap::{Args, Subcommand};
use serde_json::Value;
use tenantry_protocol::page::PageQuery;
use tenantry_protocol::path::Operation;
use tenantry_protocol::state::TenantState;
use tenantry_protocol::tenant::{
    QueueView, TenantCreate, TenantLimits, TenantStats, TenantUpdate, TenantView,
};

use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::input::confirm;
use crate::moment::{Clock, milliseconds};
use crate::session::{Paging, Session};
use crate::state;
use crate::table::{Cell, Column, Row};

/// Create, show, limit and delete tenants: each has one file of its own
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry tenant create acme --title 'Acme GmbH'
  tenantry tenant list -o json
  tenantry tenant update acme --weight 4 --egress-allow 10.0.7.0/24
  tenantry tenant suspend acme           refuse its events, keep its data")]
pub(crate) struct Tenant {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Create a tenant with a file of its own
    #[command(after_help = "\
Examples:
  tenantry tenant create acme
  tenantry tenant create acme --title 'Acme GmbH' --weight 2
  tenantry tenant create lab --egress-allow 127.0.0.1:8080")]
    Create {
        /// Lower-case letters, digits and dashes; part of its webhook URLs
        name: String,
        /// For people
        #[arg(long)]
        title: Option<String>,
        #[command(flatten)]
        limits: Limits,
    },
    /// List the tenants that you may see
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  tenantry tenant list
  tenantry tenant list -o name
  tenantry tenant list -o wide"
    )]
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a tenant with its limits
    #[command(after_help = "\
Examples:
  tenantry tenant show acme
  tenantry -t acme tenant show -o yaml")]
    Show {
        /// The tenant [default: that of --tenant]
        name: Option<String>,
    },
    /// Change a tenant's title or limits; what is not named stays
    #[command(after_help = "\
Examples:
  tenantry tenant update acme --title 'Acme AG'
  tenantry tenant update acme --queue-quota 50000 --ingress-per-second 200
  tenantry tenant update acme --egress-allow 10.0.7.0/24 --egress-allow db.internal:5432")]
    Update {
        /// The tenant
        name: String,
        /// A new title
        #[arg(long)]
        title: Option<String>,
        #[command(flatten)]
        limits: Limits,
    },
    /// Refuse a tenant's events and run nothing; its data is kept
    #[command(after_help = "\
Examples:
  tenantry tenant suspend acme")]
    Suspend {
        /// The tenant
        name: String,
    },
    /// Serve a suspended tenant again
    #[command(after_help = "\
Examples:
  tenantry tenant resume acme")]
    Resume {
        /// The tenant
        name: String,
    },
    /// Serve a quarantined tenant again, after its repaired file was put back
    ///
    /// A damaged file was moved to quarantine/ in the data folder. Put a repaired file, or a copy made before, in its
    /// old place: tenants/ID/tenant.db. It is checked (is it whole, is it this tenant's, does this release know its
    /// schema) and served only if it passes.
    #[command(after_help = "\
Examples:
  tenantry tenant restore acme")]
    Restore {
        /// The tenant
        name: String,
    },
    /// Delete a tenant with all it holds; asks first
    #[command(
        visible_alias = "rm",
        after_help = "\
Examples:
  tenantry tenant delete acme
  tenantry tenant delete acme --yes      in a script"
    )]
    Delete {
        /// The tenant
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show what a tenant has done since the daemon started, and what waits
    #[command(after_help = "\
Examples:
  tenantry tenant stats acme
  tenantry -t acme tenant stats -o json")]
    Stats {
        /// The tenant [default: that of --tenant]
        name: Option<String>,
    },
}

#[derive(Args, Debug, Default)]
struct Limits {
    /// Jobs that may wait in the trigger queue before new events are refused
    #[arg(long, value_name = "N")]
    queue_quota: Option<u32>,
    /// Share of every stage relative to other tenants
    #[arg(long, value_name = "N")]
    weight: Option<u32>,
    /// Webhook requests a second
    #[arg(long, value_name = "N")]
    ingress_per_second: Option<u32>,
    /// A private address its steps and channels may reach: HOST:PORT or a network; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    egress_allow: Vec<String>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        self.queue_quota.or(self.weight).or(self.ingress_per_second).is_none() && self.egress_allow.is_empty()
    }

    fn over(self, present: TenantLimits) -> TenantLimits {
        let TenantLimits { queue_quota, weight, ingress_per_second, egress_allow } = present;
        TenantLimits {
            queue_quota: self.queue_quota.or(queue_quota),
            weight: self.weight.or(weight),
            ingress_per_second: self.ingress_per_second.or(ingress_per_second),
            egress_allow: if self.egress_allow.is_empty() { egress_allow } else { self.egress_allow },
        }
    }
}

impl Tenant {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let output = session.output;
        match self.verb {
            Verb::Create { name, title, limits } => {
                let body = TenantCreate { name, title, limits: limits.over(TenantLimits::default()) };
                let tenant: TenantView = session.send(Operation::TenantCreate, &[], &body).await?;
                show(session, &tenant)?;
                output.note(&format!("next: tenantry -t {} workflow apply FILE", tenant.name));
            }
            Verb::List { paging } => {
                let query = |limit, after| PageQuery { limit, after };
                let page = session.pages::<TenantView, _>(Operation::TenantList, &[], &paging, query).await?;
                output.list(&page)?;
            }
            Verb::Show { name } => {
                let name = or_own(session, name).await?;
                let tenant: TenantView = session.get(Operation::TenantGet, &[&name], &()).await?;
                show(session, &tenant)?;
            }
            Verb::Update { name, title, limits } => update(session, &name, title, limits).await?,
            Verb::Suspend { name } => set_state(session, &name, TenantState::Suspended).await?,
            Verb::Resume { name } => set_state(session, &name, TenantState::Active).await?,
            Verb::Restore { name } => {
                let tenant: TenantView = session.send(Operation::TenantRestore, &[&name], &()).await?;
                show(session, &tenant)?;
                output.note(&format!("next: tenantry -t {} audit verify", tenant.name));
            }
            Verb::Delete { name, yes } => {
                let tenant: TenantView = session.get(Operation::TenantGet, &[&name], &()).await?;
                let question = format!("Delete the tenant {} with all it holds?", tenant.name);
                confirm(&question, yes, output).await?;
                session.send::<Value>(Operation::TenantDelete, &[&name], &()).await?;
                output.note(&format!("deleted tenant {}", tenant.name));
            }
            Verb::Stats { name } => {
                let name = or_own(session, name).await?;
                let stats: TenantStats = session.get(Operation::TenantStats, &[&name], &()).await?;
                output.machine(&stats, &stats.name, || {
                    output.fields(&stats_fields(&stats))?;
                    output.line("")?;
                    output.table(&stats.queues)
                })?;
            }
        }
        Ok(Exit::Ok)
    }
}

async fn or_own(session: &Session, name: Option<String>) -> Result<String, Failure> {
    match name {
        Some(name) => Ok(name),
        None => session.tenant().await,
    }
}

async fn update(session: &Session, name: &str, title: Option<String>, limits: Limits) -> Result<(), Failure> {
    if title.is_none() && limits.is_empty() {
        return Err(Failure::usage("nothing to change").with_hint("see `tenantry tenant update --help`"));
    }
    let limits = if limits.is_empty() {
        None
    } else {
        let present: TenantView = session.get(Operation::TenantGet, &[name], &()).await?;
        Some(limits.over(present.limits))
    };
    let body = TenantUpdate { title, state: None, limits };
    let tenant: TenantView = session.send(Operation::TenantUpdate, &[name], &body).await?;
    show(session, &tenant)
}

async fn set_state(session: &Session, name: &str, state: TenantState) -> Result<(), Failure> {
    let body = TenantUpdate { state: Some(state), ..TenantUpdate::default() };
    let tenant: TenantView = session.send(Operation::TenantUpdate, &[name], &body).await?;
    show(session, &tenant)
}

fn show(session: &Session, tenant: &TenantView) -> Result<(), Failure> {
    session.output.show(tenant, &tenant.name, |clock| {
        let limits = &tenant.limits;
        let default =
            |limit: Option<u32>| limit.map_or_else(|| "host's default".to_owned(), |n| n.to_string());
        vec![
            ("name", tenant.name.clone().into()),
            ("title", Cell::or_dash(tenant.title.clone())),
            ("id", tenant.id.to_string().into()),
            ("state", state::tenant(tenant.state, tenant.degraded)),
            ("queue quota", default(limits.queue_quota).into()),
            ("weight", default(limits.weight).into()),
            ("ingress a second", default(limits.ingress_per_second).into()),
            ("egress allowed", Cell::or_dash(some_words(&limits.egress_allow))),
            ("audit key", Cell::or_dash(tenant.audit_key.clone())),
            ("inbox folder", Cell::or_dash(tenant.inbox.clone())),
            ("created", clock.at(tenant.created_at).into()),
            ("updated", clock.at(tenant.updated_at).into()),
        ]
    })
}

fn some_words(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.join(", "))
}

fn stats_fields(stats: &TenantStats) -> Vec<(&'static str, Cell)> {
    let counters = &stats.counters;
    vec![
        ("tenant", stats.name.clone().into()),
        ("state", state::tenant(stats.state, stats.degraded)),
        ("events accepted", counters.events_accepted.to_string().into()),
        ("events refused", counters.events_refused.to_string().into()),
        ("events duplicate", counters.events_duplicate.to_string().into()),
        ("runs started", counters.runs_started.to_string().into()),
        ("runs succeeded", counters.runs_succeeded.to_string().into()),
        ("runs failed", counters.runs_failed.to_string().into()),
        ("runs cancelled", counters.runs_cancelled.to_string().into()),
        ("attempts", counters.attempts.to_string().into()),
        ("notifications", counters.notifications_delivered.to_string().into()),
        ("dead letters", counters.dead_letters.to_string().into()),
    ]
}

impl Row for TenantView {
    const COLUMNS: &'static [Column] = &[
        Column::new("NAME"),
        Column::new("STATE"),
        Column::new("TITLE"),
        Column::wide("ID"),
        Column::new("CREATED"),
    ];

    fn cells(&self, clock: Clock) -> Vec<Cell> {
        vec![
            self.name.clone().into(),
            state::tenant(self.state, self.degraded),
            Cell::or_dash(self.title.clone()),
            self.id.to_string().into(),
            clock.at(self.created_at).into(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

impl Row for QueueView {
    const COLUMNS: &'static [Column] = &[
        Column::new("STAGE"),
        Column::right("READY"),
        Column::right("LEASED"),
        Column::right("DEAD"),
        Column::right("OLDEST"),
    ];

    fn cells(&self, _: Clock) -> Vec<Cell> {
        let oldest = (self.oldest_ms > 0).then(|| milliseconds(self.oldest_ms as i64));
        vec![
            self.stage.as_str().into(),
            self.ready.to_string().into(),
            self.leased.to_string().into(),
            self.dead.to_string().into(),
            Cell::or_dash(oldest),
        ]
    }

    fn name(&self) -> String {
        self.stage.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_are_not_named_stay() {
        let present =
            TenantLimits { weight: Some(4), egress_allow: vec!["a:1".into()], ..Default::default() };
        let change = Limits { queue_quota: Some(9), ..Limits::default() };
        let merged = change.over(present);
        assert_eq!((merged.queue_quota, merged.weight), (Some(9), Some(4)));
        assert_eq!(merged.egress_allow, ["a:1"]);
    }
}
