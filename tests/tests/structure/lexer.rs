//! Splits Rust source into code, comments and string literals, so that a rule looks only where it means to.
//!
//! This is a lexer for rules, not for a compiler: it knows nested block comments, raw strings, bytes, characters and
//! lifetimes, and it keeps line numbers. Anything that it misreads must show up as a finding, never hide one.

/// What a piece of source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Code,
    Comment,
    Text,
}

/// A stretch of one kind. `line` is where it begins, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Splits `source` into pieces; delimiters of strings and comments are left out.
pub(crate) fn pieces(source: &str) -> Vec<Piece> {
    let mut lexer =
        Lexer { chars: source.chars().collect(), at: 0, line: 1, out: Vec::new(), code: (1, String::new()) };
    while lexer.at < lexer.chars.len() {
        lexer.step();
    }
    lexer.flush();
    lexer.out
}

/// The code alone with everything else blanked: same number of lines, so offsets still name lines.
pub(crate) fn code_only(source: &str) -> String {
    let mut code = String::new();
    for piece in pieces(source) {
        if piece.kind == Kind::Code {
            code.push_str(&piece.text);
        } else {
            code.push(' ');
            code.extend(piece.text.chars().filter(|c| *c == '\n'));
        }
    }
    code
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    out: Vec<Piece>,
    code: (usize, String),
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn take(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn flush(&mut self) {
        let (line, text) = std::mem::take(&mut self.code);
        if !text.is_empty() {
            self.out.push(Piece { kind: Kind::Code, line, text });
        }
    }

    fn push_code(&mut self) {
        if self.code.1.is_empty() {
            self.code.0 = self.line;
        }
        let c = self.take();
        self.code.1.push(c);
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => self.line_comment(),
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('r', '"' | '#') if !self.after_word() => self.raw_or_code(1),
            ('b' | 'c', 'r') if !self.after_word() && matches!(self.peek(2), '"' | '#') => {
                self.raw_or_code(2);
            }
            ('\'', _) => self.character_or_lifetime(),
            _ => self.push_code(),
        }
    }

    fn after_word(&self) -> bool {
        self.at
            .checked_sub(1)
            .and_then(|i| self.chars.get(i))
            .is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    fn line_comment(&mut self) {
        self.flush();
        let (line, mut text) = (self.line, String::new());
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            text.push(self.take());
        }
        self.out.push(Piece { kind: Kind::Comment, line, text });
    }

    fn block_comment(&mut self) {
        self.flush();
        let (line, mut text, mut depth) = (self.line, String::new(), 0_u32);
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    text.push(self.take());
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                break;
            }
        }
        self.out.push(Piece { kind: Kind::Comment, line, text });
    }

    fn string(&mut self) {
        self.flush();
        let (line, mut text) = (self.line, String::new());
        self.take();
        while self.at < self.chars.len() {
            match self.take() {
                '"' => break,
                '\\' => text.push(self.take()),
                c => text.push(c),
            }
        }
        self.out.push(Piece { kind: Kind::Text, line, text });
    }

    /// A raw string whose `r` is the last of `prefix` characters, or code such as `r#type`.
    fn raw_or_code(&mut self, prefix: usize) {
        let hashes = (0..255).take_while(|i| self.peek(prefix + i) == '#').count();
        if self.peek(prefix + hashes) != '"' {
            return self.push_code();
        }
        self.flush();
        let (line, mut text) = (self.line, String::new());
        self.at += prefix + hashes + 1;
        while self.at < self.chars.len() {
            let c = self.take();
            if c == '"' && (0..hashes).all(|i| self.peek(i) == '#') {
                self.at += hashes;
                break;
            }
            text.push(c);
        }
        self.out.push(Piece { kind: Kind::Text, line, text });
    }

    fn character_or_lifetime(&mut self) {
        let literal = self.peek(1) == '\\' || self.peek(2) == '\'';
        self.push_code();
        if !literal {
            return;
        }
        // The content of a character literal is blanked: a quote or a slash in it must not open anything.
        if self.peek(0) == '\\' {
            self.take();
        }
        self.take();
        while self.at < self.chars.len() && self.peek(0) != '\'' {
            self.take();
        }
        self.take();
        self.code.1.push('\'');
    }
}

#[test]
fn code_comments_and_text_come_apart() {
    let source = "let a = \"x \\\" // y\"; // note \"q\"\n/* b /* c */ d */ let r = r#\"raw \" text\"#;\nlet c = '\"'; fn f<'a>() {}";
    let of = |kind| pieces(source).into_iter().filter(|p| p.kind == kind).map(|p| p.text).collect::<Vec<_>>();
    assert_eq!(of(Kind::Text), ["x \" // y", "raw \" text"]);
    assert_eq!(of(Kind::Comment), ["// note \"q\"", " b  c  d "]);
    assert!(of(Kind::Code).concat().contains("fn f<'a>() {}"), "{:?}", of(Kind::Code));
}

#[test]
fn lines_survive_blanking() {
    let source = "a\n\"two\nlines\"\n/* three\nlines\nhere */\nunsafe";
    let code = code_only(source);
    let line = code.lines().position(|l| l.contains("unsafe")).map(|i| i + 1);
    assert_eq!(line, Some(7), "{code:?}");
    assert_eq!(pieces("x\n\n  // c").last().map(|p| p.line), Some(3));
}
