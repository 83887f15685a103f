//! Calls misspelt keys by the names that were meant, once they have been reported, so that the builder does not miss
//! what is there: one fault is one finding.
//!
//! A workflow with a finding is thrown away, so nothing that was guessed here is ever run.

use super::{Object, Shape};
use crate::source::{Kind, Node};
use crate::suggest::closest;

/// Renames the keys below a value that may have this shape.
pub(crate) fn repair(node: &mut Node, shape: &Shape) {
    match (shape, &mut node.kind) {
        (Shape::Object(table), Kind::Mapping(_)) => object(node, table),
        (Shape::Map(value), Kind::Mapping(fields)) => {
            for (_, field) in fields {
                repair(field, value);
            }
        }
        (
            Shape::List(item, _) | Shape::OneOrMany(item, _) | Shape::NoneOrMany(item, _),
            Kind::List(items),
        ) => {
            for node in items {
                repair(node, item);
            }
        }
        (Shape::OneOrMany(item, _) | Shape::NoneOrMany(item, _) | Shape::Optional(item), _) => {
            repair(node, item);
        }
        _ => {}
    }
}

fn object(node: &mut Node, table: &Object) {
    let absent: Vec<&str> =
        table.keys.iter().map(|key| key.name).filter(|name| node.get(name).is_none()).collect();
    let Kind::Mapping(fields) = &mut node.kind else { return };
    for (key, value) in fields {
        let known = |name: &str| table.keys.iter().find(|known| known.name == name);
        let elsewhere =
            table.planned.contains(&&*key.text) || table.habits.iter().any(|(h, _)| *h == &*key.text);
        if known(&key.text).is_none() && !elsewhere {
            let Some(meant) = closest(&key.text, absent.iter().copied()) else { continue };
            key.text = meant.into();
        }
        if let Some(known) = known(&key.text) {
            repair(value, &known.shape);
        }
    }
}
