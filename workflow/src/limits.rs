//! Every limit of the language, by name. A text that exceeds one gets a finding that says which.
//!
//! Nothing is parsed, expanded or evaluated without a bound from here. Go next to [`crate::check`].

/// Bytes of one workflow text.
pub const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Values in one text, after YAML aliases are expanded.
pub const MAX_NODES: usize = 50_000;
/// Nested lists and mappings.
pub const MAX_DEPTH: usize = 32;
/// Steps of a workflow, those inside of groups and of `finally` included.
pub const MAX_STEPS: usize = 500;
/// Items of one `foreach`; each is a row and a job.
pub const MAX_ITEMS: usize = 1_000;
/// Items of a `foreach` that are worked on at the same time where nothing is said.
pub const DEFAULT_PARALLEL_ITEMS: u32 = 10;
/// Items of a `foreach` that can be asked to be worked on at the same time.
pub const MAX_PARALLEL_ITEMS: u32 = 100;
/// Cases of one `switch`.
pub const MAX_CASES: usize = 50;
/// How deep runs may start runs by `workflow`: a workflow that calls itself ends here.
pub const MAX_WORKFLOW_DEPTH: u32 = 8;
/// Bytes of JSON that the condition of a `wait` may take along from its run.
pub const MAX_WAIT_VALUES_BYTES: usize = 64 * 1024;
/// Bytes of JSON that the workflow's `outputs` may come to.
pub const MAX_OUTPUTS_BYTES: usize = 256 * 1024;
/// Findings reported for one text; the rest is counted.
pub const MAX_FINDINGS: usize = 100;
/// Webhook triggers of a workflow.
pub const MAX_WEBHOOKS: usize = 16;
/// Events that may follow from one another: emitted by runs of each other, or started by each other's ends. What
/// starts itself ends here.
pub const MAX_EVENT_DEPTH: u32 = 32;
/// Secrets that may verify one webhook at the same time.
pub const MAX_VERIFY_SECRETS: usize = 8;
/// The longest replay window of a webhook, in milliseconds: one day.
pub const MAX_TOLERANCE_MS: u64 = 24 * 60 * 60 * 1000;
/// The longest time that a webhook's sender may be kept waiting for a result, in milliseconds: five minutes.
pub const MAX_RESPOND_TIMEOUT_MS: u64 = 5 * 60 * 1000;
/// Header fields that a webhook may choose for its event.
pub const MAX_EVENT_HEADERS: usize = 32;
/// Entries of a list or mapping that is not the list of steps: headers, env, inputs, notify rules.
pub const MAX_ENTRIES: usize = 100;
/// Bytes of one expression, without its delimiters.
pub const MAX_EXPRESSION_BYTES: usize = 4 * 1024;
/// Operators, brackets, calls and filters in one expression. The engine's compiler recurses once for each,
/// and a stack that is full ends the process.
pub const MAX_EXPRESSION_OPERATIONS: usize = 120;
/// Nested brackets in one expression; each costs the engine's parser a dozen stack frames.
pub const MAX_EXPRESSION_DEPTH: usize = 40;
/// Expressions in one text value.
pub const MAX_TEMPLATE_PARTS: usize = 200;
/// Expressions in one workflow.
pub const MAX_EXPRESSIONS: usize = 5_000;
/// Engine instructions and data that one evaluation may spend.
pub const EXPRESSION_FUEL: u64 = 50_000;
/// Values that the result of one expression may hold, and list items that one of our functions may look at.
pub const MAX_RESULT_NODES: usize = 100_000;
/// Bytes that one template may render to.
pub const MAX_RENDERED_BYTES: usize = 4 * 1024 * 1024;
/// Characters of a step id, an input name or a secret name.
pub const MAX_ID_CHARS: usize = 63;
/// Characters of a webhook path.
pub const MAX_PATH_CHARS: usize = 128;
/// Characters of a name or title that people read.
pub const MAX_TITLE_CHARS: usize = 200;
/// The longest duration the language knows: 366 days, in milliseconds.
pub const MAX_DURATION_MS: u64 = 366 * 24 * 60 * 60 * 1000;
/// The longest time limit of a step: one day, in milliseconds.
pub const MAX_STEP_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1000;
/// Attempts a retry policy may ask for.
pub const MAX_ATTEMPTS: u32 = 100;
/// How long a `Retry-After` is honoured, in milliseconds; a longer one is cut to this.
pub const MAX_RETRY_AFTER_MS: u64 = 60 * 60 * 1000;
/// Attempts after crashes of the daemon or the runner, whatever the policy says: a step that takes the
/// process down with it must not do so for ever.
pub const MAX_INTERRUPTED_ATTEMPTS: u32 = 10;
/// Entries of `on.schedule`.
pub const MAX_SCHEDULES: usize = 32;
/// Entries of `on.file`.
pub const MAX_FILE_TRIGGERS: usize = 16;
/// Bytes of a cron expression.
pub const MAX_CRON_CHARS: usize = 256;
/// How far ahead the next fire of a cron expression is looked for, in years. Every date and weekday meet within 40,
/// because a leap year fails once a century.
pub const MAX_CRON_YEARS: i16 = 45;
/// Characters of a time zone's name.
pub const MAX_ZONE_CHARS: usize = 64;
/// The longest spread of a schedule's runs: one day, in milliseconds.
pub const MAX_JITTER_MS: u64 = 24 * 60 * 60 * 1000;
/// Fires of one schedule that start runs in one transaction; the next look takes the next ones.
pub const MAX_FIRES_AT_ONCE: usize = 64;
/// Up to where missed fires are counted; beyond it there are at least as many.
pub const MAX_MISSED_COUNTED: u32 = 1_000;
/// Fires that may be asked for at once.
pub const MAX_NEXT_FIRES: usize = 100;
/// Characters of a file trigger's pattern.
pub const MAX_FILE_PATTERN_CHARS: usize = 200;
/// Runs of one concurrency group at once that a workflow may ask for.
pub const MAX_CONCURRENCY: u32 = 1_000;
/// Runs that wait in one concurrency group, or behind one throttle key; one more is refused.
pub const MAX_WAITING_RUNS: u32 = 1_000;
/// Runs within the time of a throttle that a workflow may ask for.
pub const MAX_THROTTLE: u32 = 100_000;
/// How far ahead a throttle may put the begin of a run: one week, in milliseconds.
pub const MAX_THROTTLE_DELAY_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Events of one batch.
pub const MAX_BATCH_SIZE: u32 = 100;
/// Bytes of the bodies of one batch; what exceeds them opens the next one.
pub const MAX_BATCH_BYTES: u64 = 1024 * 1024;
/// The longest time that a batch or a debounce waits: one week, in milliseconds.
pub const MAX_GATHER_MS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Bytes of a group or key that an expression renders to; it is a name, not a document.
pub const MAX_KEY_BYTES: usize = 1024;
