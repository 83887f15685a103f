//! What must not work: a webhook that somebody forged, a read of another tenant's run.

use tenantry_protocol::client::{Client, ClientError};
use tenantry_protocol::error::{ErrorCode, Problem};
use tenantry_protocol::page::Page;
use tenantry_protocol::path::Operation;
use tenantry_protocol::permission::Role;
use tenantry_protocol::principal::{KeyCreate, KeyCreated, Login};
use tenantry_protocol::run::{EventView, RunView};

use super::house::House;
use super::sender;
use super::sign;
use super::story::Story;
use super::tenant::DemoTenant;
use crate::failure::Failure;

/// A webhook signed with the wrong secret leaves nothing behind.
pub(super) async fn forged(
    story: &mut Story,
    client: &Client,
    house: &House,
    tenant: &DemoTenant,
) -> Result<(), Failure> {
    let before: Page<EventView> = client.get(Operation::EventList, &[&tenant.name], &()).await?;
    let body = tenant.push();
    let signature = sign::github("a guess", &body);
    let answer = sender::push(house.ingress()?, &tenant.hook(), &signature, "forged-1", &body).await?;
    let code = answer.body["code"].as_str().unwrap_or("no code").to_owned();
    let refused = answer.status == 401 && code == ErrorCode::SignatureInvalid.as_str();
    story.check("forged", refused, &format!("a forged webhook: {} {code}", answer.status))?;
    let after: Page<EventView> = client.get(Operation::EventList, &[&tenant.name], &()).await?;
    let same = before.items.len() == after.items.len();
    story.check("forged-left-nothing", same, "no event was made of it")
}

/// A key of one tenant reads its own, and another tenant's runs are to it as if they were not there.
pub(super) async fn across_tenants(
    story: &mut Story,
    client: &Client,
    house: &House,
    own: &DemoTenant,
    foreign: &DemoTenant,
) -> Result<(), Failure> {
    let body = KeyCreate { name: "demo".to_owned(), role: Role::Admin, expires_in_days: Some(1) };
    let created: KeyCreated = client.send(Operation::KeyCreate, &[&own.name], &body).await?;
    let insider = house.stranger();
    insider.login(&Login::Key { key: created.key, scope: None }).await?;

    let own_run = newest_run(&insider, &own.name).await?;
    story.check("own-read", true, &format!("a key of {} reads its own {own_run}", own.name))?;
    let foreign_run = newest_run(client, &foreign.name).await?;
    let refused = read(&insider, &foreign.name, &foreign_run).await;
    let absent = read(&insider, "nobody", &foreign_run).await;
    let code = refused.as_ref().map_or_else(|| "an answer".to_owned(), |problem| problem.code.to_string());
    let hidden = refused.as_ref().is_some_and(|problem| problem.code == ErrorCode::NotFound);
    story.check(
        "foreign-read",
        hidden,
        &format!("the same key reads {foreign_run} of {}: {code}", foreign.name),
    )?;
    let alike = match (refused, absent) {
        (Some(refused), Some(absent)) => faceless(refused, &foreign.name) == faceless(absent, "nobody"),
        _ => false,
    };
    story.check("foreign-as-absent", alike, "a tenant that does not exist answers just the same")?;
    let smuggled = read(&insider, &own.name, &foreign_run).await;
    let hidden = smuggled.is_some_and(|problem| problem.code == ErrorCode::NotFound);
    story.check("foreign-id", hidden, &format!("nor is that run found among {}'s own", own.name))
}

async fn newest_run(client: &Client, tenant: &str) -> Result<String, Failure> {
    let page: Page<RunView> = client.get(Operation::RunList, &[tenant], &()).await?;
    let newest = page.items.first().map(|run| run.id.to_string());
    newest.ok_or_else(|| Failure::new(ErrorCode::NotFound, format!("{tenant} has no run")))
}

/// How a read was refused; `None` if it was not.
async fn read(client: &Client, tenant: &str, run: &str) -> Option<Problem> {
    match client.get::<RunView>(Operation::RunGet, &[tenant, run], &()).await {
        Err(ClientError::Problem(problem)) => Some(*problem),
        Ok(_) | Err(_) => None,
    }
}

/// A problem without what the caller said itself and what differs for every request.
fn faceless(problem: Problem, tenant: &str) -> (u16, ErrorCode, String, Option<String>) {
    (problem.status, problem.code, problem.detail.replace(tenant, "…"), problem.hint)
}
