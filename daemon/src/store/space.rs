//! Pages that deletions have freed go back to the file system, a few at a time: the file is small again without a
//! pause in which nobody can write.

use super::{ReadTx, WriteTx};
use crate::error::Result;

/// Free pages that a file keeps: the next rows need them.
const KEPT_PAGES: u32 = 256;
/// The share of a file that may be free: one in so many pages.
const KEPT_SHARE: u32 = 8;

fn number(tx: &ReadTx, pragma: &str) -> Result<u32> {
    Ok(tx.one(pragma, [], |row| row.get(0))?.unwrap_or_default())
}

/// How many free pages the file has beyond those that it keeps.
pub fn surplus(tx: &ReadTx) -> Result<u32> {
    let free = number(tx, "pragma freelist_count")?;
    let pages = number(tx, "pragma page_count")?;
    Ok(free.saturating_sub(KEPT_PAGES.max(pages / KEPT_SHARE)))
}

/// Gives at most so many pages back; answers how many.
pub fn give_back(tx: &WriteTx, limit: u32) -> Result<u32> {
    let count = surplus(tx)?.min(limit);
    if count > 0 {
        // Each row that it gives is one page.
        tx.returning(&format!("pragma incremental_vacuum({count})"), [], |_| Ok(()))?;
        tx.changes.set(tx.changes.get() + 1);
    }
    Ok(count)
}
