//! The selection in a list whose rows come and go: it stays on the thing, not on the row number.

/// How many rows a page key moves.
pub const PAGE_ROWS: usize = 10;

/// Where a key moves the selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// [`PAGE_ROWS`] up.
    PageUp,
    /// [`PAGE_ROWS`] down.
    PageDown,
    /// The first row, whatever it is by then.
    First,
    /// The last row.
    Last,
}

/// The selected row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor<K> {
    /// What is selected; `None` for whatever stands first.
    key: Option<K>,
    index: usize,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { key: None, index: 0 }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// The selected row in the list as it is now; `None` only if the list is empty.
    pub fn index(&self, keys: &[K]) -> Option<usize> {
        let last = keys.len().checked_sub(1)?;
        let Some(key) = &self.key else { return Some(0) };
        Some(keys.iter().position(|k| k == key).unwrap_or_else(|| self.index.min(last)))
    }

    /// Moves within the list as it is now.
    pub fn step(&mut self, step: Step, keys: &[K]) {
        let Some(at) = self.index(keys) else { return };
        let last = keys.len() - 1;
        let to = match step {
            Step::Up => at.saturating_sub(1),
            Step::Down => at + 1,
            Step::PageUp => at.saturating_sub(PAGE_ROWS),
            Step::PageDown => at + PAGE_ROWS,
            Step::First => {
                *self = Self::default();
                return;
            }
            Step::Last => last,
        };
        self.index = to.min(last);
        self.key = keys.get(self.index).cloned();
    }

    /// Selects a thing.
    pub fn select(&mut self, key: K) {
        self.key = Some(key);
    }

    /// Takes note of the list as it is now, so that the row number is right when the thing is gone.
    pub fn settle(&mut self, keys: &[K]) {
        if let Some(at) = self.index(keys)
            && self.key.is_some()
        {
            self.index = at;
            self.key = keys.get(at).cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_on_its_thing() {
        let mut cursor = Cursor::default();
        cursor.step(Step::Down, &['a', 'b', 'c']);
        assert_eq!(cursor.index(&['x', 'a', 'b', 'c']), Some(2));
        cursor.settle(&['x', 'a', 'b', 'c']);
        assert_eq!(cursor.index(&['x', 'a', 'c']), Some(2), "the neighbour, when it is gone");
        assert_eq!(cursor.index(&['x']), Some(0));
        assert_eq!(cursor.index(&[]), None);
    }

    #[test]
    fn the_first_row_stays_the_first_row() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.index(&['b']), Some(0));
        assert_eq!(cursor.index(&['c', 'b']), Some(0));
        cursor.step(Step::Last, &['c', 'b']);
        assert_eq!(cursor.index(&['d', 'c', 'b']), Some(2));
        cursor.step(Step::First, &['d', 'c', 'b']);
        assert_eq!(cursor.index(&['e', 'd', 'c', 'b']), Some(0));
    }
}
