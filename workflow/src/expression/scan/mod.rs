//! Reading an expression: finds the paths in it, replaces them by slots for the engine, and says what is
//! wrong.
//!
//! Dashes belong to names after a dot, as in `steps.sign-off.output`; a minus between two paths needs spaces.
//! Nothing is evaluated here. Unknown names, filters and functions are found here, because the engine would
//! find them only when it runs.

mod operator;
mod segment;
mod word;

use super::engine::SLOT;
use super::path::Path;
use crate::context::Root;
use crate::limits::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH, MAX_EXPRESSION_OPERATIONS};

/// Something wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Bytes from the start of the expression.
    pub(crate) offset: usize,
    pub(crate) kind: ProblemKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    /// It cannot be read.
    Syntax(String),
    /// Not the name of a root.
    UnknownName(String),
    UnknownFilter(String),
    UnknownTest(String),
    UnknownFunction(String),
    /// `x.name()`.
    Method(String),
    /// `secrets` or `steps` without a constant name after it.
    Unnamed(Root),
    /// A secret that is not the whole expression.
    SecretInside(String),
}

/// What the scanner made of an expression.
pub(crate) struct Scanned {
    /// The expression with slots instead of paths.
    pub(crate) translated: String,
    /// The paths behind the slots.
    pub(crate) paths: Vec<Path>,
    pub(crate) problems: Vec<Problem>,
}

impl Scanned {
    /// The path, if the expression is nothing but one.
    pub(crate) fn only_path(&self) -> Option<Path> {
        let whole = self.paths.len() == 1 && self.translated.trim() == format!("{SLOT}0");
        if whole { self.paths.first().cloned() } else { None }
    }
}

/// What the last token was, as far as it changes the meaning of the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    Pipe,
    Is,
    Value,
}

struct Scanner<'s> {
    source: &'s str,
    at: usize,
    last: Last,
    operations: usize,
    depth: usize,
    /// The depths at which the right side of a `*` is open.
    factors: Vec<usize>,
    out: Scanned,
}

/// Reads an expression.
pub(crate) fn scan(source: &str) -> Scanned {
    let out =
        Scanned { translated: String::with_capacity(source.len()), paths: Vec::new(), problems: Vec::new() };
    let mut scanner =
        Scanner { source, at: 0, last: Last::Other, operations: 0, depth: 0, factors: Vec::new(), out };
    if source.trim().is_empty() {
        scanner.problem(0, ProblemKind::Syntax("the expression is empty".to_owned()));
    } else if source.len() > MAX_EXPRESSION_BYTES {
        let message = format!("the expression is longer than {MAX_EXPRESSION_BYTES} bytes");
        scanner.problem(0, ProblemKind::Syntax(message));
    } else {
        while let Some(next) = scanner.peek() {
            scanner.end_factor(next);
            scanner.token(next);
            if scanner.operations > MAX_EXPRESSION_OPERATIONS {
                let message = format!("the expression has more than {MAX_EXPRESSION_OPERATIONS} operations");
                scanner.problem(0, ProblemKind::Syntax(message));
                break;
            }
            if scanner.depth > MAX_EXPRESSION_DEPTH {
                let message = format!("brackets are nested more than {MAX_EXPRESSION_DEPTH} deep");
                scanner.problem(scanner.at, ProblemKind::Syntax(message));
                break;
            }
        }
    }
    scanner.end_factor(')');
    let mut out = scanner.out;
    if out.only_path().is_none() {
        let inside = out.paths.iter().find_map(Path::secret).map(ToOwned::to_owned);
        if let Some(name) = inside {
            let offset = source.find("secrets").unwrap_or_default();
            out.problems.push(Problem { offset, kind: ProblemKind::SecretInside(name) });
        }
    }
    out
}

const fn starts_name(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_'
}

const fn in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

impl<'s> Scanner<'s> {
    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn problem(&mut self, offset: usize, kind: ProblemKind) {
        self.out.problems.push(Problem { offset, kind });
    }

    fn copy(&mut self, bytes: usize) {
        let text = self.rest().get(..bytes).unwrap_or_default();
        self.out.translated.push_str(text);
        self.at += bytes;
    }

    fn token(&mut self, next: char) {
        match next {
            '"' | '\'' => self.literal(next),
            '.' if self.last == Last::Value => self.attribute(),
            letter if starts_name(letter) => self.name(),
            digit if digit.is_ascii_digit() => self.number(),
            space if space.is_whitespace() => self.copy(space.len_utf8()),
            other => self.operator(other),
        }
    }

    fn followed_by(&self, wanted: char) -> bool {
        self.rest().trim_start().starts_with(wanted)
    }
}
