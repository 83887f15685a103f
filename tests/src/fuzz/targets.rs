//! What is tried, and how an input is judged.
//!
//! A judgement is either the *shape* of what the input led to, or what is wrong. No oracle asks the code under trial
//! whether it was right.

mod cron;
mod expression;
pub(super) mod signatures;
mod yaml;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whole workflow texts.
    Yaml,
    /// Expressions, compiled and evaluated.
    Expression,
    /// Headers and bodies of webhooks against every scheme.
    Signatures,
    /// Cron expressions and their next fires.
    Cron,
}

impl Target {
    /// Every target.
    pub const ALL: &'static [Self] = &[Self::Yaml, Self::Expression, Self::Signatures, Self::Cron];

    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Expression => "expression",
            Self::Signatures => "signatures",
            Self::Cron => "cron",
        }
    }

    /// Tries one input. The shape of what it led to, or what is wrong.
    pub fn try_input(self, input: &[u8]) -> Result<u64, String> {
        match self {
            Self::Yaml => yaml::try_input(input),
            Self::Expression => expression::try_input(input),
            Self::Signatures => signatures::try_input(input),
            Self::Cron => cron::try_input(input),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().copied().find(|target| target.as_str() == text);
        known.ok_or_else(|| {
            format!("there is no target {text}; there are yaml, expression, signatures and cron")
        })
    }
}

/// The shape of anything that can be hashed.
fn shape(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// A message without what differs from input to input: numbers and quoted text.
fn outline(message: &str) -> String {
    let mut quoted = false;
    let mut outline = String::new();
    for character in message.chars() {
        match character {
            '`' | '"' | '\'' => quoted = !quoted,
            _ if quoted || character.is_ascii_digit() => {}
            _ => outline.push(character),
        }
    }
    outline
}
