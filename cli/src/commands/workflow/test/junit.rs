//! Results as JUnit XML, which build servers show.

use std::fmt::Write as _;

use super::report::{Report, shown};

/// The whole document.
pub(super) fn write(report: &Report) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    let tests = report.passed + report.failed;
    writeln!(out, "<testsuites name=\"tenantry\" tests=\"{tests}\" failures=\"{}\">", report.failed).ok();
    for file in &report.files {
        let failures = file.tests.iter().filter(|test| !test.passed()).count();
        writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\">",
            escaped(&file.workflow),
            file.tests.len()
        )
        .ok();
        for test in &file.tests {
            write!(
                out,
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
                escaped(&file.workflow),
                escaped(&test.name),
                escaped(&file.file),
                test.line
            )
            .ok();
            if test.passed() {
                out.push_str("/>\n");
                continue;
            }
            out.push_str(">\n");
            for mismatch in &test.mismatches {
                let message = match &mismatch.wanted {
                    Some(wanted) => {
                        format!("{}: wanted {}, got {}", mismatch.what, shown(wanted), shown(&mismatch.got))
                    }
                    None => mismatch.got.as_str().unwrap_or_default().to_owned(),
                };
                writeln!(out, "      <failure message=\"{}\"/>", escaped(&message)).ok();
            }
            out.push_str("    </testcase>\n");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text inside of an attribute (XML 1.0 §2.2, §2.4); what XML cannot hold becomes a question mark.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_attribute() {
        assert_eq!(escaped("a\"><b/>&\u{1b}[2J\n"), "a&quot;&gt;&lt;b/&gt;&amp;?[2J&#10;");
    }
}
