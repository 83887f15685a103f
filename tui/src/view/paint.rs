//! Text into cells: the one door, behind which nothing that a terminal obeys can come.
//!
//! **Invariant:** every text that is drawn goes through [`fit`] or [`printable`], and no cell outside of its area is
//! touched.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tenantry_protocol::printable::printable;

use super::theme::Theme;

/// Draws a text on the first line of the area, cut to fit.
pub fn text(area: Rect, buf: &mut Buffer, text: &str, style: Style) {
    line(area, buf, &Line::from(Span::styled(fit(text, area.width), style)));
}

/// Draws a line on the first line of the area, with a mark where it was cut. Its texts must have come through [`span`].
pub fn line(area: Rect, buf: &mut Buffer, line: &Line<'_>) {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return;
    }
    buf.set_line(area.x, area.y, line, area.width);
    // Spaces at the end are nothing that was cut.
    let text: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    if Span::raw(text.trim_end()).width() > usize::from(area.width) {
        let last = area.right() - 1;
        // Half of a wide character must not stay beside the mark.
        if last > area.x && Span::raw(buf[(last - 1, area.y)].symbol()).width() > 1 {
            buf[(last - 1, area.y)].set_symbol(" ");
        }
        buf[(last, area.y)].set_symbol("…");
    }
}

/// A text, made safe.
pub fn span(text: &str, style: Style) -> Span<'static> {
    Span::styled(printable(text).into_owned(), style)
}

/// A text, made safe and cut to a width, with a mark where it was cut.
pub fn fit(text: &str, width: u16) -> String {
    let width = usize::from(width);
    let safe = printable(text);
    if Span::raw(safe.as_ref()).width() <= width {
        return safe.into_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in safe.chars() {
        let own = Span::raw(c.encode_utf8(&mut [0; 4]) as &str).width();
        if used + own + 1 > width {
            break;
        }
        cut.push(c);
        used += own;
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// A text, made safe and cut into lines of a width, at most `most` of them.
pub fn folded(text: &str, width: u16, most: usize) -> Vec<String> {
    let width = usize::from(width.max(2));
    let mut lines = vec![String::new()];
    let mut used = 0;
    for c in printable(text).chars() {
        let own = Span::raw(c.encode_utf8(&mut [0; 4]) as &str).width();
        if used + own > width {
            if lines.len() >= most {
                let last = lines.last_mut().map(std::mem::take).unwrap_or_default();
                lines.pop();
                lines.push(fit(&format!("{last}…"), width as u16));
                break;
            }
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            line.push(c);
        }
        used += own;
    }
    lines
}

/// Cuts our own words into lines, between words where that is possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Draws a heading with a rule behind it; what is left of the area.
pub fn heading(area: Rect, buf: &mut Buffer, title: &[Span<'static>], focused: bool, theme: &Theme) -> Rect {
    if area.height == 0 {
        return area;
    }
    let mut spans = title.to_vec();
    if let Some(first) = spans.first_mut() {
        first.style = if focused { theme.accent } else { theme.title };
    }
    let head = Line::from(spans);
    let used = (head.width() as u16).saturating_add(1).min(area.width);
    line(area, buf, &head);
    let rule = "─".repeat(usize::from(area.width - used));
    text(Rect { x: area.x + used, width: area.width - used, height: 1, ..area }, buf, &rule, theme.dim);
    below(area, 1)
}

/// The area without its first lines.
pub fn below(area: Rect, lines: u16) -> Rect {
    let lines = lines.min(area.height);
    Rect { y: area.y + lines, height: area.height - lines, ..area }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wide_characters_are_cut_whole() {
        assert_eq!(fit("世界世界", 5), "世界…");
        assert_eq!(fit("世界世界", 4), "世…");
        assert_eq!(fit("世界", 4), "世界");
        assert_eq!(fit("a\tb\u{1b}[31m", 20), "a  b\\u{1b}[31m");
        assert_eq!(fit("abc", 0), "");
    }

    #[test]
    fn a_line_is_marked_where_it_was_cut() {
        let area = Rect::new(0, 0, 6, 1);
        for (text, drawn) in [
            ("abcdef", "abcdef"),
            ("abcdefg", "abcde…"),
            ("a世世世", "a世世…"),
            ("ab世世x", "ab世 …"),
            ("abcde  ", "abcde "),
        ] {
            let mut buf = Buffer::empty(area);
            line(area, &mut buf, &Line::from(text));
            let mut wide = false;
            let cells = buf.content().iter().filter(|cell| {
                let covered = std::mem::take(&mut wide);
                wide = Span::raw(cell.symbol()).width() > 1;
                !covered
            });
            assert_eq!(cells.map(ratatui::buffer::Cell::symbol).collect::<String>(), drawn);
        }
    }

    #[test]
    fn folded_text_is_whole_or_marked() {
        assert_eq!(folded("abcdef", 3, 9), ["abc", "def"]);
        assert_eq!(folded("abcdefg", 3, 2), ["abc", "de…"]);
        assert_eq!(folded("", 3, 2), [""]);
        assert_eq!(folded("a世", 2, 2), ["a", "世"]);
    }

    #[test]
    fn our_words_wrap_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("immense", 3), ["immense"]);
    }

    proptest! {
        #[test]
        fn it_fits_and_is_safe(text in any::<String>(), width in 0_u16..40) {
            let cut = fit(&text, width);
            prop_assert!(Span::raw(cut.as_str()).width() <= usize::from(width));
            prop_assert!(!cut.chars().any(char::is_control));
            let lines = folded(&text, width, 3);
            prop_assert!(lines.len() <= 3);
            for line in lines {
                prop_assert!(Span::raw(line.as_str()).width() <= usize::from(width.max(2)));
                prop_assert!(!line.chars().any(char::is_control));
            }
        }
    }
}
