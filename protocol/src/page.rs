//! Lists come in pages; a cursor is opaque and stays valid while rows are added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many items a page holds when nobody says so.
pub const PAGE_DEFAULT: u32 = 50;
/// How many items a page holds at the most.
pub const PAGE_LIMIT: u32 = 500;

/// Which page of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PageQuery {
    /// At most so many items; [`PAGE_DEFAULT`] if absent, [`PAGE_LIMIT`] at the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the last page ended: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

impl PageQuery {
    /// The number of items to fetch, within the limits.
    pub fn size(&self) -> u32 {
        self.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_LIMIT)
    }
}

/// One page of a list, newest first unless the operation says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
