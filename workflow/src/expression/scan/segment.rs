//! Paths in an expression: a root and the constant segments after it become one slot.

use super::{Last, ProblemKind, Scanner, in_name, starts_name};
use crate::context::Root;
use crate::expression::engine::SLOT;
use crate::expression::path::{Path, Segment};

impl<'s> Scanner<'s> {
    pub(super) fn slot(&mut self, path: Path) {
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
    pub(super) fn path(&mut self, root: Root) {
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
        as_spelled(root, segments.first_mut());
        let named = matches!(segments.first(), Some(Segment::Key(_)));
        let dynamic = !segments.is_empty() || self.rest().starts_with('[');
        if !named && (root == Root::Secrets || (root == Root::Steps && dynamic)) {
            self.problem(start, ProblemKind::Unnamed(root));
        }
        self.slot(Path::Data { root, segments: segments.into() });
    }

    pub(super) fn dotted_segment(&mut self) -> Option<Segment> {
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
    pub(super) fn bracket_segment(&mut self) -> Option<Segment> {
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

    /// Reads a name in which dashes may stand between letters.
    pub(super) fn dashed_name(&mut self) -> Option<&'s str> {
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

    /// `.name` after something that is no path, such as `fromJSON(x).name`.
    pub(super) fn attribute(&mut self) {
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
}

/// Keys of the language have dashes and fields have underscores; `event.scheduled-at` means the field all the same.
fn as_spelled(root: Root, segment: Option<&mut Segment>) {
    if let (Some(fields), Some(Segment::Key(key))) = (root.fields(), segment)
        && key.contains('-')
        && let Some(field) = fields.iter().find(|field| **field == key.replace('-', "_"))
    {
        *key = (*field).into();
    }
}
