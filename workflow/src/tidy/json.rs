//! JSON written anew: two columns an indentation, the keys in their order, numbers as they were written.

use crate::source::{Kind, Node, Scalar};

pub(super) fn write(root: &Node) -> String {
    let mut out = String::new();
    value(root, 0, &mut out);
    out.push('\n');
    out
}

fn value(node: &Node, depth: usize, out: &mut String) {
    match &node.kind {
        Kind::Scalar { text, value: Scalar::Text } => text_of(text, out),
        Kind::Scalar { text, .. } => out.push_str(text),
        Kind::List(items) if items.is_empty() => out.push_str("[]"),
        Kind::Mapping(fields) if fields.is_empty() => out.push_str("{}"),
        Kind::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                begin(index, depth + 1, out);
                value(item, depth + 1, out);
            }
            end(depth, ']', out);
        }
        Kind::Mapping(fields) => {
            out.push('{');
            for (index, (key, field)) in fields.iter().enumerate() {
                begin(index, depth + 1, out);
                text_of(&key.text, out);
                out.push_str(": ");
                value(field, depth + 1, out);
            }
            end(depth, '}', out);
        }
    }
}

fn text_of(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

fn begin(index: usize, depth: usize, out: &mut String) {
    out.push_str(if index == 0 { "\n" } else { ",\n" });
    out.push_str(&"  ".repeat(depth));
}

fn end(depth: usize, bracket: char, out: &mut String) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
    out.push(bracket);
}
