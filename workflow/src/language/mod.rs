//! The language as a table: every key, what it takes, what it is for.
//!
//! One table is read three ways: [`structure`] refuses what it does not hold, [`schema`] prints it as JSON
//! Schema, [`reference`] as the tables of the documents. A key that is not in here does not exist; one that is
//! planned is named as such, so nobody believes that it works. Go next to [`keys`].

mod clockwork;
mod keys;
mod pace;
pub(crate) mod reference;
pub(crate) mod rehearsal;
pub(crate) mod repair;
pub(crate) mod schema;
pub(crate) mod structure;
mod waiting;
mod webhook;

pub(crate) use keys::{STEP, WORKFLOW};

/// What may stand at a place.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text. A number or boolean there must be quoted.
    Text,
    /// Text of a pattern, which is checked elsewhere; here for the schema.
    Pattern(&'static str),
    /// Text, number or boolean, taken as text.
    Scalar,
    /// Text that says a duration.
    Duration,
    /// `true` or `false`.
    Boolean,
    /// A whole number within bounds.
    Whole(u64, u64),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Anything.
    Json,
    /// A list of at most so many.
    List(&'static Self, usize),
    /// A list, or one item without the list.
    OneOrMany(&'static Self, usize),
    /// A list that may be empty, or one item without the list.
    NoneOrMany(&'static Self, usize),
    /// A mapping with keys of the author's choice.
    Map(&'static Self),
    /// A mapping with these keys.
    Object(&'static Object),
    /// Something that is no mapping, or a mapping with these keys.
    Either(&'static Self, &'static Object),
    /// Nothing, or the shape.
    Optional(&'static Self),
}

/// A mapping of the language.
#[derive(Debug)]
pub(crate) struct Object {
    /// What it is called in messages, with its article.
    pub(crate) noun: &'static str,
    pub(crate) keys: &'static [Key],
    /// Exactly one of these keys must be there.
    pub(crate) exactly_one: &'static [&'static str],
    /// At least one of these keys must be there.
    pub(crate) at_least_one: &'static [&'static str],
    /// Of each group, at most one key may be there.
    pub(crate) at_most_one: &'static [&'static [&'static str]],
    /// The first key needs the second.
    pub(crate) only_with: &'static [(&'static str, &'static str)],
    /// Keys of the language to come.
    pub(crate) planned: &'static [&'static str],
    /// Words of other systems, and what is meant.
    pub(crate) habits: &'static [(&'static str, &'static str)],
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    /// What it is for, in one sentence.
    pub(crate) doc: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(shape: &Shape, out: &mut Vec<&'static str>, seen: &mut Vec<*const Object>) {
        match shape {
            Shape::List(inner, _) | Shape::OneOrMany(inner, _) | Shape::NoneOrMany(inner, _) => {
                keys(inner, out, seen);
            }
            Shape::Map(inner) | Shape::Optional(inner) => keys(inner, out, seen),
            Shape::Object(table) | Shape::Either(_, table) if seen.contains(&std::ptr::from_ref(*table)) => {}
            Shape::Object(table) | Shape::Either(_, table) => {
                seen.push(*table);
                for key in table.keys {
                    out.push(key.name);
                    keys(&key.shape, out, seen);
                }
            }
            Shape::Text
            | Shape::Pattern(_)
            | Shape::Scalar
            | Shape::Duration
            | Shape::Boolean
            | Shape::Whole(..)
            | Shape::Word(_)
            | Shape::Json => {}
        }
    }

    #[test]
    fn the_reference_describes_every_key_in_prose() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/workflow-language.md");
        let text = std::fs::read_to_string(path).unwrap();
        let mut names = Vec::new();
        keys(&Shape::Object(&WORKFLOW), &mut names, &mut Vec::new());
        assert!(names.len() > 60, "only {} keys", names.len());
        // The tables at the end are made from the keys themselves.
        let (text, _) = text.split_once("<!-- generated").unwrap();
        let missing: Vec<_> = names.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "not in the reference: {missing:?}");
    }

    #[test]
    fn planned_keys_and_habits_are_no_keys() {
        let (mut tables, mut seen) = (vec![&WORKFLOW], Vec::new());
        while let Some(table) = tables.pop() {
            if seen.contains(&std::ptr::from_ref(table)) {
                continue;
            }
            seen.push(std::ptr::from_ref(table));
            let is_key = |name: &str| table.keys.iter().any(|key| key.name == name);
            for planned in table.planned {
                assert!(!is_key(planned), "{planned} is a key of {}", table.noun);
            }
            for (habit, meant) in table.habits {
                assert!(!is_key(habit), "{habit} is a key of {}", table.noun);
                assert!(
                    is_key(meant) || table.planned.contains(meant),
                    "{meant} is nothing in {}",
                    table.noun
                );
            }
            for key in table.keys {
                let mut shape = &key.shape;
                while let Shape::List(inner, _)
                | Shape::OneOrMany(inner, _)
                | Shape::NoneOrMany(inner, _)
                | Shape::Map(inner)
                | Shape::Optional(inner) = shape
                {
                    shape = inner;
                }
                if let Shape::Object(inner) | Shape::Either(_, inner) = shape {
                    tables.push(inner);
                }
            }
        }
    }
}
