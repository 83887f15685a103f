//! How long the workbench checks a workflow of 2,000 lines: no daemon, no disk, one thread.

use std::fmt::Write as _;
use std::io;
use std::time::Instant;

use tenantry_workflow::{Format, check};

use crate::report::{Report, Target};

const PHASE: &str = "check";
const LINES: usize = 2_000;
/// Checks that are timed; the one in the middle counts.
const TIMES: usize = 31;
/// The longest that it may take.
const LIMIT_MS: f64 = 50.0;

pub(crate) fn measure(report: &mut Report) -> io::Result<()> {
    let right = long();
    let lines = right.lines().count();
    let found = check("long.yaml", &right, Format::Yaml);
    if found.workflow.is_none() || !found.findings.is_empty() {
        return Err(io::Error::other(format!(
            "the long workflow is not right: {:?}",
            found.findings.first()
        )));
    }
    report.judge(
        PHASE,
        format!("{lines} lines, median of {TIMES}"),
        median(&right),
        "ms",
        Target::AtMost(LIMIT_MS),
    );
    let wrong = right.replace("json:", "jsno:");
    let findings = check("long.yaml", &wrong, Format::Yaml).findings.len();
    let name = format!("the same with {findings} findings");
    report.judge(PHASE, name, median(&wrong), "ms", Target::AtMost(LIMIT_MS));
    Ok(())
}

/// Steps with a condition, an address and a body made by expressions, as many as the lines hold.
fn long() -> String {
    let mut text = "name: long\non: { event: a }\nsteps:\n".to_owned();
    let mut lines = text.lines().count();
    while lines < LINES {
        let step = format!(
            "  - id: s{lines}\n    if: ${{{{ event.body.n > {lines} }}}}\n    http:\n      url: \"https://x.example/${{{{ event.body.id }}}}\"\n      json: {{ a: \"${{{{ event.body.a | default('x') }}}}\" }}"
        );
        lines += step.lines().count();
        writeln!(text, "{step}").ok();
    }
    text
}

/// In milliseconds.
fn median(text: &str) -> f64 {
    let mut times: Vec<f64> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            std::hint::black_box(check("long.yaml", text, Format::Yaml));
            begun.elapsed().as_secs_f64() * 1_000.0
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(TIMES / 2).copied().unwrap_or_default()
}
