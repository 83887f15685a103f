use proptest::prelude::*;

use super::*;
use crate::{Format, check};

fn workflow(steps: &str) -> Workflow {
    let text = format!("name: x\non: {{ manual: }}\nsteps:\n{steps}");
    check("x.yaml", &text, Format::Yaml).workflow.unwrap_or_else(|| panic!("{text}"))
}

fn drawn(steps: &str, width: usize, ascii: bool) -> String {
    draw(&workflow(steps), Style { width, ascii })
}

const DIAMOND: &str = "
  - { id: fetch, run: a, retry: { attempts: 4 } }
  - { id: lint, needs: fetch, run: a, on-error: continue }
  - { id: test, needs: fetch, run: a }
  - { id: publish, needs: [fetch, lint, test], run: a, at-most-once: true }
  - { id: report, needs: publish, if: failure(), jq: \"1\" }
  - { id: apart, needs: [], jq: \"1\" }
";

#[test]
fn a_diamond() {
    insta::assert_snapshot!(drawn(DIAMOND, 80, false));
}

#[test]
fn a_diamond_in_ascii_and_narrow() {
    insta::assert_snapshot!(drawn(DIAMOND, 34, true));
}

#[test]
fn steps_one_after_the_other() {
    insta::assert_snapshot!(drawn("  - { jq: \"1\" }\n  - { jq: \"2\" }\n  - { jq: \"3\" }\n", 80, false));
}

#[test]
fn edges_that_cross() {
    let steps = "
  - { id: a, needs: [], jq: \"1\" }
  - { id: b, needs: [], jq: \"1\" }
  - { id: c, needs: [], jq: \"1\" }
  - { id: d, needs: [a, c], jq: \"1\" }
  - { id: e, needs: [a, b], jq: \"1\" }
  - { id: f, needs: [b, d], jq: \"1\" }
  - { id: g, needs: [e, f, c], jq: \"1\" }
";
    insta::assert_snapshot!(drawn(steps, 80, false));
}

#[test]
fn what_is_too_wide_becomes_a_list() {
    let mut steps = "  - { id: first, jq: \"1\" }\n".to_owned();
    for number in 0..30 {
        writeln!(steps, "  - {{ id: s{number}, needs: first, jq: \"1\" }}").unwrap();
    }
    let text = drawn(&steps, 80, false);
    assert!(text.contains("s29    jq  after first\n"), "{text}");
    assert!(!text.contains('│'), "{text}");
}

#[test]
fn a_step_is_one_round_after_what_it_needs() {
    assert_eq!(rounds(&workflow(DIAMOND)), [1, 2, 2, 3, 4, 1]);
}

proptest! {
    /// Every step is on one line, after what it needs, whatever the edges; no line is too wide.
    #[test]
    fn every_drawing_is_whole(edges in proptest::collection::vec((0_usize..12, 0_usize..12), 0..30), width in 1_usize..120) {
        let mut needs: Vec<Vec<usize>> = vec![Vec::new(); 12];
        for (from, to) in edges {
            if from < to && !needs[to].contains(&from) {
                needs[to].push(from);
            }
        }
        let mut steps = String::new();
        for (index, needs) in needs.iter().enumerate() {
            let needs: Vec<_> = needs.iter().map(|need| format!("n{need}")).collect();
            writeln!(steps, "  - {{ id: n{index}, needs: [{}], jq: \"1\" }}", needs.join(", ")).unwrap();
        }
        for ascii in [false, true] {
            let text = drawn(&steps, width, ascii);
            prop_assert!(text.lines().all(|line| line.chars().count() <= width.max(20)), "{}", text);
            prop_assert!(!ascii || text.is_ascii());
            let wide = drawn(&steps, 200, ascii);
            let place = |index: usize| {
                wide.lines().position(|line| line.split_whitespace().any(|word| word == format!("n{index}")))
            };
            for (index, needs) in needs.iter().enumerate() {
                let at = place(index);
                prop_assert!(at.is_some(), "n{} is missing:\n{}", index, wide);
                prop_assert!(needs.iter().all(|need| place(*need) < at), "{}", wide);
            }
        }
    }
}
