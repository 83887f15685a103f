use proptest::prelude::*;
use serde_json::json;
use tenantry_protocol::error::Severity;

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

fn codes(text: &str, format: Format) -> Vec<String> {
    let checked = check("test", text, format);
    assert_eq!(checked.workflow.is_none(), checked.findings.iter().any(|f| f.severity == Severity::Error));
    checked.findings.iter().map(|f| format!("{} {}:{}", f.code, f.line, f.column)).collect()
}

#[test]
fn everything_is_found_at_once_and_in_order() {
    let text = "
nmae: w
on:
  webhook: { path: A, verify: { scheme: none } }
  queue: []
timeout: soon
steps:
  - id: a
    run: |
      echo ok
      echo ${{ event.body.x }} ${{ steps.zz.output }}
  - id: a
    http: { url: ftp://x, heders: {} }
    needs: [b]
notify: { on: never, channel: ops, message: \"${{ evnt }}\" }
";
    let wanted = [
        "unknown-key 2:1",
        "bad-path 4:20",
        "unverified-webhook 4:41",
        "not-supported 5:3",
        "bad-duration 6:10",
        "shell-injection 11:16",
        "shell-injection 11:36",
        "duplicate-id 12:9",
        "bad-url 13:18",
        "unknown-key 13:27",
        "unknown-step 14:13",
        "unknown-word 15:15",
        "unknown-name 15:50",
    ];
    assert_eq!(codes(text, Format::Yaml), wanted);
}

#[test]
fn a_finding_shows_its_lines() {
    let text = "name: w\non: { manual: }\nsteps:\n  - id: a\n    run: echo\n    tiemout: 5s\n";
    let checked = check("w.yaml", text, Format::Yaml);
    let finding = &checked.findings[0];
    assert_eq!(finding.suggestion.as_deref(), Some("did you mean `timeout`?"));
    insta::assert_snapshot!(finding.snippet.as_deref().unwrap_or_default(), @r"
    error: a step has no key `tiemout`
     --> w.yaml:6:5
      |
    5 |     run: echo
    6 |     tiemout: 5s
      |     ^^^^^^^
    ");
}

#[test]
fn a_warning_does_not_refuse() {
    let text = "name: w\non: { webhook: { path: a, verify: { scheme: none } } }\nsteps: [{ run: x }]\n";
    let checked = check("w.yaml", text, Format::Yaml);
    assert!(checked.workflow.is_some());
    assert_eq!(checked.findings[0].severity, Severity::Warning);
}

#[test]
fn places_are_exact_in_every_kind_of_scalar() {
    let step =
        |value: &str| format!("name: w\non: {{ manual: }}\nsteps:\n  - run: x\n    env:\n      A: {value}\n");
    for (value, place) in [
        ("${{ evnt }}", "6:14"),
        ("'a ${{ evnt }}'", "6:17"),
        ("\"é ${{ event.id }} ${{ event.x }}\"", "6:33"),
        ("\"\\u00e9 ${{ event.id }} ${{ event.x }}\"", "6:38"),
        ("|\n        first\n        b ${{ event.id ~ evnt }}", "8:26"),
        (">-\n        folded\n        text ${{ evnt }}", "8:18"),
        ("${{ event.body.a ==\n        evnt }}", "6:10"),
    ] {
        let found = codes(&step(value), Format::Yaml);
        assert_eq!(found.len(), 1, "{value}: {found:?}");
        assert!(found[0].ends_with(&format!(" {place}")), "{value}: {found:?} is not {place}");
    }
}

#[test]
fn the_notations_agree() {
    let json = r#"{"name": "w", "on": {"manual": null}, "steps": [{"run": "x", "tiemout": 1}]}"#;
    assert_eq!(codes(json, Format::Json), ["unknown-key 1:62"]);
    assert_eq!(codes("{\n\t\"name\": \"w\",\n\t\"on\": ,\n}", Format::Json), ["json-syntax 3:8"]);
    assert_eq!(codes("name: w", Format::Json).len(), 1);
    let toml = "name = \"w\"\n[on.manual]\n[[steps]]\nrun = \"x\"\ntiemout = 1\n";
    assert_eq!(codes(toml, Format::Toml), ["unknown-key 5:1"]);
    assert_eq!(codes("name = \n", Format::Toml), ["toml-syntax 1:8"]);
    assert_eq!(codes("", Format::Toml), ["missing-key 1:1"; 3]);
}

#[test]
fn limits_hold() {
    assert_eq!(codes(&" ".repeat(MAX_TEXT_BYTES + 1), Format::Yaml), ["too-large 1:1"]);
    let deep = |depth: usize| format!("name: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(codes(&deep(40), Format::Yaml), ["too-deep 1:38"]);
    for format in [Format::Yaml, Format::Json, Format::Toml] {
        assert!(!codes(&deep(100_000), format).is_empty());
        assert!(!codes(&format!("a = {}", "[".repeat(100_000)), format).is_empty());
        assert!(!codes(&"{\"a\":".repeat(40_000), format).is_empty());
    }
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e")] {
        let items = vec![format!("*{before}"); 10].join(", ");
        bomb.extend([name, ": &", name, " [", &items, "]\n"]);
    }
    assert!(codes(&bomb, Format::Yaml)[0].starts_with("too-large"));
    let steps =
        |count: usize| format!("name: w\non: {{ manual: }}\nsteps:\n{}", "  - run: x\n".repeat(count));
    assert!(codes(&steps(500), Format::Yaml).is_empty());
    assert_eq!(codes(&steps(501), Format::Yaml), ["too-many 4:3"]);
    let many = codes(&format!("name: w\n{}", "a: 1\n".repeat(300)), Format::Yaml);
    assert_eq!(many.len(), 101);
    assert_eq!(many[100], "too-many-findings 0:0");
}

#[test]
fn secrets_and_inputs_are_listed() {
    let workflow = good(
        r#"
name: w
on: { manual: { inputs: { a: {}, b: { default: 2, type: number } } } }
steps:
  - http:
      url: "https://x.example/${{ secrets.B }}"
      json: { k: "${{ secrets.A }}", again: "${{ secrets.B }}" }
  - run: x
    env: { C: "${{ secrets.C }}" }
"#,
    );
    assert_eq!(workflow.steps[0].secrets(), ["A", "B"]);
    assert_eq!(workflow.secrets(), ["A", "B", "C"]);
    assert_eq!(workflow.default_inputs(), json!({ "a": null, "b": 2 }));
}

#[test]
fn values_stay_in_their_place() {
    let workflow = good(
        r#"
name: w
on: { event: a }
steps:
  - http:
      url: "https://${{ event.body.host }}/a/${{ event.body.id }}?q=${{ event.body.id }}#f"
      query: { "x y": "${{ event.body.id }}" }
      headers: { X-Id: "${{ event.body.header }}" }
      form: { a: "${{ event.body.id }}", b: "1 2" }
"#,
    );
    let render = |body: serde_json::Value| {
        let event = json!({ "body": body });
        workflow.steps[0].render(&Context { event: &event, ..Context::default() })
    };
    let Ok(Call::Http(call)) = render(json!({ "host": "h.example:8080", "id": "../é&", "header": "v" }))
    else {
        panic!("no http call")
    };
    assert_eq!(call.url, "https://h.example:8080/a/..%2F%C3%A9%26?q=..%2F%C3%A9%26&x%20y=..%2F%C3%A9%26#f");
    assert_eq!(call.method, "POST");
    assert_eq!(call.body.as_deref(), Some("a=..%2F%C3%A9%26&b=1%202"));
    assert!(
        call.headers.contains(&("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()))
    );
    for (body, part) in [
        (json!({ "host": "evil.example/x?", "id": "1", "header": "v" }), "host"),
        (json!({ "host": "a@b", "id": "1", "header": "v" }), "host"),
        (json!({ "host": "h", "id": "..", "header": "v" }), "dots"),
        (json!({ "host": "h", "id": null, "header": "v" }), "empty"),
        (json!({ "host": "h", "id": "1", "header": "a\r\nb: c" }), "control"),
    ] {
        let error = render(body).unwrap_err();
        assert!(error.message.contains(part) && error.step.as_deref() == Some("step-1"), "{error}");
    }
}

#[test]
fn credentials_become_a_header() {
    let workflow = good(
        r#"
name: w
on: { event: a }
steps:
  - http: { url: "https://a.example", basic: { username: "${{ secrets.USER }}", password: "" } }
  - http: { url: "https://a.example", headers: { Authorization: "Key ${{ secrets.KEY }}" }, body: x }
"#,
    );
    assert_eq!(workflow.secrets(), ["KEY", "USER"]);
    let secrets = [("USER".to_owned(), "me".to_owned()), ("KEY".to_owned(), "k".to_owned())].into();
    let context = Context { secrets: &secrets, ..Context::default() };
    let header = |step: usize| match workflow.steps[step].render(&context) {
        Ok(Call::Http(call)) => call.headers[0].clone(),
        other => panic!("no http call: {other:?}"),
    };
    assert_eq!(header(0), ("authorization".to_owned(), "Basic bWU6".to_owned()));
    assert_eq!(header(1), ("authorization".to_owned(), "Key k".to_owned()));
}

#[test]
fn jq_gets_the_context_without_secrets() {
    let workflow = good("name: w\non: { event: a }\nsteps: [{ jq: .event }]\n");
    let (event, secrets) = (json!({ "id": 1 }), [("A".to_owned(), "s3cret".to_owned())].into());
    let context = Context { event: &event, secrets: &secrets, ..Context::default() };
    let Ok(Call::Jq(call)) = workflow.steps[0].render(&context) else { panic!("no jq call") };
    assert_eq!(call.input["event"], event);
    assert!(!call.input.to_string().contains("s3cret"));
}

#[test]
fn a_base_url_can_be_configured() {
    let text = "name: w
on: { manual: { inputs: { base: {} } } }
steps:
  - http: { url: \"${{ inputs.base }}/items/${{ event.id }}\" }
";
    let (inputs, event) = (json!({ "base": "http://10.0.0.1:8080/api" }), json!({ "id": "a/b" }));
    let context = Context { event: &event, inputs: &inputs, ..Context::default() };
    let Ok(Call::Http(call)) = good(text).steps[0].render(&context) else { panic!("no http call") };
    assert_eq!(call.url, "http://10.0.0.1:8080/api/items/a%2Fb");
}

#[test]
fn hostile_texts_are_refused_in_bounded_time() {
    let start = std::time::Instant::now();
    let keys: Vec<_> = (0..20_000).map(|n| format!("k{n}: 1\n")).collect();
    assert_eq!(codes(&keys.concat(), Format::Yaml).len(), 101);
    let expressions = format!(
        "{{\"name\": \"w\", \"on\": {{\"event\": \"a\"}}, \"steps\": [{{\"emit\": {{\"name\": \"b\", \"data\": [{}1]}}}}]}}",
        "\"${{ event }}\",".repeat(14_000)
    );
    assert!(codes(&expressions, Format::Json)[0].starts_with("too-many"));
    let needs: Vec<_> = (0..250).map(|n| format!("s{n}")).collect();
    let all = needs.join(",");
    let steps: Vec<_> =
        needs.iter().map(|id| format!("  - {{ id: {id}, run: x, needs: [{all}] }}\n")).collect();
    let steps = steps.concat();
    assert!(!codes(&format!("name: w\non: {{ event: a }}\nsteps:\n{steps}"), Format::Yaml).is_empty());
    // Generous, for unoptimised builds on busy machines; without the bounds it takes minutes.
    assert!(start.elapsed().as_secs() < 60, "took {:?}", start.elapsed());
}

#[test]
fn an_event_that_starts_the_workflow_again_gives_a_warning() {
    let text = "name: w\non: { event: \"a.*\" }\nsteps: [{ emit: { name: a.b } }]\n";
    assert_eq!(codes(text, Format::Yaml), ["emits-own-trigger 3:25"]);
}

#[test]
fn one_fault_is_one_finding() {
    let top =
        "name: w\non: { manual: { inputs: { level: { type: choice, options: [a, b], default: a } } } }\n";
    let hook = "name: w\non:\n  webhook:\n    path: a\n    verify:\n      scheme: hmac\n      header: X-S\n      secret: ${{ secrets.A }}\n";
    let steps = "steps:\n  - id: first\n    run: echo\n    shell: bash\n    env: { A: \"${{ inputs.level }}\" }\n  - id: each\n    foreach: ${{ steps.first.stdout }}\n    max-parallel: 2\n    jq: .\n    input: ${{ item }}\n  - run: cat\n    stdin: ${{ steps.each.output }}\n";
    let text = format!("{top}{steps}");
    assert_eq!(codes(&text, Format::Yaml), [""; 0]);
    for (right, wrong, finding) in [
        ("name: w", "nam: w", "unknown-key 1:1"),
        ("on: {", "onn: {", "unknown-key 2:1"),
        ("on: {", "on: [1]\ndescription: {", "wrong-type 2:5"),
        ("manual: {", "manaul: {", "unknown-key 2:7"),
        ("inputs: {", "input: {", "unknown-key 2:17"),
        ("options: [a, b]", "option: [a, b]", "unknown-key 2:50"),
        ("options: [a, b], ", "", "missing-key 2:34"),
        ("options: [a, b]", "options: 5", "wrong-type 2:59"),
        ("type: choice", "type: chioce", "unknown-word 2:42"),
        ("steps:", "stepss:", "unknown-key 3:1"),
        ("id: first", "idd: first", "unknown-key 4:5"),
        ("id: first", "id: [first]", "wrong-type 4:9"),
        ("run: echo", "rum: echo", "unknown-key 5:5"),
        ("    run: echo\n", "", "missing-key 4:5"),
        ("foreach: ", "forech: ", "unknown-key 9:5"),
        ("jq: .", "qj: .", "unknown-key 11:5"),
    ] {
        assert!(text.contains(right), "{right}");
        let found = codes(&text.replacen(right, wrong, 1), Format::Yaml);
        // What was put in by a sample beside its one fault.
        let found: Vec<_> = found.into_iter().filter(|code| !code.ends_with(" 3:14")).collect();
        assert_eq!(found, [finding], "{right} became {wrong}");
    }
    let text = format!("{hook}steps: [{{ run: echo }}]\n");
    assert_eq!(codes(&text, Format::Yaml), [""; 0]);
    for (right, wrong, finding) in [
        ("path: a", "pathh: a", "unknown-key 4:5"),
        ("scheme: hmac", "schema: hmac", "unknown-key 6:7"),
        ("secret: $", "secert: $", "unknown-key 8:7"),
        ("header: X-S", "headr: X-S", "unknown-key 7:7"),
    ] {
        let found = codes(&text.replacen(right, wrong, 1), Format::Yaml);
        assert_eq!(found, [finding], "{right} became {wrong}");
    }
}

#[test]
fn what_a_single_event_has_is_no_field_of_a_batch() {
    let text = |top: &str, reads: &str| {
        let on = "on: { event: row.added, manual: }\n";
        format!("name: w\n{on}{top}\nsteps:\n  - run: cat\n    stdin: ${{{{ {reads} }}}}\n")
    };
    let batch = "batch: { size: 9, within: 5s, key: \"${{ event.body.a }}\" }";
    let throttle = "throttle: { limit: 1, per: 1s, key: \"${{ event.body.a }}\" }";
    for reads in ["event.body.a", "event.headers.x", "event.query.q"] {
        assert_eq!(codes(&text(batch, reads), Format::Yaml), ["batch-event 6:16"], "{reads}");
        assert_eq!(codes(&text(throttle, reads), Format::Yaml), [""; 0], "{reads}");
    }
    for reads in ["event.items[0].body.a", "event.body", "event.body.items", "event.id"] {
        assert_eq!(codes(&text(&format!("{batch}\n{throttle}"), reads), Format::Yaml), [""; 0], "{reads}");
    }
}

/// A text with one stretch cut out, doubled or replaced.
fn damaged() -> impl Strategy<Value = (Format, String)> {
    let texts = prop::sample::select(vec![
        (Format::Yaml, PAID),
        (Format::Yaml, include_str!("../../tests/valid/everything.yaml")),
        (Format::Toml, include_str!("../../tests/valid/dotted.toml")),
        (Format::Json, include_str!("../../tests/valid/tabs.json")),
    ]);
    let patch = "\\PC{0,6}|[-:{}\\[\\]&*!|>'\"%@`#,?=\\n\\t ]{1,6}";
    (texts, any::<prop::sample::Index>(), 0..40_usize, patch).prop_map(
        |((format, text), start, length, patch)| {
            let letters: Vec<char> = text.chars().collect();
            let start = start.index(letters.len());
            let end = (start + length).min(letters.len());
            let (before, after) = (&letters[..start], &letters[end..]);
            (format, before.iter().chain(&patch.chars().collect::<Vec<_>>()).chain(after).collect())
        },
    )
}

#[test]
fn line_ends_and_byte_order_marks_make_no_difference() {
    assert_eq!(codes(&PAID.replace('\n', "\r\n"), Format::Yaml), [""; 0]);
    assert_eq!(codes(&format!("\u{feff}{PAID}"), Format::Yaml), [""; 0]);
    let wrong = "name: w\r\non: { manual: }\r\nsteps:\r\n  - run: x\r\n    tiemout: 5s\r\n";
    assert_eq!(codes(wrong, Format::Yaml), ["unknown-key 5:5"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,300}|(\\PC|\\n|\\t|[-:{}\\[\\]&*!|>'\"%@`#,?]){0,200}") {
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            let checked = check("t", &text, format);
            let refused = checked.findings.iter().any(|finding| finding.severity == Severity::Error);
            prop_assert_eq!(checked.workflow.is_none(), refused);
        }
    }

    #[test]
    fn no_damage_makes_it_panic((format, text) in damaged()) {
        for finding in check("t", &text, format).findings {
            prop_assert!(finding.line as usize <= text.lines().count() + 1, "{finding:?}");
            prop_assert!(!finding.message.is_empty());
        }
    }
}
