use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::limits::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_OPERATIONS};

fn event() -> Value {
    json!({
        "id": "evt_1",
        "headers": { "x-github-event": "push" },
        "body": {
            "id": "in_1", "amount": 1999, "price": 1.5, "paid": true, "note": null, "empty": "",
            "lines": [{ "sku": "a", "amount": 1 }, { "sku": "b", "amount": 2 }],
            "odd key": "here", "big": 18_446_744_073_709_551_615_u64
        }
    })
}

fn steps() -> Value {
    json!({ "sign-off": { "state": "succeeded", "output": { "by": "ada" } }, "none": { "state": "failed" } })
}

fn evaluate(source: &str) -> Result<Value, String> {
    let (event, steps) = (event(), steps());
    let secrets = BTreeMap::from([("API".to_owned(), "s3cret".to_owned())]);
    let context = Context { event: &event, steps: &steps, secrets: &secrets, ..Context::default() };
    let expression = Expression::compile(source, (3, 7)).map_err(|problems| format!("{problems:?}"))?;
    expression.evaluate(&context).map_err(|error| error.message)
}

#[test]
fn plain_paths_keep_their_type() {
    for (source, wanted) in [
        ("event.body.id", json!("in_1")),
        (" event.body.amount ", json!(1999)),
        ("event.body.big", json!(18_446_744_073_709_551_615_u64)),
        ("event.body.paid", json!(true)),
        ("event.body.note", Value::Null),
        ("event.body.lines[0].sku", json!("a")),
        ("event.body.lines.1.sku", json!("b")),
        ("event.body.lines[-1].sku", json!("b")),
        ("event.headers.x-github-event", json!("push")),
        ("event.headers['x-github-event']", json!("push")),
        ("event.body[\"odd key\"]", json!("here")),
        ("steps.sign-off.output.by", json!("ada")),
        ("event.body.lines[0]", json!({ "sku": "a", "amount": 1 })),
    ] {
        assert_eq!(evaluate(source), Ok(wanted), "{source}");
        assert!(
            Expression::compile(source.trim(), (1, 1)).unwrap().as_path().is_some(),
            "{source} is no path"
        );
    }
}

#[test]
fn programs_compute() {
    for (source, wanted) in [
        ("event.body.amount > 0", json!(true)),
        ("event.body.amount - 1", json!(1998)),
        ("event.body.amount / 2 > 999 and not event.body.empty", json!(true)),
        ("event.body.id ~ '-' ~ event.body.amount", json!("in_1-1999")),
        ("event.body.id == 'in_1' or false", json!(true)),
        ("event.body.note is none", json!(true)),
        ("event.body.note == null", json!(true)),
        ("event.body.gone | default('x')", json!("x")),
        ("event.body.gone.below | default('x')", json!("x")),
        ("event.body.gone is defined", json!(false)),
        ("event.body.gone is not defined", json!(true)),
        ("event.body.lines | length", json!(2)),
        ("event.body.lines | map(attribute='sku') | join(',')", json!("a,b")),
        ("event.body.lines | sum(attribute='amount')", json!(3)),
        ("event.body.lines[0]['sku'] | upper", json!("A")),
        ("event.body.lines[event.body.lines | length - 1].sku", json!("b")),
        ("'push' in event.headers['x-github-event']", json!(true)),
        (
            "contains(event.body.id, 'n_') and startsWith(event.body.id, 'in') and endsWith(event.body.id, '1')",
            json!(true),
        ),
        ("contains(['a', 'b'], 'b')", json!(true)),
        ("fromJSON('{\"a-b\": [1]}').a-b[0]", json!(1)),
        ("toJSON(event.body.lines[0])", json!("{\"amount\":1,\"sku\":\"a\"}")),
        ("{'a': event.body.amount, 'b': [1, 2.5]}", json!({ "a": 1999, "b": [1, 2.5] })),
        ("'yes' if event.body.paid else 'no'", json!("yes")),
        ("steps.none.output is none", json!(true)),
        ("steps.none.output.deep.er is none", json!(true)),
        ("\"it's\" ~ '}}'", json!("it's}}")),
        ("[1, 2.5, 1e3, 1.5e-1]", json!([1, 2.5, 1000.0, 0.15])),
    ] {
        assert_eq!(evaluate(source), Ok(wanted), "{source}");
    }
}

#[test]
fn what_is_not_there_is_an_error_that_names_it() {
    for source in
        ["event.body.gone", "event.body.gone > 1", "event.body.gone ~ ''", "steps.sign-off.output.gone + 1"]
    {
        let message = evaluate(source).unwrap_err();
        assert!(message.contains("gone") && message.contains("does not exist"), "{source}: {message}");
    }
    assert_eq!(evaluate("secrets.NONE").unwrap_err(), "the secret behind `secrets.NONE` was not given");
}

#[test]
fn endless_work_is_cut_off() {
    let start = std::time::Instant::now();
    let big = "event.body.big_list";
    for source in [
        "(event.body.text + event.body.text) | replace('', event.body.text)".to_owned(),
        "[1] | slice(999999999)".to_owned(),
        "[1] | batch(999999999, 'x')".to_owned(),
        "fromJSON('[' ~ '[' ~ event.body.text)".to_owned(),
        format!("[{big}, {big}, {big}, {big}, {big}, {big}, {big}, {big}, {big}, {big}, {big}]"),
        format!("{big} | join(event.body.text)"),
        format!("{big} | map('replace', '', event.body.text) | list"),
    ] {
        assert!(evaluate_big(&source).is_err(), "{source}");
    }
    for source in [
        "1.5 | round(2147483647)",
        "2 ** 2 ** 2 ** 2 ** 2 ** 2",
        "1 // 0",
        "1 % 0",
        "-9223372036854775808 // -1",
        "9223372036854775807 + 1",
        "event.body.text | split('') | length",
        "[3, 'a', none, [1], {'b': 2}] | sort",
        "event.body.big_list | sort | unique | length",
        "event.body.big_list == event.body.big_list",
        "event.body.big_list in [event.body.big_list]",
        "contains(event.body.big_list, 1)",
        "event.body.big_list | tojson | length",
        "event.body.big_list ~ event.body.big_list",
        "toJSON(event.body) | length",
    ] {
        let _unused = evaluate_big(source);
    }
    assert!(start.elapsed().as_secs() < 30, "took {:?}", start.elapsed());
}

fn evaluate_big(source: &str) -> Result<Value, String> {
    let event = json!({ "body": { "text": "[".repeat(30_000), "big_list": vec![json!("a text"); 20_000] } });
    let expression = Expression::compile(source, (3, 7)).map_err(|problems| format!("{problems:?}"))?;
    expression.evaluate(&Context { event: &event, ..Context::default() }).map_err(|error| error.message)
}

#[test]
fn only_numbers_are_multiplied() {
    for (source, wanted) in [
        ("2 * 3", json!(6)),
        ("1 + 2 * 3 - 4 * -1", json!(11)),
        ("2 * 3 * 4", json!(24)),
        ("2 * 3 ** 2", json!(18)),
        ("(1 + 1) * (2 + event.body.amount * 2)", json!(8000)),
        ("event.body.amount*1.5", json!(2998.5)),
        ("2 * event.body.lines | length", json!(4)),
        ("event.body.lines | length * 2", json!(4)),
        ("[2 * 2, 3 * event.body.amount][1]", json!(5997)),
        ("{'a': 2 * 2}.a * 2", json!(8)),
        ("2 * 2 if 2 * 1 > 1 else 3 * 3", json!(4)),
        ("2 * 2 == 4 and 2 * 3 in [6] and not 2 * 1 is none", json!(true)),
        ("'n' ~ 2 * 2 ~ 'm'", json!("n4m")),
        ("2 * (event.body.lines | map(attribute='amount') | sum)", json!(6)),
        ("7 // 2 * 2", json!(6)),
    ] {
        assert_eq!(evaluate(source), Ok(wanted), "{source}");
    }
    for source in [
        "[1] * 3",
        "3 * [1]",
        "'x' * 3",
        "3 * 'x'",
        "event.body.lines * 3",
        "3 * event.body.lines",
        "(1, 2) * 3",
        "3 * (event.body.lines | list)",
        "[[1] * 2]",
        "{'a': [1] * 2}",
        "[1]*[1]",
        "1 * [1] * 1",
        "1 * (1 * [1])",
        "3 * -[1]",
        "[1, 2][0:1] * 2",
        "2 * [1, 2][0:1]",
        "2 * event.body.lines[0:1]",
        "(event.body.lines | list) * 2",
        "toJSON(1) * 2",
        "2 * toJSON(1)",
        "2 * fromJSON('[1]')",
        "2 * {'a': [1]}.a",
        "2 * ([1] if true else [2])",
        "[1] if false else [2] * 3",
        "event.body.lines | list * 2",
    ] {
        let message = evaluate(source).unwrap_err();
        assert!(
            message.contains("only numbers") || message.contains("invalid operation"),
            "{source}: {message}"
        );
    }
}

#[test]
fn an_error_says_where_it_is() {
    let event = event();
    let expression = Expression::compile("event.body.gone", (3, 7)).unwrap();
    let error = expression.evaluate(&Context { event: &event, ..Context::default() }).unwrap_err();
    assert_eq!(
        error.in_step("a").to_string(),
        "step `a`: `event.body.gone` does not exist here in `${{ event.body.gone }}` (line 3, column 7)"
    );
}

fn problem(source: &str) -> (usize, ProblemKind) {
    let problem = Expression::compile(source, (1, 1)).unwrap_err().remove(0);
    (problem.offset, problem.kind)
}

#[test]
fn wrong_expressions_are_found_when_compiled() {
    use ProblemKind as K;
    assert_eq!(problem("evnt.body"), (0, K::UnknownName("evnt".into())));
    assert_eq!(problem("event.x and foo"), (12, K::UnknownName("foo".into())));
    assert_eq!(problem("event.x | uper"), (10, K::UnknownFilter("uper".into())));
    assert_eq!(problem("event.x is defned"), (11, K::UnknownTest("defned".into())));
    assert_eq!(problem("hashFiles('x')"), (0, K::UnknownFunction("hashFiles".into())));
    assert_eq!(problem("event.x.items()"), (7, K::Method("items".into())));
    assert_eq!(problem("steps[event.x].output"), (0, K::Unnamed(Root::Steps)));
    assert_eq!(problem("steps.0.output"), (0, K::Unnamed(Root::Steps)));
    assert_eq!(problem("secrets"), (0, K::Unnamed(Root::Secrets)));
    assert_eq!(problem("secrets['A' ~ 'B']"), (0, K::Unnamed(Root::Secrets)));
    assert_eq!(problem("'Bearer ' ~ secrets.API"), (12, K::SecretInside("API".into())));
    for syntax in [
        "",
        "  ",
        "event.",
        "event.x ==",
        "(event.x",
        "'open",
        "event.x event.y",
        "event.x && event.y",
        "!event.x",
        "success(1)",
        "{% if 1 %}",
        "event[",
        "1 2",
        "event.x | ",
        "\u{0}",
    ] {
        assert!(matches!(problem(syntax).1, K::Syntax(_)), "{syntax:?}: {:?}", problem(syntax));
    }
    let long = format!("event.{}", "a".repeat(MAX_EXPRESSION_BYTES));
    assert!(matches!(problem(&long).1, K::Syntax(_)));
}

#[test]
fn deep_expressions_are_refused_or_evaluated() {
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("not ", ""),
        ("-", ""),
        ("{'a':", "}"),
        ("event[", "]"),
        ("1+", "1"),
        ("event|", "list"),
        ("1 if 1 else ", ""),
        ("", "[0]"),
        ("", ".a"),
        ("", "|list"),
        ("1 is ", "defined "),
    ] {
        let most = (MAX_EXPRESSION_BYTES - 1) / (open.len() + close.len());
        let counts = [most, MAX_EXPRESSION_OPERATIONS - 1, MAX_EXPRESSION_DEPTH];
        for (count, middle) in counts.into_iter().flat_map(|count| [(count, "1"), (count, "")]) {
            let source = format!("{}{middle}{}", open.repeat(count), close.repeat(count));
            if let Ok(expression) = Expression::compile(&source, (1, 1)) {
                let event = event();
                let _unused = expression.evaluate(&Context { event: &event, ..Context::default() });
            }
        }
    }
}

fn render(text: &str) -> Result<String, String> {
    let (event, steps) = (event(), steps());
    let secrets = BTreeMap::from([("API".to_owned(), "s3cret".to_owned())]);
    let context = Context { event: &event, steps: &steps, secrets: &secrets, ..Context::default() };
    let template = Template::compile(text, &|_| (1, 1)).map_err(|problems| format!("{problems:?}"))?;
    template.text(&context).map_err(|error| error.message)
}

#[test]
fn templates_fill_in_text() {
    for (text, wanted) in [
        ("plain", "plain"),
        ("", ""),
        ("${{ event.body.id }}", "in_1"),
        ("a ${{ event.body.amount }} b ${{event.body.paid}}", "a 1999 b true"),
        ("[${{ event.body.note }}]", "[]"),
        ("${{ event.body.lines[0] }}", "{\"amount\":1,\"sku\":\"a\"}"),
        ("Bearer ${{ secrets.API }}", "Bearer s3cret"),
        ("$${{ not an expression }}", "${{ not an expression }}"),
        ("${{ '}}' }}!", "}}!"),
        ("${{ {'a': {'b': 1}} }}", "{\"a\":{\"b\":1}}"),
        ("$ {{ }} }} ${ }", "$ {{ }} }} ${ }"),
        ("é${{ event.body.id }}ü", "éin_1ü"),
    ] {
        assert_eq!(render(text), Ok(wanted.to_owned()), "{text}");
    }
    assert!(render("${{ event.body.id").unwrap_err().contains("not closed"));
    assert!(render("a ${{ evnt }}").unwrap_err().contains("offset: 6"));
}

#[test]
fn json_values_keep_types() {
    let (event, steps) = (event(), steps());
    let context = Context { event: &event, steps: &steps, ..Context::default() };
    let text = |text: &str| ValueTemplate::template(Template::compile(text, &|_| (1, 1)).unwrap());
    let value = ValueTemplate::object(vec![
        ("amount".to_owned(), text("${{ event.body.amount }}")),
        ("text".to_owned(), text("n=${{ event.body.amount }}")),
        ("calc".to_owned(), text("${{ event.body.amount + 1 }}")),
        ("q\"uote".to_owned(), ValueTemplate::constant(json!({ "x": [1] }))),
        ("list".to_owned(), ValueTemplate::list(vec![text("a\"b"), text("${{ event.body.lines }}")])),
    ]);
    let wanted = json!({
        "amount": 1999, "text": "n=1999", "calc": 2000, "q\"uote": { "x": [1] },
        "list": ["a\"b", event["body"]["lines"]],
    });
    assert_eq!(value.value(&context), Ok(wanted.clone()));
    let mut out = String::new();
    value.write_json(&Scope::of(&context), &mut out).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap(), wanted);
}

proptest! {
    #[test]
    fn compiling_never_panics(source in "\\PC{0,80}") {
        let _unused = Expression::compile(&source, (1, 1));
        let _unused = Template::compile(&source, &|_| (1, 1));
    }

    #[test]
    fn expression_like_text_never_panics(
        words in proptest::collection::vec(prop_oneof![
            Just("event"), Just(".body"), Just("steps"), Just(".a-b"), Just("["), Just("]"), Just("'x'"), Just("\""),
            Just("|"), Just("default"), Just("("), Just(")"), Just("is"), Just("not"), Just("none"), Just("${{"),
            Just("}}"), Just("{"), Just("}"), Just(" "), Just("1"), Just("=="), Just("-"), Just("secrets.A"),
            Just("always()"), Just("é"), Just("~"), Just(","), Just("if"), Just("else"), Just("$"),
        ], 0..25)
    ) {
        let source = words.concat();
        let event = event();
        let context = Context { event: &event, ..Context::default() };
        if let Ok(expression) = Expression::compile(&source, (1, 1)) {
            let _unused = expression.evaluate(&context);
            let _unused = expression.truth(&context);
        }
        if let Ok(template) = Template::compile(&source, &|_| (1, 1)) {
            let _unused = template.text(&context);
        }
    }

    #[test]
    fn path_and_engine_agree_on_truth(value in prop_oneof![
        Just(json!(null)), Just(json!(0)), Just(json!(0.0)), Just(json!(-1)), Just(json!("")), Just(json!("a")),
        Just(json!([])), Just(json!([0])), Just(json!({})), Just(json!({"a": 1})), Just(json!(false)), Just(json!(true)),
    ]) {
        let event = json!({ "body": value });
        let context = Context { event: &event, ..Context::default() };
        let path = Expression::compile("event.body", (1, 1)).unwrap().truth(&context);
        let program = Expression::compile("event.body and true", (1, 1)).unwrap().truth(&context);
        prop_assert_eq!(path, program);
    }
}

#[test]
fn the_reference_lists_filters_tests_functions_and_fields() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/workflow-language.md");
    let text = std::fs::read_to_string(path).unwrap();
    let words: std::collections::HashSet<_> =
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    let fields = Root::ALL.iter().filter_map(|root| root.fields()).flatten();
    let known = filters().iter().chain(test_names()).chain(fields).chain(crate::context::STEP_FIELDS);
    for word in known.copied().chain(functions()).chain(Root::ALL.iter().map(|root| root.as_str())) {
        assert!(words.contains(word), "`{word}` is not in the reference");
    }
}

#[test]
fn fields_may_be_written_with_dashes() {
    let event = serde_json::json!({ "scheduled_at": "x", "body": { "a-b": 1, "a_b": 2 } });
    let run = serde_json::json!({ "started_at": 5 });
    let context = Context { event: &event, run: &run, ..Context::default() };
    let value = |source: &str| Expression::compile(source, (1, 1)).unwrap().evaluate(&context).unwrap();
    assert_eq!(value("event.scheduled-at"), "x");
    assert_eq!(value("event.scheduled_at ~ run.started-at"), "x5");
    // What is behind a field is the sender's, as it is.
    assert_eq!((value("event.body.a-b"), value("event.body.a_b")), (1.into(), 2.into()));
}
