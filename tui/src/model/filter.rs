//! A text that rows must contain, or with a leading `!` must not.

/// The longest filter, in characters.
pub const FILTER_LIMIT: usize = 100;

/// What a person typed to see fewer rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    text: String,
}

impl Filter {
    /// As it was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether every row is shown.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds a character; control characters and what is beyond [`FILTER_LIMIT`] are not taken.
    pub fn push(&mut self, c: char) {
        if !c.is_control() && self.text.chars().count() < FILTER_LIMIT {
            self.text.push(c);
        }
    }

    /// Erases the last character.
    pub fn pop(&mut self) {
        self.text.pop();
    }

    /// Erases everything.
    pub fn clear(&mut self) {
        self.text.clear();
    }

    /// Whether a row with these texts is shown. Case does not matter.
    pub fn shows(&self, texts: &[&str]) -> bool {
        let (wanted, inverse) = match self.text.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (self.text.as_str(), false),
        };
        if wanted.is_empty() {
            return true;
        }
        let wanted = wanted.to_lowercase();
        texts.iter().any(|text| text.to_lowercase().contains(&wanted)) != inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Filter {
        let mut filter = Filter::default();
        text.chars().for_each(|c| filter.push(c));
        filter
    }

    #[test]
    fn rows_are_shown_by_text_and_by_its_absence() {
        assert!(filter("ACM").shows(&["acme", "failed"]));
        assert!(filter("fail").shows(&["acme", "failed"]));
        assert!(!filter("!fail").shows(&["acme", "failed"]));
        assert!(filter("!fail").shows(&["acme", "succeeded"]));
        assert!(filter("!").shows(&["x"]) && filter("").shows(&[]));
    }

    #[test]
    fn it_is_bounded_and_holds_no_control_characters() {
        assert_eq!(filter(&"\u{1b}x".repeat(500)).text().len(), FILTER_LIMIT);
    }
}
