//! What each finding means, with an example that has it: `tenantry explain CODE`.
//!
//! **Invariant:** every code that a check can give has a row here, and its example gives that code. (the tests below)

/// What there is to say about a finding's code.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// The code.
    pub code: &'static str,
    /// What is wrong, in one sentence that names no instance.
    pub title: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// A file's name and text that have the finding; none where it takes more than a file.
    pub example: Option<(&'static str, &'static str)>,
}

impl Explanation {
    /// The text of the example, without the line that says what a test expects of it.
    pub fn example_text(&self) -> Option<&'static str> {
        let (_, text) = self.example?;
        Some(
            text.strip_prefix("# expect: ")
                .and_then(|rest| rest.split_once('\n'))
                .map_or(text, |(_, rest)| rest),
        )
    }
}

impl Explanation {
    /// Which command tells it, and when.
    pub fn told_by(&self) -> &'static str {
        match self.code {
            "bad-time" => "a finding of `tenantry workflow test`, about the file of a test",
            "duplicate-workflow" => {
                "a finding of `tenantry workflow check`, `plan` and `apply`, where they are given several files"
            }
            "input-missing" | "input-type" | "input-unknown" => {
                "a finding of `tenantry workflow run`, before a run is started"
            }
            "missing-channel" | "missing-secret" | "missing-variable" => {
                "a warning of `tenantry workflow apply`, which knows the tenant; `plan` shows it as missing"
            }
            "past-instant" => {
                "a warning of `tenantry workflow check`, `plan` and `apply`, which know what time it is"
            }
            _ => "a finding of `tenantry workflow check`",
        }
    }

    /// What leads to it, where a file alone does not: what is typed, and what is answered.
    pub fn situation(&self) -> Option<&'static str> {
        Some(match self.code {
            "bad-time" => {
                "$ tenantry workflow test hello.test.yaml\n(in hello.test.yaml: `now: tomorrow`)\n\
                 error[bad-time]: `tomorrow` is not a moment"
            }
            "duplicate-workflow" => {
                "$ tenantry workflow check a.yaml b.yaml\n(both say `name: hello`)\n\
                 error[duplicate-workflow]: workflow `hello` is in a.yaml already"
            }
            "input-missing" => {
                "$ tenantry workflow run greet\n(`on.manual.inputs` has `who: { type: string, required: true }`)\n\
                 error[input-missing]: input `who` is required"
            }
            "input-type" => {
                "$ tenantry workflow run greet -i times=often\n(`on.manual.inputs` has `times: { type: number }`)\n\
                 error[input-type]: input `times` must be a number"
            }
            "input-unknown" => {
                "$ tenantry workflow run greet -i whom=Ada\n(`on.manual.inputs` has `who: { type: string }`)\n\
                 error[input-unknown]: the workflow has no input `whom`"
            }
            "missing-channel" => {
                "$ tenantry workflow apply orders.yaml\n(`notify` has `channel: ops`, and there is none)\n\
                 warning[missing-channel]: the tenant has no channel ops"
            }
            "missing-secret" => {
                "$ tenantry workflow apply orders.yaml\n(a step reads `${{ secrets.API }}`, and there is none)\n\
                 warning[missing-secret]: the tenant has no secret API"
            }
            "missing-variable" => {
                "$ tenantry workflow apply orders.yaml\n(a step reads `${{ vars.REGION }}`, and there is none)\n\
                 warning[missing-variable]: the tenant has no variable REGION"
            }
            "past-instant" => {
                "$ tenantry workflow check party.yaml\n(`on.schedule` has `at: 2020-01-01T00:00:00`)\n\
                 warning[past-instant]: `at: 2020-01-01T00:00:00` (UTC) has passed, so this schedule never fires"
            }
            _ => return None,
        })
    }
}

/// Every code, sorted.
pub fn explanations() -> &'static [Explanation] {
    ALL
}

/// What there is to say about a code.
pub fn explanation(code: &str) -> Option<&'static Explanation> {
    ALL.iter().find(|explanation| explanation.code == code)
}

/// A fixture that has the finding.
macro_rules! fixture {
    ($name:literal) => {
        Some((concat!($name, ".yaml"), include_str!(concat!("../tests/invalid/", $name, ".yaml"))))
    };
}

macro_rules! explain {
    ($($code:literal: $title:literal, $remedy:literal, $example:expr;)+) => {
        static ALL: &[Explanation] =
            &[$(Explanation { code: $code, title: $title, remedy: $remedy, example: $example }),+];
    };
}

/// A text that has the finding, where no fixture has.
macro_rules! text {
    ($text:literal) => {
        Some(("example.yaml", $text))
    };
}

explain! {
    "bad-cron": "it is not a cron expression, or one that never fires",
        "the place is inside of the expression; `docs/triggers/schedule.md` lists what the fields take", fixture!("cron-hour");
    "bad-duration": "it is not a duration, or not a possible one",
        "write a number and a unit, long units first: 250ms, 30s, 5m, 1h30m, 72h, 30d", fixture!("bad-duration");
    "bad-instant": "`at` is not a moment",
        "write it as 2026-12-24T18:00:00, in the schedule's `timezone`", fixture!("schedule-at-words");
    "bad-moment": "`until` of a `wait` is not a moment",
        "write it as 2027-03-01T09:00:00Z, or with the name of a zone: 2027-03-01T10:00:00[Europe/Berlin]",
        fixture!("wait-bad-moment");
    "bad-name": "it cannot be the name of such a thing",
        "the message says which characters are possible there", fixture!("bad-step-id");
    "bad-path": "it cannot be the path of a webhook",
        "use segments of a-z, 0-9, dots, dashes and underscores, joined by /", fixture!("bad-path");
    "bad-payload": "`signed-payload` does not describe something that proves who signed it, and when",
        "name `{body}` once, and `{timestamp}` where `timestamp-header` says that there is one", fixture!("verify-timestamp-unsigned");
    "bad-status": "it is not a status that a sender can be answered with",
        "use a number from 200 to 599", fixture!("respond-bad-status");
    "bad-time": "it is not a moment",
        "write it as 2026-11-24T08:00:00Z, or with an offset such as +01:00", None;
    "bad-timezone": "there is no time zone of that name",
        "use a name such as Europe/Berlin or UTC", fixture!("schedule-timezone");
    "bad-url": "it is not an absolute http or https URL, or has credentials in it",
        "begin with https://; credentials go into `bearer` or `basic`", fixture!("relative-url");
    "batch-event": "the run of a batch reads a field that only a single event has",
        "read the events of the batch: `event.items`", text!("name: x\non: { event: row.added }\nbatch: { size: 10, within: 5s }\nsteps:\n  - run: cat\n    stdin: ${{ event.body.id }}\n");
    "burst-over-limit": "a throttle lets more runs begin at once than in its whole time",
        "make `burst` at most `limit`", fixture!("burst-over-limit");
    "conflicting-keys": "keys stand together that exclude each other",
        "keep one of the keys that the message names", fixture!("two-actions");
    "constant-key": "a dedupe key is the same for every event, so one event would shadow all others",
        "make it from the event: `${{ event.body.id }}`", fixture!("dedupe-constant");
    "duplicate-id": "two steps have the same id",
        "give each step an id of its own", fixture!("duplicate-id");
    "duplicate-key": "a key is there twice in the same mapping",
        "keep one of the two", fixture!("duplicate-key");
    "duplicate-need": "a step names another one twice in `needs`",
        "name it once", fixture!("needs-twice");
    "duplicate-path": "two webhooks of the workflow have the same path",
        "give each webhook a path of its own", fixture!("duplicate-path");
    "duplicate-schedule": "two schedules of the workflow are the same",
        "keep one of the two", fixture!("schedule-twice");
    "duplicate-secret": "a webhook names the same secret twice",
        "name it once", text!("name: x\non:\n  webhook:\n    path: a\n    verify: { scheme: github, secrets: [\"${{ secrets.A }}\", \"${{ secrets.A }}\"] }\nsteps: [{ jq: \"1\" }]\n");
    "duplicate-word": "the same word is there twice",
        "keep one of the two", fixture!("webhook-method-twice");
    "duplicate-workflow": "two of the files that are applied together have the same workflow name",
        "give one of the two another name", None;
    "emits-own-trigger": "a step emits an event that starts the same workflow, so that it may follow from itself without end",
        "make sure that a condition stops it, or emit another event",
        text!("name: x\non: { event: ping }\nsteps:\n  - emit: { name: ping }\n");
    "empty": "there is nothing in the file",
        "`tenantry workflow new hello` writes a workflow to begin with", fixture!("empty");
    "empty-list": "a list is empty where something must be in it",
        "put something into it, or leave the key out", fixture!("steps-empty");
    "expression-not-allowed": "an expression stands where only constant text is possible",
        "write the text itself", fixture!("expression-in-name");
    "expression-syntax": "what stands in `${{ }}` is not an expression",
        "`docs/workflow-language.md` lists what is possible in expressions", fixture!("expression-syntax");
    "if-not-expression": "an `if` has text around its expression, so it would always be true",
        "put the whole condition into one `${{ }}`, or leave the delimiters out", fixture!("if-with-text-around");
    "input-missing": "a run is started without an input that is required",
        "give it: `-i NAME=VALUE`; `tenantry workflow show NAME` lists the inputs", None;
    "input-type": "an input is given that is not of its type",
        "`tenantry workflow show NAME` lists the inputs with their types", None;
    "input-unknown": "an input is given that the workflow has not",
        "`tenantry workflow show NAME` lists the inputs", None;
    "json-syntax": "the file is not JSON",
        "correct what the place shows", Some(("example.json", "{ \"name\": x }\n"));
    "logs-outlive-run": "log lines would be kept longer than their run, with which they go",
        "make `retention.logs` at most `retention.runs`",
        text!("name: x\non: { manual: }\nretention: { runs: 1d, logs: 2d }\nsteps: [{ jq: \"1\" }]\n");
    "max-wait-shorter": "a debounce would give up before it has waited once",
        "make `max-wait` at least `for`", fixture!("max-wait-shorter");
    "misplaced-key": "a key has a meaning only together with another one",
        "move it to where it belongs, or take it away", fixture!("misplaced-shell");
    "missing-channel": "the tenant has no channel of that name, so its notifications would get lost",
        "`tenantry channel set NAME inbox`, or another kind", None;
    "missing-key": "a key is missing that must be there",
        "add the key that the message names", fixture!("missing-steps");
    "missing-secret": "the tenant has no secret of that name, so what reads it would fail",
        "`tenantry secret set NAME`", None;
    "missing-variable": "the tenant has no variable of that name, so what reads it would fail",
        "`tenantry var set NAME VALUE`", None;
    "needs-cycle": "steps wait for each other in a circle, so none of them could begin",
        "take one of the `needs` away", fixture!("needs-cycle");
    "needs-elsewhere": "a step needs one that is not in the same list of steps",
        "let the groups wait for each other; `finally` waits for everything anyway", fixture!("needs-into-a-group");
    "not-supported": "a key of the language that this release does not know yet",
        "leave it out", fixture!("planned-function");
    "own-trigger": "the end of the workflow's own run would start it again, without end",
        "name other workflows", fixture!("workflow-trigger-itself");
    "past-instant": "a schedule fires once, at a moment that has passed",
        "name a moment to come, or take the schedule away", None;
    "reserved-header": "a header that the connection sets itself, or that proves who the sender is",
        "leave it out", fixture!("reserved-header");
    "secret-flow": "a secret stands where it would be shown, stored or compared",
        "secrets may stand in requests, in `env`, in `stdin` and in `verify`, as the whole expression",
        fixture!("secret-in-notify");
    "secret-literal": "a secret is written into the file",
        "store it with `tenantry secret set NAME` and write `${{ secrets.NAME }}`", fixture!("secret-literal");
    "shell-injection": "a value from outside would become part of a script, so that its sender could run commands",
        "pass it by `env:` and write \"$NAME\" in the script", fixture!("injection-event");
    "status-function": "`success()`, `failure()`, `always()` and `cancelled()` are known only to the `if` of a step",
        "ask in the `if` of a step", fixture!("status-function-in-env");
    "step-order": "a step reads another one that need not have ended before it",
        "name that step in `needs`, or move it up", fixture!("reference-without-needs");
    "toml-syntax": "the file is not TOML",
        "correct what the place shows", Some(("example.toml", "name = x\n"));
    "too-deep": "lists and mappings are nested too deep",
        "make it flatter", None;
    "too-large": "the file, or what it stands for, is too large",
        "split it into several workflows", None;
    "too-long": "a text is longer than is possible there",
        "make it shorter", None;
    "too-many": "there are more entries than are possible there",
        "the message says how many are", None;
    "too-many-findings": "there are more findings than are shown",
        "correct the ones above first", None;
    "unknown-field": "an expression reads a field that does not exist",
        "the suggestion names the fields that there are", fixture!("unknown-field");
    "unknown-filter": "an expression uses a filter that does not exist",
        "`docs/workflow-language.md` lists the filters", fixture!("unknown-filter");
    "unknown-function": "an expression calls a function that does not exist",
        "`docs/workflow-language.md` lists the functions", fixture!("unknown-function");
    "unknown-input": "an expression reads an input that `on.manual` does not have",
        "add it to `on.manual.inputs`, or correct the name", fixture!("unknown-input");
    "unknown-key": "a key that the language does not have",
        "the suggestion names the one that is meant, or those that there are", fixture!("unknown-top-key");
    "unknown-name": "an expression begins with a name that does not exist",
        "begin with event, inputs, steps, secrets, vars, tenant, workflow, run, item or failed", fixture!("unknown-root");
    "unknown-step": "a step is named that the workflow does not have",
        "correct the name, or add the step", fixture!("needs-unknown");
    "unknown-test": "an expression uses a test after `is` that does not exist",
        "`docs/workflow-language.md` lists the tests", fixture!("unknown-test");
    "unknown-word": "a word that is not among those that are possible there",
        "the suggestion names them", fixture!("unknown-backoff");
    "unverified-webhook": "anybody who knows the URL can start the workflow",
        "verify the sender with a scheme and a secret",
        text!("name: x\non:\n  webhook: { path: a, verify: { scheme: none } }\nsteps: [{ jq: \"1\" }]\n");
    "weak-algorithm": "sha1 is weak",
        "use sha256, unless the sender knows nothing better",
        text!("name: x\non:\n  webhook:\n    path: a\n    verify: { scheme: hmac, header: X-Sig, algorithm: sha1, secret: \"${{ secrets.A }}\" }\nsteps: [{ jq: \"1\" }]\n");
    "wrong-type": "a value is of another type than belongs there",
        "the message says which type belongs there; numbers and words like true are quoted to be text",
        fixture!("env-is-a-list");
    "yaml-alias": "an alias stands inside of its own anchor",
        "write the value out", text!("a: &a [*a]\n");
    "yaml-documents": "a file holds a second YAML document",
        "make a file of each", fixture!("yaml-two-documents");
    "yaml-merge": "YAML merge keys are not supported",
        "repeat the keys, or use an anchor for a whole value", fixture!("yaml-merge");
    "yaml-syntax": "the file is not YAML",
        "correct what the place shows; spaces indent, tabs do not", fixture!("yaml-syntax");
    "yaml-tag": "YAML tags have no meaning here",
        "remove the tag", fixture!("yaml-tag");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::{Format, check};

    #[test]
    fn codes_are_sorted_and_single() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn every_example_has_its_finding() {
        for explanation in ALL {
            let Some((file, _)) = explanation.example else { continue };
            let text = explanation.example_text().unwrap();
            let findings = check(file, text, Format::of_path(file)).findings;
            assert!(
                findings.iter().any(|f| f.code == explanation.code),
                "{}: {findings:#?}",
                explanation.code
            );
        }
    }

    #[test]
    fn what_takes_more_than_a_file_has_a_situation_of_its_own() {
        let large = ["too-deep", "too-large", "too-long", "too-many", "too-many-findings"];
        for explanation in ALL {
            let shown = explanation.example.is_some() || large.contains(&explanation.code);
            let situation = explanation.situation();
            assert_eq!(situation.is_none(), shown, "{}", explanation.code);
            assert!(situation.is_none_or(|text| text.contains(&format!("[{}]", explanation.code))));
            assert_eq!(explanation.told_by() == "a finding of `tenantry workflow check`", shown);
        }
    }

    #[test]
    fn the_table_of_the_guide_has_every_code() {
        let guide = include_str!("../../docs/workflow-language.md");
        let table = guide.split_once("\n## Findings\n").unwrap().1;
        let first = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let told: BTreeSet<&str> = first.flat_map(|(codes, _)| codes.split("` `")).collect();
        let all: BTreeSet<&str> = ALL.iter().map(|explanation| explanation.code).collect();
        let differ: Vec<_> = told.symmetric_difference(&all).collect();
        assert!(differ.is_empty(), "in one of the two only: {differ:?}");
    }

    fn files(folder: &Path, out: &mut Vec<String>) {
        for member in std::fs::read_dir(folder).unwrap() {
            let path = member.unwrap().path();
            if path.is_dir() {
                files(&path, out);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                out.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// The words that stand where a finding's code does.
    fn codes(text: &str) -> Vec<String> {
        let mut codes = Vec::new();
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for before in [".error(", ".warning(", "finding(", "code: ", "=> (", "return Err(("] {
            for (at, _) in text.match_indices(before) {
                let rest = text[at + before.len()..].trim_start();
                let Some(word) = rest.strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                    continue;
                };
                if word.contains('-') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
                    codes.push(word.to_owned());
                }
            }
        }
        codes
    }

    #[test]
    fn every_code_in_the_sources_is_explained() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut sources = Vec::new();
        files(&root.join("src"), &mut sources);
        files(&root.join("../daemon/src/service"), &mut sources);
        let used: BTreeSet<String> = sources.iter().flat_map(|text| codes(text)).collect();
        assert!(used.len() > 40, "only {} codes are found in the sources", used.len());
        let unexplained: Vec<_> = used.iter().filter(|code| explanation(code).is_none()).collect();
        assert!(unexplained.is_empty(), "these need a row in this file: {unexplained:?}");
    }

    #[test]
    fn every_code_of_the_fixtures_is_explained() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid");
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let code = text.strip_prefix("# expect: ").and_then(|rest| rest.split(' ').next()).unwrap();
            assert!(explanation(code).is_some(), "{code} needs a row in this file");
        }
    }
}
