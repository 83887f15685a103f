//! Lists, page by page.

use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenantry_protocol::page::{PAGE_LIMIT, Page};
use tenantry_protocol::path::Operation;

use super::Session;
use crate::failure::Failure;

/// The most items that `--all` fetches. Beyond it the list ends with a cursor, as any page does.
const ALL_LIMIT: usize = 100_000;

/// Which part of a list is wanted.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Paging {
    /// Show at most so many [default: 50, at most 500]
    #[arg(long, value_name = "N", help_heading = "Paging")]
    limit: Option<u32>,
    /// Go on where the last page ended
    #[arg(long, value_name = "CURSOR", help_heading = "Paging")]
    after: Option<String>,
    /// Fetch every page
    #[arg(long, help_heading = "Paging", conflicts_with = "limit")]
    all: bool,
}

impl Paging {
    /// Every page, unless a part was asked for.
    pub(crate) fn or_all(self) -> Self {
        if self.limit.is_none() && self.after.is_none() { Self::all() } else { self }
    }

    /// Every page.
    pub(crate) fn all() -> Self {
        Self { all: true, ..Self::default() }
    }
}

impl Session {
    /// Fetches the part of a list that was asked for. `query` makes the query of one page.
    pub(crate) async fn pages<T: DeserializeOwned, Q: Serialize>(
        &self,
        operation: Operation,
        path: &[&str],
        paging: &Paging,
        query: impl Fn(Option<u32>, Option<String>) -> Q,
    ) -> Result<Page<T>, Failure> {
        let limit = if paging.all { Some(PAGE_LIMIT) } else { paging.limit };
        let mut page: Page<T> = self.get(operation, path, &query(limit, paging.after.clone())).await?;
        while paging.all && page.items.len() < ALL_LIMIT {
            let Some(next) = page.next.take() else { break };
            let more: Page<T> = self.get(operation, path, &query(limit, Some(next))).await?;
            page.items.extend(more.items);
            page.next = more.next;
        }
        Ok(page)
    }
}
