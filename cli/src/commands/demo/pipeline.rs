//! A webhook on its way through the four stages, and the proof at each of them that it was there.

use serde_json::Value;
use tenantry_protocol::audit::{AuditVerified, AuditView};
use tenantry_protocol::channel::{NotificationState, NotificationView};
use tenantry_protocol::client::Client;
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::run::{Accepted, EventView, LogLine, RunView};
use tenantry_protocol::state::{RunState, StepState};

use super::house::House;
use super::patience::until;
use super::receiver::{Received, Receiver};
use super::sender;
use super::sign::{self, Signed};
use super::story::Story;
use super::tenant::DemoTenant;
use crate::commands::run::stage_times;
use crate::failure::{Failure, Local};
use crate::moment;

/// What the script of the workflow writes, after the tenant's name has been put in.
fn expected_line(tenant: &DemoTenant) -> String {
    format!("ada pushed 2 commits to {}/shop, which has 41 stars", tenant.name)
}

/// Sends the webhook and checks what comes of it.
pub(super) async fn tell(
    story: &mut Story,
    client: &Client,
    house: &House,
    receiver: &Receiver,
    tenant: &DemoTenant,
    in_full: bool,
) -> Result<(), Failure> {
    let body = tenant.push();
    let signature = sign::github(&tenant.github, &body);
    let delivery = format!("{}-delivery-1", tenant.name);
    let answer = sender::push(house.ingress()?, &tenant.hook(), &signature, &delivery, &body).await?;
    let accepted: Option<Accepted> = serde_json::from_value(answer.body.clone()).ok();
    let Some(accepted) = accepted.filter(|_| answer.status == 202) else {
        let message = format!("the signed webhook was answered {} {}", answer.status, answer.body);
        return Err(Failure::local(Local::DemoFailed, message));
    };
    let told = format!("POST {} signed as GitHub's: 202, {} is durable", tenant.hook(), accepted.event);
    story.check("accepted", true, &told)?;

    let run = finished(client, tenant, &accepted).await?;
    stages(story, tenant, &run)?;
    steps(story, &run, in_full)?;
    logs(story, client, tenant, &run, in_full).await?;
    outside(story, receiver, tenant)?;
    notified(story, client, receiver, tenant, &run).await?;
    audit(story, client, tenant, in_full).await
}

/// The run of the event, once everything about it has happened.
async fn finished(client: &Client, tenant: &DemoTenant, accepted: &Accepted) -> Result<RunView, Failure> {
    let name = tenant.name.as_str();
    let event = accepted.event.to_string();
    let run = until("the trigger stage starts a run", || async {
        let event: EventView = client.get(Operation::EventGet, &[name, &event], &()).await?;
        Ok(event.runs.first().map(ToString::to_string))
    })
    .await?;
    until("the run goes through all stages", || async {
        let view: RunView = client.get(Operation::RunGet, &[name, &run], &()).await?;
        let through = view.state.is_terminal() && view.logged_at.is_some() && view.notified_at.is_some();
        // A run that failed notifies nobody here: there is nothing more to wait for.
        Ok((through || (view.state.is_terminal() && view.state != RunState::Succeeded)).then_some(view))
    })
    .await
}

fn stages(story: &mut Story, tenant: &DemoTenant, run: &RunView) -> Result<(), Failure> {
    let succeeded = run.state == RunState::Succeeded;
    let why = run.error.as_ref().map_or_else(String::new, |error| format!(": {error}"));
    story.check("run", succeeded, &format!("{} {}{why}", run.id, run.state))?;
    story.run(&tenant.name, run.id.to_string(), run.stages);
    let Some(stages) = &run.stages else {
        return story.check("stages", false, "the run tells no stage times");
    };
    let whole = stages.action_ms.is_some() && stages.logging_ms.is_some() && stages.notification_ms.is_some();
    story.check("stages", whole, &stage_times(stages))
}

fn steps(story: &mut Story, run: &RunView, in_full: bool) -> Result<(), Failure> {
    let done = run.steps.iter().filter(|step| step.state == StepState::Succeeded).count();
    let told = format!("{done} of {} steps succeeded: http, jq and a script in the sandbox", run.steps.len());
    story.check("steps", done == 3 && run.steps.len() == 3, &told)?;
    if in_full { story.table(&run.steps) } else { Ok(()) }
}

async fn logs(
    story: &mut Story,
    client: &Client,
    tenant: &DemoTenant,
    run: &RunView,
    in_full: bool,
) -> Result<(), Failure> {
    let run = run.id.to_string();
    let lines: Page<LogLine> = client.get(Operation::RunLogs, &[&tenant.name, &run], &()).await?;
    let expected = expected_line(tenant);
    let there = lines.items.iter().any(|line| line.text == expected);
    story.check("log-lines", there, &format!("{} log lines, the script's among them", lines.items.len()))?;
    let leaked = lines.items.iter().any(|line| line.text.contains(&tenant.api_token));
    story.check("redaction", !leaked, "the secret that the script printed is in none of them")?;
    if in_full {
        for line in lines.items.iter().filter(|line| line.step == "report") {
            story.tell(&format!("{}  {}", line.step, line.text))?;
        }
    }
    Ok(())
}

/// The request of the workflow as the outside world saw it.
fn outside(story: &mut Story, receiver: &Receiver, tenant: &DemoTenant) -> Result<(), Failure> {
    let requests = receiver.received(&tenant.stars_path());
    let bearer = format!("Bearer {}", tenant.api_token);
    let genuine = requests.len() == 1 && requests[0].header("authorization") == bearer;
    story.check(
        "outside-effect",
        genuine,
        "the http step reached the receiver once, with this tenant's token",
    )
}

async fn notified(
    story: &mut Story,
    client: &Client,
    receiver: &Receiver,
    tenant: &DemoTenant,
    run: &RunView,
) -> Result<(), Failure> {
    let name = tenant.name.as_str();
    let sent = until("both notifications are delivered", || async {
        let page: Page<NotificationView> = client.get(Operation::NotificationList, &[name], &()).await?;
        let mine = page.items.into_iter().filter(|sent| sent.run == Some(run.id));
        let delivered: Vec<_> = mine.filter(|sent| sent.state == NotificationState::Delivered).collect();
        Ok((delivered.len() >= 2).then_some(delivered))
    })
    .await?;
    let message = format!("ada pushed to {name}/shop");
    let came = receiver.received(&tenant.notify_path());
    let genuine = came.len() == 1 && is_genuine(&came[0], tenant, &sent, &message);
    story.check(
        "notification",
        genuine,
        "the receiver got one notification, and its signature is genuine",
    )?;
    let inbox: Page<NotificationView> = client.get(Operation::InboxList, &[name], &()).await?;
    let there = inbox.items.len() == 1
        && inbox.items[0].run == Some(run.id)
        && inbox.items[0].body.contains(&message);
    story.check("inbox", there, &format!("the inbox has: {message}"))
}

/// Whether what came is what was sent: the id of the notification, the tenant's signature, the message.
fn is_genuine(came: &Received, tenant: &DemoTenant, sent: &[NotificationView], message: &str) -> bool {
    let signed = Signed {
        id: came.header("webhook-id"),
        timestamp: came.header("webhook-timestamp"),
        signature: came.header("webhook-signature"),
        body: &came.body,
    };
    let known = sent.iter().any(|sent| sent.channel == "team" && sent.id.to_string() == signed.id);
    let text =
        serde_json::from_slice::<Value>(&came.body).is_ok_and(|body| body.to_string().contains(message));
    known && text && sign::is_genuine(&tenant.signing, &signed, moment::now() / 1_000)
}

async fn audit(
    story: &mut Story,
    client: &Client,
    tenant: &DemoTenant,
    in_full: bool,
) -> Result<(), Failure> {
    let name = tenant.name.as_str();
    let page: Page<AuditView> = client.get(Operation::AuditList, &[name], &()).await?;
    let applied = page.items.iter().any(|record| record.verb.starts_with("workflow."));
    let secret = page.items.iter().any(|record| record.verb.starts_with("secret."));
    let told =
        format!("{} audit records tell who wrote secrets, channels and the workflow", page.items.len());
    story.check("audit-records", applied && secret, &told)?;
    if in_full {
        story.table(&page.items[..page.items.len().min(4)])?;
    }
    let verified: AuditVerified = client.send(Operation::AuditVerify, &[name], &()).await?;
    let told = format!("the audit log is whole: {} records under root {}", verified.records, verified.root);
    story.check("audit-log", verified.ok && verified.records > 0 && verified.faults.is_empty(), &told)
}
