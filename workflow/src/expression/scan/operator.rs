//! Operators, numbers and strings of an expression.

use super::{Last, ProblemKind, Scanner, in_name, starts_name};
use crate::expression::engine::NUMBER;

impl Scanner<'_> {
    pub(super) fn operator(&mut self, other: char) {
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

    /// The engine would repeat a list that is multiplied, lazily, and then walk it where no fuel pays for it.
    /// So both sides of a `*` go through a filter that lets only numbers pass: the left one here, at the
    /// operator, the right one in [`Self::end_factor`].
    pub(super) fn product(&mut self) {
        self.out.translated.push('|');
        self.out.translated.push_str(NUMBER);
        self.out.translated.push(' ');
        self.copy(1);
        self.operations += 1;
        self.last = Last::Other;
        self.factors.push(self.depth);
    }

    /// Ends the right side of a `*` if the next token does not belong to it any more.
    pub(super) fn end_factor(&mut self, next: char) {
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

    /// A number: digits, a fraction, an exponent; what follows is a token of its own.
    pub(super) fn number(&mut self) {
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

    /// A string, copied as it is.
    pub(super) fn literal(&mut self, quote: char) {
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
}
