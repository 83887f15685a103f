//! Files that start a workflow.

/// The folder, in a tenant's own, that file triggers look at.
pub const INBOX: &str = "inbox";

/// Files in the tenant's inbox folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTrigger {
    /// Which names, with `*` and `?`; without the folder.
    pub pattern: String,
    /// How long a file's size and time must not have changed before it is taken, in milliseconds.
    pub stable_ms: u64,
}

impl FileTrigger {
    /// Whether a file of that name is meant. Names that begin with a dot never are: that is how programs hide what
    /// they have not finished writing.
    pub fn matches(&self, name: &str) -> bool {
        !name.starts_with('.') && fits(self.pattern.as_bytes(), name.as_bytes())
    }
}

/// Whether a name fits a pattern. Remembers only the last star, so the work is at most the product of both lengths.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(read) {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at + 1, read));
                at += 1;
            }
            // A `?` stands for one character, which may be several bytes.
            Some(b'?') => {
                at += 1;
                read += 1;
                while name.get(read).is_some_and(|next| next & 0xc0 == 0x80) {
                    read += 1;
                }
            }
            Some(wanted) if wanted == byte => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((behind, from)) = retry else { return false };
                retry = Some((behind, from + 1));
                (at, read) = (behind, from + 1);
            }
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_a_shell() {
        let trigger = |pattern: &str| FileTrigger { pattern: pattern.to_owned(), stable_ms: 0 };
        for (pattern, name) in [
            ("*.csv", "a.csv"),
            ("*", "anything"),
            ("order-??.json", "order-12.json"),
            ("a*b*c", "a-b-b-c"),
            ("?.txt", "\u{fc}.txt"),
            ("exact", "exact"),
            ("*\u{fc}*", "m\u{fc}de"),
        ] {
            assert!(trigger(pattern).matches(name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.csv", "a.CSV"),
            ("*.csv", "a.csv.part"),
            ("*", ".hidden"),
            ("?", ""),
            ("order-??.json", "order-123.json"),
            ("a*b", "a-b-c"),
            ("exact", "exact "),
        ] {
            assert!(!trigger(pattern).matches(name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let trigger = FileTrigger { pattern: "*a".repeat(90), stable_ms: 0 };
        assert!(!trigger.matches(&"a".repeat(89).repeat(2).replace("aa", "ab")));
        assert!(!trigger.matches(&"ab".repeat(120)));
    }
}
