//! The engine behind expressions that are more than a path: minijinja with fuel and strict undefined values.
//!
//! An expression gets its paths as numbered slots, so the engine never sees the context, only the values that
//! the expression names. The filters and tests are the ones listed here and no others; nothing can define,
//! import or include.

use std::sync::{Arc, LazyLock};

use minijinja::value::{Enumerator, Object, ValueKind};
use minijinja::{Environment, ErrorKind, State, UndefinedBehavior, Value as EngineValue};
use serde_json::Value;

use super::path::{Found, Path, Scope};
use super::scan::Scanned;
use crate::limits::{EXPRESSION_FUEL, MAX_DEPTH, MAX_RENDERED_BYTES, MAX_RESULT_NODES};

/// A compiled expression and the paths behind its slots.
#[derive(Debug)]
pub(crate) struct Program {
    code: minijinja::Expression<'static, 'static>,
    slots: Box<[Path]>,
}

/// What stands before a slot's number in the engine's text. No name of the language begins with it.
pub(crate) const SLOT: &str = "__p";

/// The filter that lets only numbers pass. Like [`SLOT`], no name of the language.
pub(crate) const NUMBER: &str = "__number";

macro_rules! engine_words {
    ($environment:ident, $adder:ident, $module:path, $list:ident: $($name:literal = $function:ident),+ $(,)?) => {
        const $list: &[&str] = &[$($name),+];
        fn $adder($environment: &mut Environment<'static>) {
            use $module as source;
            engine_words!(@add $environment, $adder, source, $($name = $function),+);
        }
    };
    (@add $environment:ident, add_filters, $source:ident, $($name:literal = $function:ident),+) => {
        $($environment.add_filter($name, $source::$function);)+
    };
    (@add $environment:ident, add_tests, $source:ident, $($name:literal = $function:ident),+) => {
        $($environment.add_test($name, $source::$function);)+
    };
}

engine_words! { environment, add_filters, minijinja::filters, FILTERS:
    "abs" = abs, "attr" = attr, "batch" = batch, "bool" = bool, "capitalize" = capitalize,
    "default" = default, "dictsort" = dictsort, "first" = first, "float" = float, "groupby" = groupby,
    "int" = int, "items" = items, "join" = join, "last" = last, "length" = length, "lines" = lines,
    "list" = list, "lower" = lower, "map" = map, "max" = max, "min" = min, "reject" = reject,
    "rejectattr" = rejectattr, "replace" = replace, "reverse" = reverse, "round" = round,
    "select" = select, "selectattr" = selectattr, "slice" = slice, "sort" = sort, "split" = split,
    "string" = string, "sum" = sum, "title" = title, "tojson" = tojson, "trim" = trim,
    "unique" = unique, "upper" = upper,
}

engine_words! { environment, add_tests, minijinja::tests, TESTS:
    "boolean" = is_boolean, "defined" = is_defined, "divisibleby" = is_divisibleby,
    "endingwith" = is_endingwith, "eq" = is_eq, "even" = is_even, "false" = is_false, "float" = is_float,
    "ge" = is_ge, "gt" = is_gt, "in" = is_in, "integer" = is_integer, "le" = is_le, "lower" = is_lower,
    "lt" = is_lt, "mapping" = is_mapping, "ne" = is_ne, "none" = is_none, "number" = is_number,
    "odd" = is_odd, "sequence" = is_sequence, "startingwith" = is_startingwith, "string" = is_string,
    "true" = is_true, "undefined" = is_undefined, "upper" = is_upper,
}

/// The functions besides `success()` and its kin, by GitHub's names.
pub(crate) const FUNCTIONS: &[&str] = &["contains", "startsWith", "endsWith", "fromJSON", "toJSON"];

/// The names of the filters.
pub(crate) const fn filters() -> &'static [&'static str] {
    FILTERS
}

/// The names of the tests, as in `x is defined`.
pub(crate) const fn tests() -> &'static [&'static str] {
    TESTS
}

static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(EXPRESSION_FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    add_filters(&mut environment);
    add_tests(&mut environment);
    add_functions(&mut environment);
    environment
});

fn add_functions(environment: &mut Environment<'static>) {
    environment.add_filter(NUMBER, |value: EngineValue| match value.kind() {
        ValueKind::Number => Ok(value),
        other => Err(invalid(format!("only numbers can be multiplied, not a {other}"))),
    });
    environment.add_function("contains", |state: &State<'_, '_>, hay: EngineValue, needle: EngineValue| {
        // Text contains only text; the engine's test pays for what it looks at.
        if hay.as_str().is_some() && needle.as_str().is_none() {
            return Ok(false);
        }
        minijinja::tests::is_in(state, &needle, &hay)
    });
    environment.add_function("startsWith", |text: String, start: String| text.starts_with(&start));
    environment.add_function("endsWith", |text: String, end: String| text.ends_with(&end));
    environment.add_function("toJSON", |value: EngineValue| {
        from_engine(&value, &mut Budget::new()).map(|value| value.to_string()).map_err(invalid)
    });
    environment.add_function("fromJSON", |text: String| {
        serde_json::from_str::<Value>(&text)
            .map(|value| into_engine(&value))
            .map_err(|error| invalid(format!("fromJSON: {error}")))
    });
}

const TOO_MUCH: &str = "the expression does too much work";

fn invalid(message: String) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, message)
}

/// The slots of one evaluation, filled before it begins.
#[derive(Debug)]
struct Slots(Box<[EngineValue]>);

impl Object for Slots {
    fn get_value(self: &Arc<Self>, key: &EngineValue) -> Option<EngineValue> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<EngineValue> {
        let index: usize = key.strip_prefix(SLOT)?.parse().ok()?;
        self.0.get(index).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }
}

impl Program {
    /// Compiles what the scanner has translated; the error is the engine's message.
    pub(crate) fn compile(scanned: Scanned) -> Result<Self, String> {
        let code = ENGINE.compile_expression_owned(scanned.translated).map_err(|error| said(&error))?;
        Ok(Self { code, slots: scanned.paths.into() })
    }

    pub(crate) fn paths(&self) -> &[Path] {
        &self.slots
    }

    pub(crate) fn value(&self, scope: &Scope<'_>) -> Result<Value, String> {
        let value = self.run(scope)?;
        from_engine(&value, &mut Budget::new())
    }

    pub(crate) fn truth(&self, scope: &Scope<'_>) -> Result<bool, String> {
        self.run(scope).map(|value| value.is_true())
    }

    fn run(&self, scope: &Scope<'_>) -> Result<EngineValue, String> {
        let slots = self
            .slots
            .iter()
            .map(|path| match path.resolve(scope) {
                Found::Value(value) => into_engine(value),
                Found::Text(text) => EngineValue::from(text),
                Found::Truth(truth) => EngineValue::from(truth),
                Found::Missing => EngineValue::UNDEFINED,
            })
            .collect();
        let value = self
            .code
            .eval(EngineValue::from_object(Slots(slots)))
            .map_err(|error| self.explain(&error, scope))?;
        if value.is_undefined() { Err(self.not_there(scope)) } else { Ok(value) }
    }

    /// The engine's message, made to speak of paths instead of slots.
    fn explain(&self, error: &minijinja::Error, scope: &Scope<'_>) -> String {
        match error.kind() {
            ErrorKind::UndefinedError => self.not_there(scope),
            ErrorKind::InvalidOperation if said(error).contains("undefined") => self.not_there(scope),
            ErrorKind::OutOfFuel => TOO_MUCH.to_owned(),
            _ => said(error),
        }
    }

    fn not_there(&self, scope: &Scope<'_>) -> String {
        let missing: Vec<_> = self
            .slots
            .iter()
            .filter(|path| matches!(path.resolve(scope), Found::Missing))
            .map(|path| format!("`{path}`"))
            .collect();
        match missing.as_slice() {
            [] => "the value does not exist".to_owned(),
            [one] => format!("{one} does not exist here"),
            several => format!("{} do not exist here", several.join(", ")),
        }
    }
}

fn said(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned)
}

/// A JSON value for the engine.
fn into_engine(value: &Value) -> EngineValue {
    match value {
        Value::Null => EngineValue::from(()),
        Value::Bool(truth) => EngineValue::from(*truth),
        Value::Number(number) => {
            if let Some(whole) = number.as_i64() {
                EngineValue::from(whole)
            } else if let Some(whole) = number.as_u64() {
                EngineValue::from(whole)
            } else {
                EngineValue::from(number.as_f64().unwrap_or_default())
            }
        }
        Value::String(text) => EngineValue::from(text.as_str()),
        Value::Array(items) => items.iter().map(into_engine).collect(),
        Value::Object(fields) => {
            EngineValue::from_pairs(fields.iter().map(|(key, value)| (key.as_str(), into_engine(value))))
        }
    }
}

/// How much of a result may still be built. Fuel pays for what the engine does, but lists such as `[1] *
/// 1000` are made lazily, so walking the result is where their size shows.
struct Budget {
    nodes: usize,
    bytes: usize,
    depth: usize,
}

impl Budget {
    const fn new() -> Self {
        Self { nodes: MAX_RESULT_NODES, bytes: MAX_RENDERED_BYTES, depth: RESULT_DEPTH }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.nodes = self.nodes.checked_sub(1).ok_or(TOO_MUCH)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(TOO_MUCH)?;
        Ok(())
    }
}

/// How deep a result may be nested: what a JSON parser accepts (128), and what an expression can add to it.
const RESULT_DEPTH: usize = 128 + MAX_DEPTH;

/// A value of the engine as JSON.
fn from_engine(value: &EngineValue, budget: &mut Budget) -> Result<Value, String> {
    budget.spend(value.as_str().map_or(1, str::len))?;
    budget.depth = budget.depth.checked_sub(1).ok_or("the value is nested too deep")?;
    let walk = |error: minijinja::Error| said(&error);
    let json = match value.kind() {
        ValueKind::Undefined => return Err("a part of the value does not exist".to_owned()),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(walk)?;
            Value::Array(items.map(|item| from_engine(&item, budget)).collect::<Result<_, _>>()?)
        }
        ValueKind::Map => {
            let mut fields = serde_json::Map::new();
            for key in value.try_iter().map_err(walk)? {
                let field = from_engine(&value.get_item(&key).map_err(walk)?, budget)?;
                let name = key.as_str().map_or_else(|| key.to_string(), ToOwned::to_owned);
                budget.spend(name.len())?;
                fields.insert(name, field);
            }
            Value::Object(fields)
        }
        _ => serde_json::to_value(value).map_err(|error| error.to_string())?,
    };
    budget.depth += 1;
    Ok(json)
}
