//! `tenantry demo`: the main job on real input, in a private folder, from the first start to the drain.
//!
//! Nothing is pretended: the daemon is this program started again, the webhook comes over TCP with a real signature,
//! the receiver is a real HTTP server. **Invariant:** what does not happen as told is a check that does not hold,
//! and one such check is a non-zero exit. Go next to [`story`] for what is told, to the others for what is done.

mod house;
mod patience;
mod pipeline;
mod receiver;
mod refusals;
mod sender;
mod sign;
mod story;
mod tenant;

use std::time::Duration;

use clap::Args;

use crate::failure::{Ended, Failure};
use crate::session::Session;
use house::House;
use receiver::Receiver;
use story::Story;
use tenant::DemoTenant;

/// How long the daemon may take to drain.
const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// See the whole thing run: two tenants, a signed webhook, four stages, notifications
///
/// Starts a daemon in a private temporary folder, creates the tenants acme and globex, applies a workflow to each,
/// sends each a webhook signed as GitHub's are, follows it through Trigger, Action, Logging and Notification, has a
/// forged webhook and a read across tenants refused, drains the daemon and cleans up. Needs neither root nor a
/// network. Exits with 0 only if every check holds; `-o json` prints them as one document.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry demo
  tenantry demo -o json | jq -e .ok
  tenantry demo -o json | jq .stages
  tenantry demo --keep                   leave the folder, to look into it")]
pub(crate) struct Demo {
    /// Leave the folder when it is over
    #[arg(long)]
    keep: bool,
}

impl Demo {
    pub(crate) async fn run(self, session: &Session) -> Ended {
        let mut story = Story::new(session.output);
        let told = tell(&mut story, self.keep).await;
        story.end(told)
    }
}

/// The chapters in order. An error is a chapter that could not be told to its end.
async fn tell(story: &mut Story, keep: bool) -> Result<(), Failure> {
    story.opening()?;
    let receiver = Receiver::start().await?;
    let mut house = House::build(receiver.address(), keep)?;
    let told = chapters(story, &mut house, &receiver).await;
    if told.as_ref().is_err_and(|failure| !failure.is_silent()) || !story.holds() {
        story.telemetry(&house.telemetry());
    }
    told?;
    story.chapter("The daemon drains")?;
    let status = house.drain(DRAIN_LIMIT).await?;
    story.check(
        "drain",
        status.success(),
        &format!("SIGTERM: leased jobs settle, then it ends with {status}"),
    )?;
    let folder = house.folder().display().to_string();
    let gone = house.clear()?;
    let after = if keep { format!("{folder} is left for you") } else { format!("{folder} is gone") };
    story.check("clean", gone != keep, &after)
}

async fn chapters(story: &mut Story, house: &mut House, receiver: &Receiver) -> Result<(), Failure> {
    story.chapter("A daemon of its own")?;
    let client = house.start().await?;
    story.check("daemon", true, &house.describe())?;

    story.chapter("Two tenants, one file each")?;
    let acme = DemoTenant::create(&client, "acme").await?;
    let globex = DemoTenant::create(&client, "globex").await?;
    for tenant in [&acme, &globex] {
        let file = house.tenant_file(&tenant.id);
        story.check("tenant-file", file.is_file(), &format!("{}: {}", tenant.name, house.short(&file)))?;
    }

    story.chapter("Secrets, channels and a workflow for each")?;
    for tenant in [&acme, &globex] {
        let done = tenant.furnish(&client, receiver).await?;
        story.check("workflow", true, &format!("{}: {done}", tenant.name))?;
    }

    for (tenant, in_full) in [(&acme, true), (&globex, false)] {
        story.chapter(&format!("A push reaches {}", tenant.name))?;
        pipeline::tell(story, &client, house, receiver, tenant, in_full).await?;
    }

    story.chapter("What is refused")?;
    refusals::forged(story, &client, house, &acme).await?;
    refusals::across_tenants(story, &client, house, &acme, &globex).await
}
