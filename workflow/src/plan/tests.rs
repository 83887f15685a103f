mod flow;

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;
use tenantry_protocol::state::StepState as S;

use super::*;
use crate::transition::{self, StepEvent};
use crate::{Format, check};

fn workflow(steps: &str) -> Workflow {
    let text = format!("name: w\non: {{ manual: }}\nsteps:\n{steps}");
    let checked = check("test.yaml", &text, Format::Yaml);
    assert_eq!(checked.findings, [], "{text}");
    checked.workflow.unwrap()
}

fn plan(workflow: &Workflow, states: &[S]) -> Plan {
    let event = json!({ "body": { "amount": 5 } });
    advance(workflow, states, &Context { event: &event, ..Context::default() })
}

fn planned(dispatch: &[usize], skip: &[usize], run: Option<RunEvent>) -> Plan {
    Plan { dispatch: dispatch.to_vec(), skip: skip.to_vec(), run, ..Plan::default() }
}

const CHAIN: &str = "
  - { id: a, run: x }
  - { id: b, run: x }
  - { id: c, run: x }
";

#[test]
fn without_needs_steps_run_in_order() {
    let workflow = workflow(CHAIN);
    assert!(workflow.sequential);
    assert_eq!(plan(&workflow, &[]), planned(&[0], &[], None));
    assert_eq!(plan(&workflow, &[S::Running, S::Pending, S::Pending]), Plan::default());
    assert_eq!(plan(&workflow, &[S::Succeeded, S::Pending, S::Pending]), planned(&[1], &[], None));
    assert_eq!(plan(&workflow, &[S::Succeeded; 3]), planned(&[], &[], Some(RunEvent::StepsSucceeded)));
}

#[test]
fn a_failure_skips_the_rest() {
    let workflow = workflow(CHAIN);
    let failed = plan(&workflow, &[S::Failed, S::Pending, S::Pending]);
    assert_eq!(failed, planned(&[], &[1, 2], Some(RunEvent::StepFailed)));
    let interrupted = plan(&workflow, &[S::Interrupted, S::Pending, S::Pending]);
    assert_eq!(interrupted.run, Some(RunEvent::StepFailed));
    let cancelled = plan(&workflow, &[S::Cancelled; 3]);
    assert_eq!(cancelled, planned(&[], &[], Some(RunEvent::Cancel)));
}

#[test]
fn a_skipped_step_does_not_hold_up_the_next_without_needs() {
    let workflow = workflow("  - { id: a, run: x, if: false }\n  - { id: b, run: x }\n");
    assert_eq!(plan(&workflow, &[]), planned(&[1], &[0], None));
}

#[test]
fn a_skipped_need_skips_unless_the_condition_asks() {
    let workflow = workflow(
        "  - { id: a, run: x, if: event.body.amount > 9 }
  - { id: b, run: x, needs: a }
  - { id: c, run: x, needs: b, if: always() }
  - { id: d, run: x, needs: a, if: success() }
",
    );
    assert_eq!(plan(&workflow, &[]), planned(&[2], &[0, 1, 3], None));
}

#[test]
fn on_error_continue_counts_as_well() {
    let workflow = workflow(
        "  - { id: a, run: x, on-error: continue }
  - { id: b, run: x, needs: a }
  - { id: c, run: x, needs: a, if: failure() }
",
    );
    assert_eq!(plan(&workflow, &[S::Failed, S::Pending, S::Pending]), planned(&[1], &[2], None));
    let end = plan(&workflow, &[S::Failed, S::Succeeded, S::Skipped]);
    assert_eq!(end.run, Some(RunEvent::StepsSucceeded));
}

#[test]
fn failure_handlers_run_after_failures_only() {
    let workflow = workflow(
        "  - { id: a, run: x }
  - { id: b, run: x }
  - { id: tell, run: x, if: failure() }
  - { id: tidy, run: x, if: always() }
",
    );
    let failed = plan(&workflow, &[S::Failed, S::Pending, S::Pending, S::Pending]);
    assert_eq!(failed, planned(&[2], &[1], None));
    let fine = plan(&workflow, &[S::Succeeded, S::Succeeded, S::Pending, S::Pending]);
    assert_eq!(fine, planned(&[3], &[2], None));
}

#[test]
fn failure_is_seen_through_skipped_steps() {
    let workflow = workflow(
        "  - { id: a, run: x, needs: [] }
  - { id: b, run: x, needs: a }
  - { id: c, run: x, needs: b, if: failure() }
",
    );
    assert_eq!(plan(&workflow, &[S::Failed, S::Pending, S::Pending]), planned(&[2], &[1], None));
}

#[test]
fn a_step_without_needs_starts_at_once_where_another_has_needs() {
    let workflow = workflow(
        "  - { id: a, run: x }
  - { id: b, run: x }
  - { id: c, run: x, needs: [a, b] }
",
    );
    assert!(!workflow.sequential);
    assert_eq!(plan(&workflow, &[]), planned(&[0, 1], &[], None));
    assert_eq!(plan(&workflow, &[S::Succeeded, S::Running, S::Pending]), Plan::default());
}

#[test]
fn a_step_may_need_a_later_one() {
    let workflow = workflow(
        "  - { id: a, run: x, needs: b, if: steps.b.state == 'skipped' or always() }\n  - { id: b, run: x, if: false }\n",
    );
    assert_eq!(plan(&workflow, &[]), planned(&[0], &[1], None));
}

#[test]
fn a_condition_without_a_value_fails_its_step() {
    let workflow =
        workflow("  - { id: a, run: x, if: event.body.gone > 1 }\n  - { id: b, run: x, if: failure() }\n");
    let plan = plan(&workflow, &[]);
    assert_eq!(plan.dispatch, [1]);
    let (step, error) = &plan.fail[0];
    assert_eq!((*step, error.step.as_deref()), (0, Some("a")));
    assert!(error.message.contains("event.body.gone"), "{error}");
}

#[derive(Clone, Debug)]
struct Wanted {
    needs: Vec<usize>,
    condition: usize,
    goes_on: bool,
    outcome: usize,
}

const CONDITIONS: &[&str] = &[
    "",
    "",
    "",
    "true",
    "false",
    "always()",
    "failure()",
    "success()",
    "cancelled()",
    "event.body.amount > 1",
    "event.body.gone > 1",
    "failure() or event.body.amount > 9",
];
const OUTCOMES: &[StepEvent] =
    &[StepEvent::Succeed, StepEvent::Succeed, StepEvent::Fail, StepEvent::Interrupt, StepEvent::Cancel];

fn text(steps: &[Wanted]) -> String {
    let mut text = String::new();
    for (index, step) in steps.iter().enumerate() {
        write!(text, "  - {{ id: s{index}, run: x").unwrap();
        let needs: Vec<_> = step.needs.iter().map(|need| format!("s{need}")).collect();
        if !needs.is_empty() {
            write!(text, ", needs: [{}]", needs.join(", ")).unwrap();
        }
        if let Some(condition) = CONDITIONS.get(step.condition).filter(|condition| !condition.is_empty()) {
            write!(text, ", if: {condition}").unwrap();
        }
        if step.goes_on {
            text.push_str(", on-error: continue");
        }
        text.push_str(" }\n");
    }
    text
}

/// Steps that need earlier ones, in a shuffled order of the text.
fn steps() -> impl Strategy<Value = Vec<Wanted>> {
    let step = (
        proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
        0..CONDITIONS.len(),
        any::<bool>(),
        0..OUTCOMES.len(),
    );
    (proptest::collection::vec(step, 1..9), any::<bool>(), any::<prop::sample::Index>()).prop_map(
        |(raw, linked, turn)| {
            let count = raw.len();
            let turn = turn.index(count);
            let place = |index: usize| (index + turn) % count;
            let mut steps = vec![None; count];
            for (index, (needs, condition, goes_on, outcome)) in raw.into_iter().enumerate() {
                let mut needs: Vec<usize> = needs
                    .into_iter()
                    .filter(|_| linked && index > 0)
                    .map(|need| place(need.index(index.max(1))))
                    .collect();
                needs.sort_unstable();
                needs.dedup();
                steps[place(index)] = Some(Wanted { needs, condition, goes_on, outcome });
            }
            steps.into_iter().flatten().collect()
        },
    )
}

fn apply(states: &mut [S], index: usize, event: StepEvent) {
    states[index] = transition::step(states[index], event).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_run_ends_and_no_step_is_lost(
        steps in steps(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 20),
    ) {
        let workflow = workflow(&text(&steps));
        let event = json!({ "body": { "amount": 5 } });
        let context = Context { event: &event, ..Context::default() };
        let mut states = vec![S::Pending; steps.len()];
        let mut dispatched = vec![0; steps.len()];
        let mut order = order.into_iter();
        loop {
            let plan = advance(&workflow, &states, &context);
            prop_assert_eq!(&plan, &advance(&workflow, &states, &context), "not the same twice");
            for index in &plan.skip {
                apply(&mut states, *index, StepEvent::Skip);
            }
            for (index, _) in &plan.fail {
                apply(&mut states, *index, StepEvent::Fail);
            }
            for index in &plan.dispatch {
                let step = &workflow.steps[*index];
                prop_assert!(step.needs.iter().all(|need| states[*need].is_terminal()), "before its needs");
                apply(&mut states, *index, StepEvent::Dispatch);
                dispatched[*index] += 1;
            }
            if let Some(end) = plan.run {
                prop_assert!(plan.dispatch.is_empty() && states.iter().all(|state| state.is_terminal()));
                let failed = (0..states.len()).any(|index| workflow.fails_run(index, states[index]));
                prop_assert_eq!(failed, end == RunEvent::StepFailed);
                break;
            }
            let running: Vec<_> = (0..states.len()).filter(|index| states[*index] == S::Running).collect();
            prop_assert!(!running.is_empty(), "stuck at {:?}", states);
            let Some(next) = order.next() else { return Err(TestCaseError::fail("does not end")) };
            let index = running[next.index(running.len())];
            apply(&mut states, index, OUTCOMES[steps[index].outcome]);
        }
        for (index, count) in dispatched.iter().enumerate() {
            prop_assert!(*count <= 1);
            let ran = *count == 1;
            let unconditional = CONDITIONS[steps[index].condition].is_empty();
            let well = may_follow(&workflow, index, &states);
            prop_assert!(!unconditional || ran == well, "step {index} of {:?}", states);
        }
    }

    #[test]
    fn any_states_give_a_plan(
        steps in steps(),
        states in proptest::collection::vec(prop::sample::select(S::ALL), 0..12),
    ) {
        let workflow = workflow(&text(&steps));
        let _unused: Plan = advance(&workflow, &states, &Context::default());
    }
}

#[test]
fn a_long_chain_of_skips_is_decided_in_one_call() {
    let mut text = String::new();
    for index in 0..500 {
        writeln!(text, "  - {{ id: s{index}, run: x, if: false }}").unwrap();
    }
    let plan = plan(&workflow(&text), &[]);
    assert_eq!((plan.skip.len(), plan.run), (500, Some(RunEvent::StepsSucceeded)));
}
