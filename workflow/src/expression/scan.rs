//! Reading an expression: finds the paths in it, replaces them by slots for the engine, and says what is
//! wrong.
//!
//! Dashes belong to names after a dot, as in `steps.sign-off.output`; a minus between two paths needs spaces.
//! Nothing is evaluated here. Unknown names, filters and functions are found here, because the engine would
//! find them only when it runs.

use super::engine::{FUNCTIONS, NUMBER, SLOT, filters, tests};
use super::path::{Path, Segment, Status};
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

    /// A number: digits, a fraction, an exponent; what follows is a token of its own.
    fn number(&mut self) {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
        let mut length = digits(0);
        if bytes.get(length) == Some(&b'.') && digits(length + 1) > 0 {
            length += 1 + digits(length + 1);
        }
        if matches!(bytes.get(length), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
            let exponent = digits(length + 1 + sign);
            length += if exponent > 0 { 1 + sign + exponent } else { 0 };
        }
        self.copy(length);
        self.last = Last::Value;
    }

    /// The engine would repeat a list that is multiplied, lazily, and then walk it where no fuel pays for it. So both
    /// sides of a `*` go through a filter that lets only numbers pass: the left one here, at the operator, the right
    /// one in [`Self::end_factor`].
    fn product(&mut self) {
        self.out.translated.push('|');
        self.out.translated.push_str(NUMBER);
        self.out.translated.push(' ');
        self.copy(1);
        self.operations += 1;
        self.last = Last::Other;
        self.factors.push(self.depth);
    }

    /// Ends the right side of a `*` if the next token does not belong to it any more.
    fn end_factor(&mut self, next: char) {
        let ends = match next {
            '+' | '-' | '*' | '/' | '%' | '~' | '=' | '!' | '<' | '>' | ',' | ':' | ')' | ']' | '}' => true,
            letter if starts_name(letter) => {
                let rest = self.rest();
                let length = rest.find(|letter| !in_name(letter)).unwrap_or(rest.len());
                let word = rest.get(..length).unwrap_or_default();
                matches!(word, "and" | "or" | "not" | "in" | "is" | "if" | "else")
            }
            _ => false,
        };
        if ends && self.last == Last::Value && self.factors.last() == Some(&self.depth) {
            self.factors.pop();
            self.out.translated.push('|');
            self.out.translated.push_str(NUMBER);
            self.out.translated.push(' ');
        }
    }

    fn operator(&mut self, other: char) {
        if let Some(double) = ["**", "//"].iter().find(|double| self.rest().starts_with(**double)) {
            self.copy(double.len());
            self.operations += 1;
            self.last = Last::Other;
            return;
        }
        if other == '*' && self.last == Last::Value {
            return self.product();
        }
        let habit = [("&&", "and"), ("||", "or"), ("===", "==")]
            .iter()
            .find(|(wrong, _)| self.rest().starts_with(wrong))
            .copied()
            .or_else(|| (other == '!' && !self.rest().starts_with("!=")).then_some(("!", "not")));
        if let Some((wrong, right)) = habit {
            let message = format!("`{wrong}` is not an operator here; write `{right}`");
            self.problem(self.at, ProblemKind::Syntax(message));
            self.copy(wrong.len());
            self.last = Last::Other;
            return;
        }
        self.copy(other.len_utf8());
        self.operations += usize::from(!matches!(other, ',' | ':' | ')' | ']' | '}'));
        match other {
            '(' | '[' | '{' => self.depth += 1,
            ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.last = match other {
            '|' => Last::Pipe,
            ')' | ']' | '}' => Last::Value,
            _ => Last::Other,
        };
    }

    /// A string, copied as it is.
    fn literal(&mut self, quote: char) {
        let mut escaped = false;
        for (offset, letter) in self.rest().char_indices().skip(1) {
            if letter == quote && !escaped {
                self.copy(offset + 1);
                self.last = Last::Value;
                return;
            }
            escaped = letter == '\\' && !escaped;
        }
        self.problem(self.at, ProblemKind::Syntax("the string is not closed".to_owned()));
        self.copy(self.rest().len());
    }

    /// `.name` after something that is no path, such as `fromJSON(x).name`.
    fn attribute(&mut self) {
        let start = self.at;
        self.at += 1;
        self.operations += 1;
        match self.dashed_name() {
            Some(name) => {
                if self.followed_by('(') {
                    self.problem(start, ProblemKind::Method(name.to_owned()));
                }
                self.out.translated.push_str("[\"");
                self.out.translated.push_str(name);
                self.out.translated.push_str("\"]");
            }
            None => self.out.translated.push('.'),
        }
    }

    /// Reads a name in which dashes may stand between letters.
    fn dashed_name(&mut self) -> Option<&'s str> {
        let rest = self.rest();
        if !rest.starts_with(starts_name) {
            return None;
        }
        let mut end = 0;
        let mut letters = rest.char_indices().peekable();
        while let Some((offset, letter)) = letters.next() {
            let dash = letter == '-' && letters.peek().is_some_and(|(_, next)| in_name(*next));
            if !in_name(letter) && !dash {
                break;
            }
            end = offset + 1;
        }
        self.at += end;
        rest.get(..end)
    }

    fn followed_by(&self, wanted: char) -> bool {
        self.rest().trim_start().starts_with(wanted)
    }

    fn name(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let length = rest.find(|letter| !in_name(letter)).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default();
        let after = rest.get(length..).unwrap_or_default().trim_start();
        match self.last {
            Last::Pipe => {
                if !filters().contains(&name) {
                    self.problem(start, ProblemKind::UnknownFilter(name.to_owned()));
                }
                self.copy(length);
                self.last = Last::Value;
            }
            Last::Is if name == "not" => {
                self.operations += 1;
                self.copy(length);
            }
            Last::Is => {
                if !tests().contains(&name) {
                    self.problem(start, ProblemKind::UnknownTest(name.to_owned()));
                }
                self.copy(length);
                self.last = Last::Value;
            }
            Last::Value | Last::Other => self.word(name, after),
        }
    }

    /// A name at which no filter or test is expected.
    fn word(&mut self, name: &'s str, after: &str) {
        let start = self.at;
        let called = after.starts_with('(');
        let last = match name {
            "and" | "or" | "not" | "in" | "if" | "else" | "is" => {
                self.operations += 1;
                if name == "is" { Last::Is } else { Last::Other }
            }
            "true" | "false" | "none" | "True" | "False" | "None" => Last::Value,
            "null" => {
                self.out.translated.push_str("none");
                self.at += name.len();
                self.last = Last::Value;
                return;
            }
            _ if called => return self.function(name),
            _ => match Root::parse(name) {
                Some(root) => return self.path(root),
                None if after.starts_with('=') && !after.starts_with("==") => Last::Other,
                None => {
                    self.problem(start, ProblemKind::UnknownName(name.to_owned()));
                    Last::Value
                }
            },
        };
        self.copy(name.len());
        self.last = last;
    }

    fn function(&mut self, name: &'s str) {
        let start = self.at;
        let Some(status) = Status::parse(name) else {
            if !FUNCTIONS.contains(&name) {
                self.problem(start, ProblemKind::UnknownFunction(name.to_owned()));
            }
            self.copy(name.len());
            self.last = Last::Other;
            return;
        };
        let tail = self.rest().get(name.len()..).unwrap_or_default();
        let inner = tail.trim_start().strip_prefix('(').map(str::trim_start);
        if let Some(left) = inner.and_then(|inner| inner.strip_prefix(')')) {
            self.at = self.source.len() - left.len();
            self.slot(Path::Status(status));
        } else {
            self.problem(start, ProblemKind::Syntax(format!("`{name}()` takes no arguments")));
            self.copy(name.len());
        }
    }

    fn slot(&mut self, path: Path) {
        let known = self.out.paths.iter().position(|other| *other == path);
        let index = known.unwrap_or(self.out.paths.len());
        if known.is_none() {
            self.out.paths.push(path);
        }
        self.out.translated.push_str(SLOT);
        self.out.translated.push_str(&index.to_string());
        self.last = Last::Value;
    }

    /// A root and the constant segments after it.
    fn path(&mut self, root: Root) {
        let start = self.at;
        self.at += root.as_str().len();
        let mut segments = Vec::new();
        loop {
            let before = self.at;
            let segment = if self.rest().starts_with('.') {
                self.at += 1;
                self.dotted_segment()
            } else if self.rest().starts_with('[') {
                self.bracket_segment()
            } else {
                None
            };
            match segment {
                Some(_) if self.followed_by('(') => {
                    let name = self.source.get(before..self.at).unwrap_or_default();
                    self.problem(before, ProblemKind::Method(name.trim_start_matches('.').to_owned()));
                }
                Some(segment) => segments.push(segment),
                None => {
                    self.at = before;
                    break;
                }
            }
        }
        let named = matches!(segments.first(), Some(Segment::Key(_)));
        let dynamic = !segments.is_empty() || self.rest().starts_with('[');
        if !named && (root == Root::Secrets || (root == Root::Steps && dynamic)) {
            self.problem(start, ProblemKind::Unnamed(root));
        }
        self.slot(Path::Data { root, segments: segments.into() });
    }

    fn dotted_segment(&mut self) -> Option<Segment> {
        if let Some(name) = self.dashed_name() {
            return Some(Segment::Key(name.into()));
        }
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let index = rest.get(..digits)?.parse().ok()?;
        self.at += digits;
        Some(Segment::Index(index))
    }

    /// `[0]` or `['name']`; nothing else is constant.
    fn bracket_segment(&mut self) -> Option<Segment> {
        let rest = self.rest();
        let inner = rest.get(1..)?.trim_start();
        let (segment, left) =
            if let Some(quote) = inner.chars().next().filter(|next| matches!(next, '"' | '\'')) {
                let body = inner.get(1..)?;
                let end = body.find(quote)?;
                let key = body.get(..end).filter(|key| !key.contains('\\'))?;
                (Segment::Key(key.into()), body.get(end + 1..)?)
            } else {
                let sign = usize::from(inner.starts_with('-'));
                let digits = inner.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
                let number = inner.get(..sign + digits)?;
                (Segment::Index(number.parse().ok()?), inner.get(sign + digits..)?)
            };
        let left = left.trim_start().strip_prefix(']')?;
        self.at = self.source.len() - left.len();
        Some(segment)
    }
}
