//! What an expression may read, by the place at which it stands.

use crate::build::Build;
use crate::context::{Root, STEP_FIELDS};
use crate::expression::{Expression, Path, Problem, ProblemKind, Segment, filters, functions, test_names};
use crate::names::is_variable;
use crate::suggest::closest;

/// A place for expressions.
pub(crate) struct Rules {
    /// What the place is called in messages.
    pub(crate) what: &'static str,
    pub(crate) roots: &'static [Root],
    /// Whether the values of secrets may flow here.
    pub(crate) secrets: bool,
    /// Whether `success()` and its kin have a meaning here.
    pub(crate) status: bool,
    /// Whether `event` is one event here even if the workflow collects them with `batch`.
    pub(crate) each_event: bool,
}

use Root::{Event, Failed, Inputs, Item, Run, Steps, Tenant, Vars, Workflow};

/// What may stand inside of a script: values that are made by the daemon and hold no shell characters.
const SCRIPT_FIELDS: &[(Root, &[&str])] = &[
    (Tenant, &["id", "name"]),
    (Workflow, &["id", "name", "revision"]),
    (Run, &["id", "attempt", "created_at", "started_at", "idempotency_key"]),
];

const ALL: &[Root] = &[Event, Inputs, Steps, Vars, Tenant, Workflow, Run, Failed];
/// What an action reads: `item` too, if its step has a `foreach`.
const ACTION: &[Root] = &[Event, Inputs, Steps, Vars, Tenant, Workflow, Run, Failed, Item];

pub(crate) const EVENT_CONDITION: Rules = Rules {
    what: "the workflow's `if`",
    roots: &[Event, Inputs, Vars, Tenant, Workflow],
    secrets: false,
    status: false,
    each_event: true,
};
/// Groups and keys of what holds runs back.
pub(crate) const PACE: Rules = Rules {
    what: "a group or key",
    roots: &[Event, Inputs, Vars, Tenant, Workflow],
    secrets: false,
    status: false,
    each_event: true,
};
pub(crate) const TRIGGER_CONDITION: Rules = Rules {
    what: "a trigger's `if`",
    roots: &[Event, Inputs, Vars, Tenant, Workflow],
    secrets: false,
    status: false,
    each_event: true,
};
pub(crate) const RESPOND_AT_ONCE: Rules = Rules {
    what: "`respond` before the run",
    roots: &[Event, Vars, Tenant, Workflow],
    secrets: false,
    status: false,
    each_event: true,
};
pub(crate) const RESPOND: Rules =
    Rules { what: "`respond`", roots: ALL, secrets: false, status: false, each_event: false };
pub(crate) const DEDUPE: Rules =
    Rules { what: "`dedupe.key`", roots: &[Event], secrets: false, status: false, each_event: true };
pub(crate) const STEP_CONDITION: Rules =
    Rules { what: "a step's `if`", roots: ALL, secrets: false, status: true, each_event: false };
pub(crate) const HTTP: Rules =
    Rules { what: "`http`", roots: ACTION, secrets: true, status: false, each_event: false };
pub(crate) const ENV: Rules =
    Rules { what: "`env`", roots: ACTION, secrets: true, status: false, each_event: false };
pub(crate) const WORKFLOW_ENV: Rules = Rules {
    what: "the workflow's `env`",
    roots: &[Event, Inputs, Vars, Tenant, Workflow, Run],
    secrets: true,
    status: false,
    each_event: false,
};
pub(crate) const STDIN: Rules =
    Rules { what: "`stdin`", roots: ACTION, secrets: true, status: false, each_event: false };
pub(crate) const SCRIPT: Rules = Rules {
    what: "`run`",
    roots: &[Tenant, Workflow, Run],
    secrets: false,
    status: false,
    each_event: false,
};
pub(crate) const JQ_INPUT: Rules =
    Rules { what: "`input`", roots: ACTION, secrets: false, status: false, each_event: false };
pub(crate) const EMIT: Rules =
    Rules { what: "`emit.data`", roots: ACTION, secrets: false, status: false, each_event: false };
pub(crate) const WITH: Rules =
    Rules { what: "`workflow.with`", roots: ACTION, secrets: false, status: false, each_event: false };
pub(crate) const FOREACH: Rules =
    Rules { what: "`foreach`", roots: ALL, secrets: false, status: false, each_event: false };
pub(crate) const SWITCH: Rules =
    Rules { what: "`switch`", roots: ALL, secrets: false, status: true, each_event: false };
pub(crate) const WAIT: Rules =
    Rules { what: "`wait`", roots: ALL, secrets: false, status: false, each_event: false };
/// `event` is the one that came.
pub(crate) const WAIT_CONDITION: Rules = Rules {
    what: "the `if` of `wait`",
    roots: &[Event, Inputs, Steps, Tenant, Workflow, Run],
    secrets: false,
    status: false,
    each_event: true,
};
pub(crate) const APPROVE: Rules =
    Rules { what: "`approve`", roots: ALL, secrets: false, status: false, each_event: false };
pub(crate) const OUTPUTS: Rules = Rules {
    what: "`outputs`",
    roots: &[Event, Inputs, Steps, Tenant, Workflow, Run],
    secrets: false,
    status: false,
    each_event: false,
};
pub(crate) const NOTIFY: Rules =
    Rules { what: "`notify`", roots: ALL, secrets: false, status: false, each_event: false };

/// Whether the value behind a path cannot become shell code. A field that does not exist is reported
/// elsewhere.
fn is_safe_in_script(path: &Path) -> bool {
    let fields = SCRIPT_FIELDS.iter().find(|(root, _)| Some(*root) == path.root()).map(|(_, fields)| *fields);
    match (fields, path.segments()) {
        (Some(safe), [Segment::Key(field)]) => {
            let known = path.root().and_then(Root::fields).unwrap_or_default();
            safe.contains(&&**field) || !known.contains(&&**field)
        }
        _ => false,
    }
}

impl Build<'_, '_> {
    /// Checks everything an expression reads. `step` is the step it belongs to; without one, all steps are
    /// seen.
    pub(crate) fn check_expression(
        &mut self,
        expression: &Expression,
        rules: &Rules,
        step: Option<usize>,
        at: usize,
    ) {
        for path in expression.paths() {
            self.check_path(path, rules, step, at);
        }
    }

    fn check_path(&mut self, path: &Path, rules: &Rules, step: Option<usize>, at: usize) {
        let at = at..at;
        let Some(root) = path.root() else {
            if !rules.status {
                let message =
                    format!("`{path}` has a meaning only in the `if` of a step, not in {}", rules.what);
                self.findings.error("status-function", at, message, None);
            }
            return;
        };
        if root == Root::Secrets {
            return self.check_secret(path, rules, at);
        }
        if rules.what == SCRIPT.what && !is_safe_in_script(path) {
            let message = format!("`{path}` inside of `run` would let its value become shell code");
            let help =
                format!("pass it by env: `env: {{ VALUE: \"${{{{ {path} }}}}\" }}`, and use \"$VALUE\"");
            self.findings.error("shell-injection", at, message, Some(help));
            return;
        }
        if !rules.roots.contains(&root) {
            let known: Vec<_> = rules.roots.iter().map(|root| root.as_str()).collect();
            let message = format!("`{}` is not known in {}", root.as_str(), rules.what);
            let help = format!("known here: {}", known.join(", "));
            self.findings.error("unknown-name", at, message, Some(help));
            return;
        }
        if root == Item && step.is_none_or(|step| self.graph.has_items.get(step) != Some(&true)) {
            let message = "`item` has a meaning only in the action of a step with `foreach`";
            self.findings.error("unknown-name", at, message, None);
            return;
        }
        match root {
            Root::Steps => self.check_step(path, step, at),
            Root::Inputs => self.check_input(path, at),
            Root::Vars => self.check_variable(path, at),
            _ => {
                // Only there is the run's own event beside the one that came.
                let own_event = rules.what == WAIT_CONDITION.what
                    && root == Run
                    && matches!(path.segments().first(), Some(Segment::Key(field)) if &**field == "event");
                if let (Some(fields), Some(segment), false) =
                    (root.fields(), path.segments().first(), own_event)
                {
                    self.check_field(root.as_str(), segment, fields, at.clone());
                }
                if root == Event && self.batched && !rules.each_event {
                    self.check_batch_event(path, at.clone());
                }
                self.check_header(path.segments(), at);
            }
        }
    }

    /// The event of a batch has nothing but the events that it is made of.
    fn check_batch_event(&mut self, path: &Path, at: std::ops::Range<usize>) {
        let [Segment::Key(field), Segment::Key(below), ..] = path.segments() else { return };
        let is_items = &**field == "body" && &**below == "items";
        if matches!(&**field, "body" | "headers" | "query") && !is_items {
            let message = format!("`{path}` is not there when a batch starts the run: it has many events");
            let help = format!("read `event.items`, such as `event.items[0].{field}.{below}`");
            self.findings.warning("batch-event", at, message, Some(help));
        }
    }

    fn check_secret(&mut self, path: &Path, rules: &Rules, at: std::ops::Range<usize>) {
        match path.secret() {
            Some(name) if !is_variable(name) => {
                let message = "a secret's name is made of letters, digits and `_`";
                self.findings.error("bad-name", at, message, None);
            }
            Some(_) if rules.secrets => {}
            Some(name) => {
                let help = if rules.what == SCRIPT.what {
                    format!(
                        "pass it by env: `env: {{ {name}: \"${{{{ secrets.{name} }}}}\" }}`, and use \"${name}\""
                    )
                } else {
                    "secrets may flow into http (url, headers, query, bearer, body), env and stdin only"
                        .to_owned()
                };
                let message = format!("a secret may not flow into {}", rules.what);
                self.findings.error("secret-flow", at, message, Some(help));
            }
            None => {
                let message = "a secret is read as `secrets.NAME` and nothing below it";
                self.findings.error("secret-flow", at, message, None);
            }
        }
    }

    /// Which variables there are, only the tenant knows; how they are named, the language does.
    fn check_variable(&mut self, path: &Path, at: std::ops::Range<usize>) {
        match path.segments().first() {
            Some(Segment::Key(name)) if is_variable(name) => drop(self.vars.insert(name.to_string())),
            Some(_) => {
                let message = "a variable's name is made of letters, digits and `_`";
                self.findings.error("bad-name", at, message, None);
            }
            None => {
                let message = "a variable is read by its name";
                let help = "write `vars.NAME`".to_owned();
                self.findings.error("unknown-name", at, message, Some(help));
            }
        }
    }

    fn check_step(&mut self, path: &Path, step: Option<usize>, at: std::ops::Range<usize>) {
        let mut segments = path.segments().iter();
        let Some(Segment::Key(id)) = segments.next() else {
            return;
        };
        let index = self.graph.index(id);
        if index.is_none() && self.unsure.steps {
            return;
        }
        let Some(index) = index else {
            let help = closest(id, self.graph.ids.iter().map(String::as_str));
            let help = help.map(|id| format!("did you mean `steps.{id}`?"));
            let shown: String = id.chars().take(80).collect();
            self.findings.error("unknown-step", at, format!("there is no step `{shown}`"), help);
            return;
        };
        let orderly = |reader: &usize| !self.graph.unsure.get(*reader).copied().unwrap_or_default();
        let reader = step.filter(|reader| !self.graph.comes_before(index, *reader));
        if let Some(reader) = reader.filter(orderly) {
            let (message, help) = if index == reader {
                (format!("step `{id}` reads itself"), None)
            } else if self.graph.in_order.get(reader) == Some(&true) {
                (format!("step `{id}` comes later"), Some("read only steps above".to_owned()))
            } else {
                let message = format!("step `{id}` may not have ended when this is read");
                let sibling = self.graph.parents.get(index) == self.graph.parents.get(reader);
                (message, sibling.then(|| format!("add it: `needs: [{id}]`")))
            };
            self.findings.error("step-order", at, message, help);
            return;
        }
        if let Some(segment) = segments.next() {
            self.check_field(&format!("steps.{id}"), segment, STEP_FIELDS, at.clone());
        }
        self.check_header(path.segments().get(1..).unwrap_or_default(), at);
    }

    /// Header names are lower case wherever they are read.
    fn check_header(&mut self, segments: &[Segment], at: std::ops::Range<usize>) {
        if let [Segment::Key(headers), Segment::Key(name), ..] = segments
            && &**headers == "headers"
            && name.bytes().any(|byte| byte.is_ascii_uppercase())
        {
            let help = format!("write `headers['{}']`", name.to_ascii_lowercase());
            let message = format!("header names are lower case here; there is never a header `{name}`");
            self.findings.error("unknown-field", at, message, Some(help));
        }
    }

    fn check_input(&mut self, path: &Path, at: std::ops::Range<usize>) {
        if self.unsure.inputs {
            return;
        }
        let Some(inputs) = &self.inputs else {
            let help = "declare them: `on: { manual: { inputs: { … } } }`".to_owned();
            self.findings.error("unknown-input", at, "the workflow has no inputs", Some(help));
            return;
        };
        if let Some(Segment::Key(name)) = path.segments().first()
            && !inputs.iter().any(|known| **known == **name)
        {
            let help = closest(name, inputs.iter().map(String::as_str));
            let help = help.map(|name| format!("did you mean `inputs.{name}`?"));
            let shown: String = name.chars().take(80).collect();
            self.findings.error("unknown-input", at, format!("there is no input `{shown}`"), help);
        }
    }

    fn check_field(&mut self, owner: &str, segment: &Segment, fields: &[&str], at: std::ops::Range<usize>) {
        let name = match segment {
            Segment::Key(name) if fields.contains(&&**name) => return,
            Segment::Key(name) => name.chars().take(80).collect(),
            Segment::Index(index) => index.to_string(),
        };
        let help = closest(&name, fields.iter().copied()).map_or_else(
            || format!("it has {}", fields.join(", ")),
            |field| format!("did you mean `{owner}.{field}`?"),
        );
        self.findings.error("unknown-field", at, format!("`{owner}` has no `{name}`"), Some(help));
    }

    /// Reports what is wrong with an expression itself.
    pub(crate) fn problem(&mut self, problem: &Problem, at: usize) {
        let near = |name: &str, known: Vec<&str>| {
            closest(name, known.iter().copied()).map_or_else(
                || format!("known: {}", known.join(", ")),
                |word| format!("did you mean `{word}`?"),
            )
        };
        let (code, message, help) = match &problem.kind {
            ProblemKind::Syntax(message) => ("expression-syntax", message.clone(), None),
            ProblemKind::UnknownName(name) => {
                let known = Root::ALL.iter().map(|root| root.as_str()).collect();
                ("unknown-name", format!("`{name}` is not known in expressions"), Some(near(name, known)))
            }
            ProblemKind::UnknownFilter(name) => (
                "unknown-filter",
                format!("there is no filter `{name}`"),
                Some(near(name, filters().to_vec())),
            ),
            ProblemKind::UnknownTest(name) => {
                let known = test_names().to_vec();
                ("unknown-test", format!("there is no test `is {name}`"), Some(near(name, known)))
            }
            ProblemKind::UnknownFunction(name) => {
                let known = functions();
                ("unknown-function", format!("there is no function `{name}()`"), Some(near(name, known)))
            }
            ProblemKind::Method(name) => (
                "unknown-function",
                format!("values have no methods; `.{name}()` cannot be called"),
                Some("use a filter: `value | name`".to_owned()),
            ),
            ProblemKind::Unnamed(root) => (
                "unknown-name",
                format!("`{}` must be followed by a constant name", root.as_str()),
                Some(format!("write `{}.NAME`", root.as_str())),
            ),
            ProblemKind::SecretInside(name) => (
                "secret-flow",
                "a secret must be the whole expression".to_owned(),
                Some(format!("write `${{{{ secrets.{name} }}}}` and put other text around it")),
            ),
        };
        self.findings.error(code, at..at, message, help);
    }
}
