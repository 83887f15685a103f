//! YAML 1.2 into the tree, from the parser's events: no recursion, so depth cannot exhaust the stack.
//!
//! Plain scalars follow the core schema: `on`, `yes` and `no` are text. Aliases are copied, within the limit
//! on values. Merge keys, tags and a second document are refused.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde_json::Number;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use super::tree::{Key, Kind, Node, Scalar};
use crate::findings::Findings;
use crate::limits::{MAX_DEPTH, MAX_NODES};

/// A list or mapping that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Mapping { fields: Vec<(Key, Node)>, names: HashSet<Box<str>>, key: Option<Key> },
}

struct Builder<'f, 's> {
    findings: &'f mut Findings<'s>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
}

/// What stops the parser before the end of the text; the finding is made.
struct Stop;

pub(super) fn parse(text: &str, findings: &mut Findings<'_>) -> Option<Node> {
    let mut builder =
        Builder { findings, open: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0, documents: 0 };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => {
                if builder.event(event, span).is_err() {
                    return None;
                }
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
                builder.findings.error("yaml-syntax", at..at, error.info(), None);
                return None;
            }
        }
    }
    builder.root
}

fn bytes(span: Span) -> Range<usize> {
    span.byte_range().unwrap_or_default()
}

impl Builder<'_, '_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let tagged = span.tag_span().map(bytes);
        let span = bytes(span);
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    let message = "a file holds one workflow; this is a second document".to_owned();
                    self.findings.error("yaml-documents", span, message, None);
                    return Err(Stop);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), tagged.as_ref().unwrap_or(&span))?;
                self.count(1, &span)?;
                let value = if style == ScalarStyle::Plain { plain(&text) } else { Scalar::Text };
                self.place(Node::scalar(span, &text, value), anchor)?;
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), tagged.as_ref().unwrap_or(&span))?;
                self.enter(span, anchor, Content::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.is_some(), tagged.as_ref().unwrap_or(&span))?;
                self.enter(
                    span,
                    anchor,
                    Content::Mapping { fields: Vec::new(), names: HashSet::new(), key: None },
                )?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let kind = match open.content {
                        Content::List(items) => Kind::List(items),
                        Content::Mapping { fields, .. } => Kind::Mapping(fields),
                    };
                    let node = Node { span: open.start..span.end.max(open.start), kind };
                    self.place(node, open.anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    let message = "an alias may not stand inside of its own anchor".to_owned();
                    self.findings.error("yaml-alias", span, message, None);
                    return Err(Stop);
                };
                self.count(node.size(), &span)?;
                if self.open.len() + depth(&node) > MAX_DEPTH {
                    return self.too_deep(span);
                }
                self.place(node, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn refuse_tag(&mut self, tagged: bool, span: &Range<usize>) -> Result<(), Stop> {
        if !tagged {
            return Ok(());
        }
        let message = "YAML tags have no meaning in a workflow".to_owned();
        self.findings.error("yaml-tag", span.clone(), message, Some("remove the tag".to_owned()));
        Err(Stop)
    }

    fn count(&mut self, nodes: usize, span: &Range<usize>) -> Result<(), Stop> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        let message = format!("the text holds more than {MAX_NODES} values");
        self.findings.error("too-large", span.clone(), message, None);
        Err(Stop)
    }

    fn too_deep(&mut self, span: Range<usize>) -> Result<(), Stop> {
        let message = format!("lists and mappings are nested more than {MAX_DEPTH} deep");
        self.findings.error("too-deep", span, message, None);
        Err(Stop)
    }

    fn enter(&mut self, span: Range<usize>, anchor: usize, content: Content) -> Result<(), Stop> {
        self.count(1, &span)?;
        if self.open.len() >= MAX_DEPTH {
            return self.too_deep(span);
        }
        self.open.push(Open { start: span.start, anchor, content });
        Ok(())
    }

    /// Puts a whole value where it belongs.
    fn place(&mut self, node: Node, anchor: usize) -> Result<(), Stop> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Mapping { names, key: key @ None, .. }) => {
                let text = match &node.kind {
                    Kind::Scalar { text, .. } => text.clone(),
                    Kind::List(_) | Kind::Mapping(_) => {
                        let message = "a key must be text".to_owned();
                        self.findings.error("wrong-type", node.span.clone(), message, None);
                        Box::default()
                    }
                };
                if &*text == "<<" {
                    let message = "merge keys are not supported".to_owned();
                    let help = Some("repeat the keys, or use an anchor for the whole value".to_owned());
                    self.findings.error("yaml-merge", node.span, message, help);
                    return Err(Stop);
                }
                if !names.insert(text.clone()) {
                    let message = format!("the key `{text}` is there twice");
                    self.findings.error("duplicate-key", node.span.clone(), message, None);
                }
                *key = Some(Key { span: node.span, text });
            }
            Some(Content::Mapping { fields, key, .. }) => {
                if let Some(key) = key.take() {
                    fields.push((key, node));
                }
            }
        }
        Ok(())
    }
}

fn depth(node: &Node) -> usize {
    match &node.kind {
        Kind::Scalar { .. } => 0,
        Kind::List(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Kind::Mapping(fields) => 1 + fields.iter().map(|(_, value)| depth(value)).max().unwrap_or_default(),
    }
}

/// What a plain scalar is (YAML 1.2.2 §10.3.2, core schema).
fn plain(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        _ => number(text).map_or(Scalar::Text, Scalar::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let based = |digits: &str, base| {
        i64::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with(['+', '-'])).map(Number::from)
    };
    if let Some(octal) = text.strip_prefix("0o") {
        return based(octal, 8);
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return based(hexadecimal, 16);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits_and_marks = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if !digits_and_marks || !unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.') {
        return None;
    }
    let plus: Cow<'_, str> = text.strip_prefix('+').unwrap_or(text).into();
    plus.parse::<i64>()
        .map(Number::from)
        .or_else(|_| plus.parse::<u64>().map(Number::from))
        .ok()
        .or_else(|| plus.parse::<f64>().ok().and_then(Number::from_f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for text in ["on", "yes", "no", "1.2.3", "2026-01-01", "-", ".", "1e", "0x", "0xZ", "a1", "+", "30s"]
        {
            assert_eq!(plain(text), Scalar::Text, "{text}");
        }
        assert_eq!(plain("0x1F"), Scalar::Number(31.into()));
        assert_eq!(plain("0o17"), Scalar::Number(15.into()));
        assert_eq!(plain("-3"), Scalar::Number((-3).into()));
        assert_eq!(plain("18446744073709551615"), Scalar::Number(u64::MAX.into()));
        assert_eq!(plain("1.10"), Scalar::Number(Number::from_f64(1.1).unwrap()));
        assert_eq!(plain("~"), Scalar::Null);
    }
}
