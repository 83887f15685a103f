use proptest::prelude::*;

use super::*;

fn yaml(text: &str) -> String {
    tidy("x.yaml", text, Format::Yaml).unwrap_or_else(|findings| panic!("{findings:?}\n{text}"))
}

fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<_> =
        text.lines().filter_map(|line| line.find("# c").map(|at| line[at..].trim_end().to_owned())).collect();
    found.sort();
    found
}

#[test]
fn what_a_person_leaves_behind_is_tidied() {
    let text = "\u{feff}\n\n# of the file\n\nsteps:   \n# first\n- id:   a\n  run: |\n     echo  \n      b\n\n     c\n\n\n\n-   id: b\n    http: {\n        url: \"https://a.example\",\n        expect: 200 }\n    needs:\n    - a # why\n# how it begins\non:\n      manual:\n          inputs:\n              # comment\n              x: { type: number }\nname: x   # its name\r\n\n\n";
    insta::assert_snapshot!(yaml(text));
}

#[test]
fn a_comment_that_would_lose_its_place_keeps_the_order() {
    for text in [
        "# of the steps or of the file\nsteps:\n  - jq: \"1\"\nname: x\non: { manual: }\n",
        "steps:\n  - jq: \"1\"\n\n# of what follows, or of what was\n\nname: x\non: { manual: }\n",
        "steps:\n  - jq: \"1\"\nname: x\non: { manual: }\n# at the end\n",
        "steps: &a\n  - jq: \"1\"\nname: x\non: { manual: }\nother: *a\n",
    ] {
        assert_eq!(yaml(text), text);
    }
}

#[test]
fn forms_that_are_not_handled_stay_as_they_are() {
    for text in [
        "---\nname:   x\n",
        "? a\n: b\n",
        "{ name: x,\n      on: y }\n",
        "just text\n",
        "# only\n\n\n# comments\n",
    ] {
        assert_eq!(yaml(text), text);
    }
}

#[test]
fn toml_and_json() {
    let toml = "\n\nname = \"x\"   \n\n\n# why\n[on]\nevent = \"a\"\t\n\n";
    assert_eq!(tidy("x.toml", toml, Format::Toml).unwrap(), "name = \"x\"\n\n# why\n[on]\nevent = \"a\"\n");
    let text = "a = \"\"\"\n  x   \n\n\n\"\"\"   \n";
    assert_eq!(tidy("x.toml", text, Format::Toml).unwrap(), text);
    let json = "{\"b\":1.10,\"a\":[],\n\t\"c\":[{\"d\":\"\\u00e9\\n\"}, null],\"e\":{}}";
    let wanted = "{\n  \"b\": 1.10,\n  \"a\": [],\n  \"c\": [\n    {\n      \"d\": \"é\\n\"\n    },\n    null\n  ],\n  \"e\": {}\n}\n";
    assert_eq!(tidy("x.json", json, Format::Json).unwrap(), wanted);
    assert_eq!(tidy("x.json", wanted, Format::Json).unwrap(), wanted);
}

#[test]
fn what_cannot_be_read_is_told() {
    assert_eq!(tidy("x.yaml", "a: [", Format::Yaml).unwrap_err()[0].code, "yaml-syntax");
    assert_eq!(tidy("x.json", "{", Format::Json).unwrap_err()[0].code, "json-syntax");
    assert_eq!(tidy("x.toml", "a =", Format::Toml).unwrap_err()[0].code, "toml-syntax");
}

#[test]
fn the_examples_and_fixtures_are_tidy_and_stay_what_they_are() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for folder in ["tests/valid", "../config/workflows"] {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            let (name, text) = (path.display().to_string(), std::fs::read_to_string(&path).unwrap());
            let tidied = tidy(&name, &text, Format::of_path(&name)).unwrap();
            if folder.contains("config") {
                assert_eq!(tidied, text, "{name} is not tidy: run `tenantry workflow fmt` on it");
            }
            assert_eq!(tidy(&name, &tidied, Format::of_path(&name)).unwrap(), tidied, "{name}");
            count += 1;
        }
    }
    assert!(count > 10);
}

/// Writes random definitions in random layouts.
struct Scribe {
    state: u64,
    comments: usize,
    out: String,
}

impl Scribe {
    fn below(&mut self, limit: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % limit
    }

    fn column(&mut self, count: usize) {
        self.out.push_str(&" ".repeat(count));
    }

    /// Ends a line, perhaps with space, a comment, empty lines and comment lines.
    fn end_line(&mut self, column: usize) {
        match self.below(8) {
            0 => self.out.push_str("  "),
            1 => {
                self.comments += 1;
                self.out.push_str(" # c");
                self.out.push_str(&self.comments.to_string());
            }
            _ => {}
        }
        self.out.push('\n');
        if self.below(6) == 0 {
            let blanks = self.below(4);
            (0..blanks).for_each(|_| self.out.push('\n'));
        }
        if self.below(8) == 0 {
            self.comments += 1;
            let indent = if self.below(3) == 0 { self.below(6) as usize } else { column };
            self.column(indent);
            self.out.push_str("# c");
            self.out.push_str(&self.comments.to_string());
            self.out.push('\n');
        }
    }

    fn scalar(&mut self, column: usize) {
        match self.below(9) {
            0 => self.out.push_str("plain words: not".split(':').next().unwrap_or_default()),
            1 => self.out.push_str("'it''s: # quoted'"),
            2 => self.out.push_str("\"a \\\"b\\\" # c\""),
            3 => {
                let header = ["|", ">", "|-", "|+", ">-"][self.below(5) as usize];
                self.out.push_str(header);
                self.out.push('\n');
                let deep = column + 1 + self.below(4) as usize;
                for line in 0..=self.below(4) {
                    if self.below(4) == 0 && line > 0 {
                        self.out.push('\n');
                        continue;
                    }
                    let more = if line == 0 { 0 } else { self.below(3) as usize };
                    self.column(deep + more);
                    let words =
                        ["text", "- like: a list", "# like a comment  ", "x: |"][self.below(4) as usize];
                    self.out.push_str(words);
                    self.out.push('\n');
                }
                // What follows begins on a line of its own.
                return;
            }
            4 => {
                self.out.push_str("[1, {a: b},\n");
                let deep = column + 1 + self.below(5) as usize;
                self.column(deep);
                self.out.push_str("2]");
            }
            5 => {
                self.out.push_str("begun\n");
                let deep = column + 1 + self.below(5) as usize;
                self.column(deep);
                self.out.push_str("and gone on");
            }
            6 => {
                self.out.push_str("\"begun  \n\n");
                let deep = column + 1 + self.below(5) as usize;
                self.column(deep);
                self.out.push_str("and gone on\"");
            }
            7 => self.out.push_str("{ a: 1, b: [x, y] }"),
            _ => self.out.push_str("42"),
        }
        self.end_line(column);
    }

    /// A mapping whose first key stands where the text has come to.
    fn mapping(&mut self, column: usize, depth: u64) {
        for index in 0..=self.below(3) {
            if index > 0 {
                self.column(column);
            }
            let key = match (depth, self.below(4)) {
                (0, 0) => ["steps", "on", "name", "env"][index as usize % 4].to_owned(),
                (_, 1) => format!("\"k: {index}\""),
                _ => format!("k{index}"),
            };
            self.out.push_str(&key);
            self.out.push(':');
            self.value(column, depth);
        }
    }

    fn value(&mut self, column: usize, depth: u64) {
        match self.below(if depth > 3 { 1 } else { 3 }) {
            0 => {
                let space = 1 + self.below(3) as usize;
                self.column(space);
                self.scalar(column);
            }
            1 => {
                self.end_line(column);
                let inner = column + 1 + self.below(5) as usize;
                self.column(inner);
                self.mapping(inner, depth + 1);
            }
            _ => {
                self.end_line(column);
                let inner = column + self.below(4) as usize;
                self.list(inner, depth + 1, true);
            }
        }
    }

    fn list(&mut self, column: usize, depth: u64, mut indented: bool) {
        for _ in 0..=self.below(3) {
            if indented {
                self.column(column);
            }
            indented = true;
            self.out.push('-');
            let space = 1 + self.below(3) as usize;
            match self.below(if depth > 3 { 1 } else { 3 }) {
                0 => {
                    self.column(space);
                    self.scalar(column);
                }
                1 => {
                    self.column(space);
                    self.mapping(column + 1 + space, depth + 1);
                }
                _ => {
                    self.column(space);
                    self.list(column + 1 + space, depth + 1, false);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_definition_the_comments_and_a_tidy_text_stay(seed: u64) {
        let mut scribe = Scribe { state: seed, comments: 0, out: String::new() };
        scribe.mapping(0, 0);
        let text = scribe.out;
        // Keys may be there twice; such a text is not read.
        if let Ok(before) = read("x.yaml", &text, Format::Yaml) {
            let tidied = layout(&text, Format::Yaml, before.as_ref());
            let after = read("x.yaml", &tidied, Format::Yaml);
            prop_assert!(after.is_ok(), "no longer readable:\n{}\n---\n{}", text, tidied);
            prop_assert!(same(before.as_ref(), after.unwrap().as_ref(), true), "differs:\n{}\n---\n{}", text, tidied);
            prop_assert_eq!(comments(&text), comments(&tidied), "\n{}\n---\n{}", text, tidied);
            let again = yaml(&tidied);
            prop_assert_eq!(&again, &tidied, "changes again:\n{}", text);
        }
    }

    #[test]
    fn any_text_is_taken(text in "[ a-c:\\-#|>\"'{}\\[\\],&*\n]{0,60}") {
        if let Ok(tidied) = tidy("x.yaml", &text, Format::Yaml) {
            let again = tidy("x.yaml", &tidied, Format::Yaml);
            prop_assert_eq!(again.ok(), Some(tidied));
        }
    }
}
