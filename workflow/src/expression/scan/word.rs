//! Names in an expression: keywords, filters, tests, functions, and where a path begins.

use super::{Last, ProblemKind, Scanner, in_name};
use crate::context::Root;
use crate::expression::engine::{FUNCTIONS, filters, tests};
use crate::expression::path::{Path, Status};

impl<'s> Scanner<'s> {
    pub(super) fn name(&mut self) {
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
    pub(super) fn word(&mut self, name: &'s str, after: &str) {
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

    pub(super) fn function(&mut self, name: &'s str) {
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
}
