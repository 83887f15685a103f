//! The jq language as this program offers it: jaq, without what reaches outside of the input.
//!
//! Not there: `env` and `$ENV`, the clock and the machine's time zone, `input`, modules, `debug`. `halt` is an error of
//! the filter. One output is that value, none is `null`, several are an array.

use std::io::{self, Write};

use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, data};
use jaq_json::{Val, read, write};

use super::Request;

/// Natives that would show the machine to a filter, or write to it.
const LEFT_OUT: [&str; 8] = [
    "env",
    "now",
    "localtime",
    "mktime",
    "strflocaltime",
    "debug_empty",
    "stderr_empty",
    "input_line_number",
];
/// Definitions that need them.
const LEFT_OUT_DEFS: [&str; 8] =
    ["env", "now", "localtime", "strflocaltime", "debug", "stderr", "halt_error", "input_line_number"];
/// Compiled filters a worker remembers; a workflow asks for the same few.
const REMEMBERED: usize = 32;

type Compiled = Filter<data::JustLut<Val>>;

/// The filters compiled so far, the latest last.
pub(super) struct Cache {
    compiled: Vec<(String, Compiled)>,
}

impl Cache {
    pub(super) fn new() -> Self {
        Self { compiled: Vec::new() }
    }

    /// JSON text of the outputs, or what is wrong in words.
    pub(super) fn evaluate(&mut self, request: &Request) -> Result<Vec<u8>, String> {
        let input = read::parse_single(request.input.as_bytes())
            .map_err(|error| format!("the input is not JSON: {error}"))?;
        let filter = self.compiled(&request.filter)?;
        let ctx = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
        let mut text = Bounded { bytes: vec![b'['], limit: request.output_bytes };
        let mut count = 0_usize;
        for output in filter.id.run((ctx, input)) {
            let value = output.map_err(|exn| match exn.get_err() {
                Ok(error) => in_words(&error.into_val()),
                Err(_) => "`halt` is not available; use `error`".to_owned(),
            })?;
            if count > 0 {
                text.bytes.push(b',');
            }
            write::write(&mut text, &write::Pp::default(), 0, &value)
                .map_err(|_| format!("the result is larger than {} bytes", request.output_bytes))?;
            count += 1;
        }
        let mut bytes = text.bytes;
        match count {
            0 => Ok(b"null".to_vec()),
            1 => Ok(bytes.split_off(1)),
            _ => {
                bytes.push(b']');
                Ok(bytes)
            }
        }
    }

    fn compiled(&mut self, text: &str) -> Result<&Compiled, String> {
        let latest = match self.compiled.iter().position(|(known, _)| known == text) {
            Some(place) => self.compiled.remove(place),
            None => (text.to_owned(), compile(text)?),
        };
        if self.compiled.len() >= REMEMBERED {
            self.compiled.remove(0);
        }
        self.compiled.push(latest);
        self.compiled.last().map(|(_, filter)| filter).ok_or_else(|| "no filter".to_owned())
    }
}

fn compile(text: &str) -> Result<Compiled, String> {
    let std_defs = jaq_std::defs().filter(|def| !LEFT_OUT_DEFS.contains(&def.name));
    let defs = jaq_core::defs().chain(std_defs).chain(jaq_json::defs());
    let std_funs = jaq_std::funs().filter(|(name, _, _)| !LEFT_OUT.contains(name));
    let funs = jaq_core::funs().chain(std_funs).chain(jaq_json::funs());
    let arena = Arena::default();
    let modules =
        Loader::new(defs).load(&arena, File { code: text, path: () }).map_err(|errors| loading(&errors))?;
    Compiler::default().with_funs(funs).compile(modules).map_err(|errors| {
        let unknown = errors.iter().flat_map(|(_, errors)| errors);
        let words: Vec<String> =
            unknown.map(|(name, kind)| format!("{} `{name}` is not known", kind.as_str())).collect();
        words.join("; ")
    })
}

fn loading(errors: &jaq_core::load::Errors<&str, ()>) -> String {
    use jaq_core::load::Error;
    let mut words = Vec::new();
    for (_, error) in errors {
        match error {
            Error::Io(files) => {
                words.extend(files.iter().map(|(path, _)| format!("modules are not available: `{path}`")));
            }
            Error::Lex(found) => {
                words.extend(
                    found.iter().map(|(expected, at)| format!("expected {} {}", expected.as_str(), near(at))),
                );
            }
            Error::Parse(found) => {
                words.extend(
                    found.iter().map(|(expected, at)| format!("expected {} {}", expected.as_str(), near(at))),
                );
            }
        }
    }
    words.join("; ")
}

/// What `error` was given: a text as it is, anything else as JSON.
fn in_words(value: &Val) -> String {
    match value {
        Val::TStr(text) | Val::BStr(text) => String::from_utf8_lossy(text).into_owned(),
        other => other.to_string(),
    }
}

fn near(rest: &str) -> String {
    const SHOWN: usize = 24;
    if rest.is_empty() {
        return "at the end".to_owned();
    }
    format!("before `{}`", rest.chars().take(SHOWN).collect::<String>())
}

/// Text that refuses to grow over its limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + more.len()) as u64 > self.limit.saturating_add(1) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(filter: &str, input: &str) -> Result<String, String> {
        let request = Request {
            filter: filter.to_owned(),
            input: input.to_owned(),
            memory_bytes: 0,
            output_bytes: 1_000,
        };
        Cache::new().evaluate(&request).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn outputs_become_one_value() {
        assert_eq!(evaluate(".a", r#"{"a":[1,"x"]}"#).unwrap(), r#"[1,"x"]"#);
        assert_eq!(evaluate("empty", "1").unwrap(), "null");
        assert_eq!(evaluate(".[]", "[1,2]").unwrap(), "[1,2]");
        assert_eq!(evaluate(".[]", "[1]").unwrap(), "1");
        assert_eq!(evaluate("[.steps.charge.body.lines[].amount] | add", CHARGE).unwrap(), "42");
    }
    const CHARGE: &str = r#"{"steps":{"charge":{"body":{"lines":[{"amount":40},{"amount":2}]}}}}"#;

    #[test]
    fn the_machine_is_not_visible() {
        for filter in [
            "env",
            "$ENV",
            "now",
            "localtime",
            "input",
            "inputs",
            "debug",
            "$__loc__",
            "import \"a\" as a; 1",
        ] {
            assert!(evaluate(filter, "0").is_err(), "`{filter}` must not be there");
        }
        let halted = evaluate("1, halt", "null").unwrap_err();
        assert!(halted.contains("halt"), "{halted}");
    }

    #[test]
    fn errors_say_what_and_where() {
        assert_eq!(evaluate("nosuch", "1").unwrap_err(), "filter `nosuch` is not known");
        assert!(evaluate("[.", "1").unwrap_err().contains("at the end"));
        assert!(evaluate(". +", "1").unwrap_err().starts_with("expected"));
        assert!(evaluate(".a", "1").unwrap_err().contains("index"));
        assert_eq!(evaluate("error(\"no\")", "1").unwrap_err(), "no");
        assert!(evaluate(".", "{").unwrap_err().contains("not JSON"));
        assert!(evaluate("[range(1000)]", "1").unwrap_err().contains("larger"));
    }

    #[test]
    fn a_filter_is_compiled_once_and_the_oldest_is_forgotten() {
        let mut cache = Cache::new();
        for n in 0..REMEMBERED + 5 {
            cache.compiled(&format!("{n}")).unwrap();
        }
        cache.compiled("10").unwrap();
        assert_eq!(cache.compiled.len(), REMEMBERED);
        assert_eq!(cache.compiled.last().unwrap().0, "10");
    }
}
