//! The crash harness: an oracle outside of the daemon, which kills it under load again and again and then balances the books on
//! everything that was acknowledged.
//!
//! Several tenants are sent numbered, signed webhooks. Every one leads to an action and a notification that arrive at a
//! real receiver, which lives in this process and survives. The daemon's process group gets SIGKILL at random moments and
//! is started again, while a schedule of each tenant fires every second. A sender repeats a number under the same delivery id until it is acknowledged, as real senders do,
//! so at the end every number has been acknowledged and the books must balance exactly.
//!
//! Invariant: what counts as acknowledged is decided by the sender's side of the wire, never asked of the daemon.
//!
//! `load` sends, `ticks` has the schedule, `books` balances the books.

pub mod books;
pub mod load;
pub mod ticks;

use std::io;
use std::time::{Duration, Instant};

use crate::daemon::{Home, TestDaemon};
use crate::random::Random;
use crate::receiver::Receiver;
use crate::tenant::TestTenant;
use books::Books;
use load::{Load, Target};

/// How the daemon is mistreated.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many times it is killed.
    pub kills: u32,
    /// How many tenants are served meanwhile.
    pub tenants: u32,
    /// Webhooks a second and tenant.
    pub rate: u32,
    /// Chooses the moments.
    pub seed: u64,
}

/// The shortest and the longest time that the daemon may live, in milliseconds after it was ready.
const LIFE_MS: (u64, u64) = (100, 1_500);
/// How long the queues may take to empty once nobody kills the daemon any more.
const SETTLE: Duration = Duration::from_mins(2);

/// What came of it.
#[derive(Debug)]
pub struct Report {
    /// The plan.
    pub plan: Plan,
    /// Everything counted.
    pub books: Books,
    /// From each start to readiness, sorted.
    pub starts: Vec<Duration>,
    /// From the last kill until nothing waited any more.
    pub settled: Duration,
    /// From the first webhook to the last look.
    pub took: Duration,
}

impl Report {
    /// Whether nothing was lost, stuck or done twice.
    pub fn is_good(&self) -> bool {
        self.books.problems.is_empty() && self.books.acknowledged > 0 && self.books.fires > 0
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at =
            |part: usize| self.starts.get((self.starts.len() - 1) * part / 100).copied().unwrap_or_default();
        writeln!(
            f,
            "{} kills, {} tenants, seed {}: {} events acknowledged ({} only after a repeat), in {:.1} s",
            self.plan.kills,
            self.plan.tenants,
            self.plan.seed,
            self.books.acknowledged,
            self.books.repeated,
            self.took.as_secs_f64()
        )?;
        writeln!(
            f,
            "actions received {} times for {} steps, notifications {} times for {}: every repeat under its first key",
            self.books.actions, self.books.acknowledged, self.books.notifications, self.books.acknowledged
        )?;
        writeln!(f, "{} fires of schedules, every second exactly once", self.books.fires)?;
        writeln!(
            f,
            "ready after p50 {:.0?}, p99 {:.0?}; queues empty {:.1?} after the last kill",
            at(50),
            at(99),
            self.settled
        )?;
        if self.books.problems.is_empty() {
            return write!(f, "nothing lost, nothing stuck, nothing done twice");
        }
        write!(f, "{} PROBLEMS:", self.books.problems.len())?;
        self.books.problems.iter().take(20).try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

fn workflow(receiver: &Receiver, tenant: &str) -> String {
    format!(
        "name: numbered
on:
  webhook:
    path: numbered
    verify: {{ scheme: github, secret: \"${{{{ secrets.HOOK }}}}\" }}
    dedupe: {{ key: \"${{{{ event.body.number }}}}\", ttl: 72h }}
steps:
  - id: act
    http: {{ method: POST, url: \"{}/${{{{ event.body.number }}}}\" }}
    retry: {{ attempts: 50, backoff: constant, delay: 200ms }}
notify:
  - {{ on: [success], channel: ops, message: \"number ${{{{ event.body.number }}}}\" }}
",
        receiver.url(&format!("/act/{tenant}"))
    )
}

/// Carries out a plan. An error means that the harness could not do its work, not that the daemon failed.
pub async fn run(plan: Plan) -> io::Result<Report> {
    let mut random = Random::new(plan.seed);
    let receiver = Receiver::start().await?;
    let mut daemon = TestDaemon::start_in(Home::new("level = \"warn\"\n")?).await?;
    let mut tenants = Vec::new();
    for number in 1..=plan.tenants {
        let tenant =
            TestTenant::start(&daemon, &format!("tenant-{number}")).await.map_err(io::Error::other)?;
        let url = receiver.url(&format!("/notify/{}", tenant.name));
        tenant.webhook_channel("ops", url).await.map_err(io::Error::other)?;
        tenant.apply(&workflow(&receiver, &tenant.name)).await.map_err(io::Error::other)?;
        tenants.push(tenant);
    }
    let mut ticking = Vec::new();
    for tenant in &tenants {
        ticking.push(crate::sign::now());
        tenant.apply(&ticks::workflow(&receiver, &tenant.name)).await.map_err(io::Error::other)?;
    }
    let begun = Instant::now();
    let target = Target::new(daemon.ingress());
    let load = Load::start(&target, tenants.iter().map(|t| t.name.clone()), plan.rate);
    let mut starts = Vec::new();
    for _ in 0..plan.kills {
        let life = LIFE_MS.0 + random.below(LIFE_MS.1 - LIFE_MS.0);
        tokio::time::sleep(Duration::from_millis(life)).await;
        daemon.kill();
        starts.push(daemon.restart().await?);
        target.moved(daemon.ingress());
    }
    let last = Instant::now();
    let sent = load.finish().await?;
    let mut ticked = Vec::new();
    for (tenant, from) in tenants.iter().zip(ticking) {
        ticked.push((from, ticks::finish(&daemon, tenant).await.map_err(io::Error::other)?));
    }
    let mut books = Books::default();
    books::wait_until_settled(&daemon, &tenants, SETTLE, &mut books).await?;
    let settled = last.elapsed();
    for (tenant, ticked) in tenants.iter().zip(ticked) {
        books::balance(&daemon, tenant, &receiver, &sent[&tenant.name], ticked, &mut books).await?;
    }
    starts.sort_unstable();
    Ok(Report { plan, books, starts, settled, took: begun.elapsed() })
}
