//! The language as a table: every key, what it takes, what it is for.
//!
//! One table is read three ways: [`structure`] refuses what it does not hold, [`schema`] prints it as JSON Schema,
//! and a test compares it with the reference. A key that is not in here does not exist; one that is planned is
//! named as such, so nobody believes that it works. Go next to [`keys`].

mod keys;
pub(crate) mod schema;
pub(crate) mod structure;

pub(crate) use keys::WORKFLOW;

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
    /// At most one of these keys may be there.
    pub(crate) at_most_one: &'static [&'static str],
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
