//! Groups, items, `finally`, cancelling.

use super::*;

fn plan_of(workflow: &Workflow, states: &[S], steps: &serde_json::Value) -> Plan {
    let event = json!({ "body": { "kind": "b", "list": [1, "two", null], "amount": 5 } });
    advance(workflow, states, &Context { event: &event, steps, ..Context::default() })
}

fn whole(text: &str) -> Workflow {
    let checked = check("test.yaml", text, Format::Yaml);
    assert_eq!(checked.findings, [], "{text}");
    checked.workflow.unwrap()
}

const FAN: &str = "
  - { id: first, run: x }
  - id: both
    parallel:
      - { id: left, run: x }
      - { id: right, run: x }
  - { id: last, run: x }
";

#[test]
fn a_group_begins_its_steps_at_once_and_ends_with_them() {
    let workflow = workflow(FAN);
    let ids: Vec<_> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["first", "both", "left", "right", "last"]);
    assert_eq!(workflow.steps[4].needs, [1]);
    let none = json!({});
    assert_eq!(plan_of(&workflow, &[], &none), planned(&[0], &[], None));
    let began = plan_of(&workflow, &[S::Succeeded], &none);
    assert_eq!((began.open, began.dispatch), (vec![1], vec![2, 3]));
    let half = [S::Succeeded, S::Running, S::Succeeded, S::Running, S::Pending];
    assert_eq!(plan_of(&workflow, &half, &none), Plan::default());
    let joined = plan_of(&workflow, &[S::Succeeded, S::Running, S::Succeeded, S::Succeeded], &none);
    assert_eq!(joined.close, [Close { step: 1, event: StepEvent::Succeed }]);
    assert!(joined.pauses() && joined.dispatch.is_empty(), "what comes next may look at the group's output");
    assert_eq!(plan_of(&workflow, &[S::Succeeded; 4], &none), planned(&[4], &[], None));
    let broken = plan_of(&workflow, &[S::Succeeded, S::Running, S::Succeeded, S::Failed], &none);
    assert_eq!(broken.close, [Close { step: 1, event: StepEvent::Fail }]);
    let after = plan_of(&workflow, &[S::Succeeded, S::Failed, S::Succeeded, S::Failed], &none);
    assert_eq!(after, planned(&[], &[4], Some(RunEvent::StepFailed)));
}

#[test]
fn a_group_that_is_skipped_skips_what_is_in_it() {
    let workflow = workflow(
        "  - id: both\n    if: false\n    parallel: [{ id: a, run: x }, { id: b, run: x, if: always() }]\n",
    );
    assert_eq!(plan_of(&workflow, &[], &json!({})), planned(&[], &[0, 1, 2], Some(RunEvent::StepsSucceeded)));
}

#[test]
fn what_fails_inside_of_a_group_that_goes_on_is_no_failure_outside() {
    let workflow = workflow(
        "  - id: both
    on-error: continue
    parallel: [{ id: a, run: x }, { id: b, run: x }]
  - { id: tell, run: x, if: failure() }
  - { id: last, run: x }
",
    );
    let plan = plan_of(&workflow, &[S::Running, S::Failed, S::Succeeded], &json!({}));
    assert_eq!(plan.close, [Close { step: 0, event: StepEvent::Fail }]);
    let after = plan_of(&workflow, &[S::Failed, S::Failed, S::Succeeded], &json!({}));
    assert_eq!(after, planned(&[4], &[3], None));
}

#[test]
fn a_switch_runs_one_case_in_order() {
    let workflow = workflow(
        "  - id: kind
    switch: ${{ event.body.kind }}
    cases:
      a: { id: in-a, run: x }
      b: [{ id: in-b, run: x }, { id: in-b2, run: x }]
    default: [{ id: other, run: x }]
  - { id: last, run: x }
",
    );
    let ids: Vec<_> = workflow.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["kind", "in-a", "in-b", "in-b2", "other", "last"]);
    let plan = plan_of(&workflow, &[], &json!({}));
    assert_eq!((plan.open, plan.skip, plan.dispatch), (vec![0], vec![1, 4], vec![2]));
    let states = [S::Running, S::Skipped, S::Succeeded, S::Pending, S::Skipped, S::Pending];
    assert_eq!(plan_of(&workflow, &states, &json!({})), planned(&[3], &[], None));
    let states = [S::Running, S::Skipped, S::Succeeded, S::Succeeded, S::Skipped, S::Pending];
    let plan = plan_of(&workflow, &states, &json!({}));
    assert_eq!((plan.close[0].event, plan.dispatch), (StepEvent::Succeed, vec![]));
    let event = json!({ "body": { "kind": "zzz" } });
    let context = Context { event: &event, ..Context::default() };
    assert_eq!(chosen(&workflow, 0, &context).as_deref(), Some("default"));
    assert_eq!(advance(&workflow, &[], &context).dispatch, [4]);
}

#[test]
fn a_switch_without_a_fitting_case_has_ended() {
    let workflow = workflow(
        "  - { id: s, switch: \"${{ event.body.amount }}\", cases: { \"6\": { id: six, run: x } } }\n",
    );
    let plan = plan_of(&workflow, &[], &json!({}));
    assert_eq!((plan.open, plan.skip, plan.run), (vec![0], vec![1], Some(RunEvent::StepsSucceeded)));
    assert_eq!(plan.close, [Close { step: 0, event: StepEvent::Succeed }]);
}

#[test]
fn items_are_found_when_the_step_begins() {
    let each =
        workflow("  - { id: each, foreach: \"${{ event.body.list }}\", max-parallel: 2, jq: .item }\n");
    let plan = plan_of(&each, &[], &json!({}));
    assert_eq!(plan.expand, [(0, vec![json!(1), json!("two"), json!(null)])]);
    assert_eq!((plan.dispatch.len(), plan.run), (0, None));
    let odd = workflow("  - { id: each, foreach: \"${{ event.body.amount }}\", jq: .item }\n");
    let plan = plan_of(&odd, &[], &json!({}));
    assert!(plan.fail[0].1.message.contains("needs a list, not a number"), "{plan:?}");
    let many = workflow(
        "  - { id: each, foreach: \"${{ [1] * 0 + steps_list }}\", jq: .item }\n"
            .replace("[1] * 0 + steps_list", "'x' * 0")
            .as_str(),
    );
    assert_eq!(plan_of(&many, &[], &json!({})).run, Some(RunEvent::StepFailed));
}

const TIDY: &str = "name: w
on: { manual: }
steps:
  - { id: a, run: x }
  - { id: b, run: x }
finally:
  - { id: tidy, run: x }
  - { id: tell, run: x, if: failure() }
  - { id: cheer, run: x, if: success() }
";

#[test]
fn finally_comes_after_everything_and_goes_on() {
    let workflow = whole(TIDY);
    let none = json!({});
    assert_eq!(plan_of(&workflow, &[S::Running], &none), Plan::default());
    let failed = plan_of(&workflow, &[S::Failed], &none);
    assert_eq!((failed.skip, failed.dispatch, failed.run), (vec![1], vec![2], None));
    let broken = plan_of(&workflow, &[S::Failed, S::Skipped, S::Failed], &none);
    assert_eq!(broken, planned(&[3], &[], None));
    let over = plan_of(&workflow, &[S::Failed, S::Skipped, S::Failed, S::Succeeded], &none);
    assert_eq!(over, planned(&[], &[4], Some(RunEvent::StepFailed)));
    let well = plan_of(&workflow, &[S::Succeeded, S::Succeeded, S::Succeeded], &none);
    assert_eq!(well, planned(&[4], &[3], None));
    let cancelled = plan_of(&workflow, &[S::Cancelled], &none);
    assert_eq!((cancelled.skip, cancelled.dispatch), (vec![1], vec![2]));
    let spoiled = plan_of(&workflow, &[S::Succeeded, S::Succeeded, S::Failed, S::Skipped, S::Skipped], &none);
    assert_eq!(spoiled.run, Some(RunEvent::StepFailed), "its failure fails a run that had succeeded");
}

/// A tree of steps.
#[derive(Clone, Debug)]
enum Tree {
    Leaf { condition: usize, goes_on: bool, outcome: usize },
    Each { items: u32, outcome: usize },
    Parallel { condition: usize, goes_on: bool, steps: Vec<Tree> },
    Switch { fits: bool, cases: Vec<Vec<Tree>>, default: bool },
}

fn trees() -> impl Strategy<Value = Vec<Tree>> {
    let leaf = prop_oneof![
        (0..CONDITIONS.len(), any::<bool>(), 0..OUTCOMES.len())
            .prop_map(|(condition, goes_on, outcome)| Tree::Leaf { condition, goes_on, outcome }),
        (0_u32..4, 0..OUTCOMES.len()).prop_map(|(items, outcome)| Tree::Each { items, outcome }),
    ];
    let tree = leaf.prop_recursive(3, 20, 4, |inner| {
        let list = proptest::collection::vec(inner, 1..4);
        prop_oneof![
            (0..CONDITIONS.len(), any::<bool>(), list.clone())
                .prop_map(|(condition, goes_on, steps)| Tree::Parallel { condition, goes_on, steps }),
            (any::<bool>(), proptest::collection::vec(list, 1..3), any::<bool>())
                .prop_map(|(fits, cases, default)| Tree::Switch { fits, cases, default }),
        ]
    });
    proptest::collection::vec(tree, 1..5)
}

fn write(steps: &[Tree], indent: usize, next: &mut usize, outcomes: &mut Vec<usize>, out: &mut String) {
    let pad = " ".repeat(indent);
    for step in steps {
        write!(out, "{pad}- id: s{next}\n{pad}  ").unwrap();
        *next += 1;
        outcomes.push(match step {
            Tree::Leaf { outcome, .. } | Tree::Each { outcome, .. } => *outcome,
            Tree::Parallel { .. } | Tree::Switch { .. } => 0,
        });
        match step {
            Tree::Leaf { condition, goes_on, .. } => {
                writeln!(out, "run: x").unwrap();
                shared(*condition, *goes_on, &pad, out);
            }
            Tree::Each { items, .. } => {
                let list: Vec<_> = (0..*items).map(|item| item.to_string()).collect();
                writeln!(out, "foreach: [{}]\n{pad}  jq: .item", list.join(", ")).unwrap();
            }
            Tree::Parallel { condition, goes_on, steps } => {
                writeln!(out, "parallel:").unwrap();
                write(steps, indent + 4, next, outcomes, out);
                shared(*condition, *goes_on, &pad, out);
            }
            Tree::Switch { fits, cases, default } => {
                writeln!(out, "switch: {}", if *fits { "c0" } else { "none" }).unwrap();
                writeln!(out, "{pad}  cases:").unwrap();
                for (number, case) in cases.iter().enumerate() {
                    writeln!(out, "{pad}    c{number}:").unwrap();
                    write(case, indent + 6, next, outcomes, out);
                }
                if *default {
                    writeln!(out, "{pad}  default:").unwrap();
                    write(&cases[0], indent + 4, next, outcomes, out);
                }
            }
        }
    }
}

fn shared(condition: usize, goes_on: bool, pad: &str, out: &mut String) {
    if !CONDITIONS[condition].is_empty() {
        writeln!(out, "{pad}  if: {}", CONDITIONS[condition]).unwrap();
    }
    if goes_on {
        writeln!(out, "{pad}  on-error: continue").unwrap();
    }
}

/// Applies a plan as the daemon does, and holds it against the promises. Answers how the run ended.
fn apply_plan(workflow: &Workflow, plan: &Plan, states: &mut [S], begun: &mut [u32]) -> Option<RunEvent> {
    for index in &plan.skip {
        apply(states, *index, StepEvent::Skip);
    }
    for (index, _) in &plan.fail {
        apply(states, *index, StepEvent::Fail);
    }
    let expanded = plan.expand.iter().map(|(index, _)| index);
    for index in plan.open.iter().chain(expanded).chain(&plan.dispatch) {
        let step = &workflow.steps[*index];
        let parent = step.parent.map(|parent| states[parent]);
        assert!(parent.is_none_or(|state| state == S::Running), "before its group: {}", step.id);
        apply(states, *index, StepEvent::Dispatch);
        begun[*index] += 1;
    }
    for (index, _) in plan.expand.iter().filter(|(_, items)| items.is_empty()) {
        apply(states, *index, StepEvent::Succeed);
    }
    for Close { step, event } in &plan.close {
        assert!(workflow.steps[*step].children().iter().all(|child| states[*child].is_terminal()));
        apply(states, *step, *event);
    }
    for index in plan.open.iter().chain(plan.expand.iter().map(|(index, _)| index)).chain(&plan.dispatch) {
        let step = &workflow.steps[*index];
        assert!(step.needs.iter().all(|need| states[*need].is_terminal()), "before its needs: {}", step.id);
        let main = workflow.steps.iter().filter(|other| !other.finally);
        assert!(
            !step.finally || main.into_iter().all(|other| states[other.index].is_terminal()),
            "too early"
        );
    }
    if plan.run.is_some() {
        assert!(!plan.starts());
        assert!(states.iter().all(|state| state.is_terminal()), "a step is lost: {states:?}");
    }
    plan.run
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn trees_end_and_lose_nothing(
        main in trees(),
        finally in proptest::option::of(trees()),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 200),
        cancel_at in 0_usize..40,
    ) {
        let (mut text, mut next, mut outcomes) = ("name: w\non: { manual: }\nsteps:\n".to_owned(), 0, Vec::new());
        write(&main, 2, &mut next, &mut outcomes, &mut text);
        if let Some(finally) = &finally {
            text.push_str("finally:\n");
            write(finally, 2, &mut next, &mut outcomes, &mut text);
        }
        let workflow = whole(&text);
        let event = json!({ "body": { "amount": 5 } });
        let context = Context { event: &event, ..Context::default() };
        let mut states = vec![S::Pending; workflow.steps.len()];
        let mut begun = vec![0; states.len()];
        let mut order = order.into_iter();
        let mut turn = 0;
        loop {
            let plan = advance(&workflow, &states, &context);
            prop_assert_eq!(&plan, &advance(&workflow, &states, &context), "not the same twice");
            if let Some(end) = apply_plan(&workflow, &plan, &mut states, &mut begun) {
                let failed = (0..states.len()).any(|index| workflow.fails_run(index, states[index]));
                prop_assert_eq!(failed, end == RunEvent::StepFailed);
                break;
            }
            if plan.pauses() {
                continue;
            }
            let at_work = |index: &usize| states[*index] == S::Running && !workflow.steps[*index].kind().is_group();
            let running: Vec<_> = (0..states.len()).filter(at_work).collect();
            prop_assert!(!running.is_empty(), "stuck at {:?}\n{}", states, text);
            turn += 1;
            if turn == cancel_at {
                // What a principal's cancel does: whatever is under way ends, the plan does the rest.
                for index in running {
                    apply(&mut states, index, StepEvent::Cancel);
                }
                continue;
            }
            let Some(next) = order.next() else { return Err(TestCaseError::fail("does not end")) };
            let index = running[next.index(running.len())];
            apply(&mut states, index, OUTCOMES[outcomes[index]]);
        }
        prop_assert!(begun.iter().all(|count| *count <= 1));
    }

    #[test]
    fn a_forced_cancel_ends_at_once(main in trees(), finally in trees(), ended in proptest::collection::vec(any::<bool>(), 80)) {
        let (mut text, mut next, mut outcomes) = ("name: w\non: { manual: }\nsteps:\n".to_owned(), 0, Vec::new());
        write(&main, 2, &mut next, &mut outcomes, &mut text);
        text.push_str("finally:\n");
        write(&finally, 2, &mut next, &mut outcomes, &mut text);
        let workflow = whole(&text);
        let state = |index: usize| if ended.get(index) == Some(&true) { S::Succeeded } else { S::Cancelled };
        let states: Vec<_> = (0..workflow.steps.len()).map(state).collect();
        let plan = advance(&workflow, &states, &Context::default());
        prop_assert!(plan.run.is_some() && !plan.starts(), "{plan:?}");
    }
}
