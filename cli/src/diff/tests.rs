use super::*;

/// Applies a unified diff to the old text.
fn patched(old: &str, diff: &str) -> String {
    let old: Vec<&str> = split(old);
    let mut out = String::new();
    let mut at = 0;
    let mut lines = diff.split_inclusive('\n').skip(2).peekable();
    while let Some(line) = lines.next() {
        let (sign, rest) = line.split_at(1);
        let bare = lines.peek().is_some_and(|next| next.starts_with('\\'));
        let rest = if bare { rest.trim_end_matches('\n') } else { rest };
        match sign {
            "@" => {
                let place = line.split(['-', ' ', ',']).nth(2).unwrap();
                let count = line.split(' ').nth(1).unwrap();
                let first: usize = place.parse().unwrap();
                let to = if count.ends_with(",0") { first } else { first - 1 };
                while at < to {
                    out.push_str(old[at]);
                    at += 1;
                }
            }
            " " => {
                assert_eq!(old[at], rest);
                out.push_str(rest);
                at += 1;
            }
            "-" => {
                assert_eq!(old[at], rest);
                at += 1;
            }
            "+" => out.push_str(rest),
            _ => assert_eq!(sign, "\\"),
        }
    }
    out.extend(old[at..].iter().copied());
    out
}

fn numbered(before: &str, count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|number| format!("{before}{number}\n")).collect();
    lines.concat()
}

#[test]
fn equal_texts_have_no_diff() {
    assert_eq!(unified("a", "b", "x\ny\n", "x\ny\n"), "");
}

#[test]
fn a_diff_reads_as_everywhere() {
    let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
    let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13";
    assert_eq!(
        unified("old", "new", old, new),
        "--- old\n+++ new\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n@@ -10,3 +10,4 @@\n 10\n 11\n 12\n+13\n\
         \\ No newline at end of file\n"
    );
    assert_eq!(unified("a", "b", "", "x\n"), "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
    assert_eq!(counts(&unified("old", "new", old, new)), (2, 1));
}

#[test]
fn distant_differences_are_hunks_of_their_own() {
    let old: String = numbered("", 40);
    let new = old.replace("3\n4\n", "3\nfour\n").replace("30\n", "");
    let diff = unified("a", "b", &old, &new);
    assert_eq!(diff.matches("@@ -").count(), 2, "{diff}");
    assert_eq!(patched(&old, &diff), new);
}

#[test]
fn every_diff_makes_the_new_text_of_the_old() {
    // A generator of its own: the same texts in every run.
    let mut state = 7_u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..2_000 {
        let text = |next: &mut dyn FnMut(u64) -> u64| {
            let lines: Vec<String> = (0..next(14)).map(|_| format!("{}\n", next(4))).collect();
            let text = lines.concat();
            if next(4) == 0 { text.trim_end_matches('\n').to_owned() } else { text }
        };
        let (old, new) = (text(&mut next), text(&mut next));
        let diff = unified("a", "b", &old, &new);
        assert_eq!(
            if old == new { old.clone() } else { patched(&old, &diff) },
            new,
            "{old:?} {new:?}\n{diff}"
        );
    }
}

#[test]
fn texts_without_a_common_line_are_replaced_within_the_limit() {
    let old: String = numbered("a", 3_000);
    let new: String = numbered("b", 3_000);
    let diff = unified("a", "b", &old, &new);
    assert_eq!(counts(&diff), (3_000, 3_000));
    assert_eq!(patched(&old, &diff), new);
}

#[test]
fn a_shown_diff_obeys_nothing() {
    let diff = unified("a", "b", "x\u{1b}[2J\n", "y\n");
    assert!(!shown(&diff, false).contains('\u{1b}'));
    assert!(shown(&diff, true).contains("\u{1b}[32m+y"));
}
