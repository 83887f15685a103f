use serde_json::json;

use super::*;
use crate::{Call, Context};

const PAID: &str = r#"
name: paid-invoices
on:
  webhook: { path: stripe, verify: { scheme: hmac, header: x-signature, secret: "${{ secrets.STRIPE }}" }, dedupe: { key: "${{ event.body.id }}", ttl: 72h } }
  event: [invoice.paid]
  manual: { inputs: { since: { type: string, default: yesterday } } }
if: ${{ event.body.amount > 0 }}
timeout: 10m
defaults: { retry: { attempts: 5, backoff: exponential, delay: 2s, max-delay: 2m, jitter: true, on: [timeout, "http:429", "http:5xx", "exit:75"] } }
steps:
  - id: charge
    http: { method: GET, url: "https://api.example.com/charges/${{ event.body.id }}", bearer: "${{ secrets.API }}" }
  - id: total
    needs: charge
    jq: "[.steps.charge.body.lines[].amount] | add"
  - id: book
    needs: [total]
    if: ${{ steps.total.output > 100 }}
    run: ./book.sh "$AMOUNT"
    env: { AMOUNT: "${{ steps.total.output }}" }
    on-error: continue
notify:
  - { on: [failure, recovery], channel: ops, message: "${{ workflow.name }}: ${{ run.error }}" }
"#;

fn good(text: &str) -> crate::Workflow {
    let checked = check("test.yaml", text, Format::Yaml);
    assert_eq!(checked.findings, []);
    checked.workflow.unwrap()
}

#[test]
fn the_example_of_the_design_is_understood() {
    let workflow = good(PAID);
    assert_eq!(workflow.name, "paid-invoices");
    assert_eq!(workflow.timeout_ms, Some(600_000));
    assert_eq!(workflow.trigger_secrets(), ["STRIPE"]);
    assert_eq!(workflow.secrets(), ["API", "STRIPE"]);
    assert_eq!(workflow.steps[2].needs, [1]);
    let event = json!({ "body": { "id": "in_1/../x", "amount": 5 } });
    let secrets = [("API".to_owned(), "s3cret".to_owned())].into();
    let context = Context { event: &event, secrets: &secrets, ..Context::default() };
    assert_eq!(workflow.condition.as_ref().unwrap().truth(&context), Ok(true));
    let Call::Http(call) = workflow.steps[0].render(&context).unwrap() else { panic!("no http call") };
    assert_eq!(call.url, "https://api.example.com/charges/in_1%2F..%2Fx");
    assert_eq!(call.headers, [("authorization".to_owned(), "Bearer s3cret".to_owned())]);
    let steps = json!({ "total": { "state": "succeeded", "output": 120.5 } });
    let context = Context { steps: &steps, ..context };
    let Call::Run(call) = workflow.steps[2].render(&context).unwrap() else { panic!("no run call") };
    assert_eq!(call.env, [("AMOUNT".to_owned(), "120.5".to_owned())]);
    assert_eq!(
        workflow.triggers.webhooks[0].dedupe.as_ref().unwrap().key.text(&context),
        Ok("in_1/../x".to_owned())
    );
}
