//! Makes text that a tenant wrote safe for an operator's terminal.
//!
//! **Invariant:** no client writes a tenant's bytes to a terminal except through here. A terminal obeys escape
//! sequences: it can be told to change its title, to fill the clipboard, to hide or fake what follows
//! (CVE-2021-25743 is this mistake in kubectl).

use std::borrow::Cow;

/// The text with every character that a terminal might obey shown as a visible escape.
///
/// Kept: printable characters and spaces. A tab becomes two spaces. Line feeds are kept only by
/// [`printable_lines`]. Control characters (C0, DEL, C1), bidirectional overrides, zero-width and
/// tag characters become `\u{…}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    rewrite(text, |_| false)
}

/// Like [`printable`], for text of several lines.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    rewrite(text, |c| c == '\n')
}

fn rewrite(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.chars().all(|c| keep(c) || !is_unsafe(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if keep(c) || !is_unsafe(c) {
            out.push(c);
        } else {
            match c {
                '\t' => out.push_str("  "),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                _ => out.extend(c.escape_unicode()),
            }
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal, or a reader, could be misled by the character.
pub const fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_are_shown_not_obeyed() {
        assert_eq!(printable("a\u{1b}]52;c;x\u{7}b"), "a\\u{1b}]52;c;x\\u{7}b");
        assert_eq!(printable("a\tb\nc"), "a  b\\nc");
        assert_eq!(printable("\u{202e}gpj.exe"), "\\u{202e}gpj.exe");
        assert!(matches!(printable("Grüße, 世界"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in any::<String>()) {
            prop_assert!(!printable(&text).chars().any(is_unsafe));
            prop_assert!(!printable_lines(&text).chars().any(|c| c != '\n' && is_unsafe(c)));
        }
    }
}
