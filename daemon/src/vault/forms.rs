//! The forms in which a secret shows up in outputs: itself, and what common encoders make of it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::secret::VALUE_MIN;

type Digits = &'static [u8; 16];
const LOWER: Digits = b"0123456789abcdef";
const UPPER: Digits = b"0123456789ABCDEF";

/// Every form of one secret, some of them twice, none shorter than what a secret must have at least.
pub(super) fn of_secret(secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let mut forms = Vec::new();
    add_all(secret, &mut forms);
    // Tools print what was pasted without the line end, and print long texts line by line.
    add_all(secret.trim_ascii(), &mut forms);
    for line in secret.split(|byte| *byte == b'\n') {
        add_all(line.trim_ascii(), &mut forms);
    }
    forms
}

fn add_all(secret: &[u8], forms: &mut Vec<Zeroizing<Vec<u8>>>) {
    if secret.len() < VALUE_MIN {
        return;
    }
    let mut add = |form: Vec<u8>| forms.push(Zeroizing::new(form));
    add(secret.to_vec());
    for alignment in 0..3 {
        add(base64_inside(&STANDARD_NO_PAD, secret, alignment));
        add(base64_inside(&URL_SAFE_NO_PAD, secret, alignment));
    }
    add(STANDARD_NO_PAD.encode(secret).into_bytes());
    add(URL_SAFE_NO_PAD.encode(secret).into_bytes());
    add(joined(secret, |byte, out| push_hex(LOWER, byte, out)));
    add(joined(secret, |byte, out| push_hex(UPPER, byte, out)));
    add(percent(secret, "%20", UPPER));
    add(percent(secret, "%20", LOWER));
    add(percent(secret, "+", UPPER));
    if let Ok(text) = std::str::from_utf8(secret) {
        let json = json(text, |c| !c.is_control());
        add(json.replace('/', "\\/").into_bytes());
        add(json.into_bytes());
        add(self::json(text, |c| matches!(c, ' '..='~')).into_bytes());
    }
}

/// The characters of base64 that depend on the secret alone, where `alignment` bytes of something else stand
/// before it in their group of three.
fn base64_inside(engine: &impl Engine, secret: &[u8], alignment: usize) -> Vec<u8> {
    let padded = Zeroizing::new([&[0; 3][..alignment], secret].concat());
    let mut encoded = engine.encode(&*padded).into_bytes();
    if padded.len() % 3 != 0 {
        encoded.pop();
    }
    // One foreign byte reaches into the second character, two reach into the third.
    let foreign = if alignment == 0 { 0 } else { alignment + 1 };
    encoded.drain(..foreign);
    encoded
}

fn joined(secret: &[u8], push: impl Fn(u8, &mut String)) -> Vec<u8> {
    let mut out = String::with_capacity(secret.len() * 3);
    for byte in secret {
        push(*byte, &mut out);
    }
    out.into_bytes()
}

fn push_hex(digits: Digits, byte: u8, out: &mut String) {
    out.extend([byte >> 4, byte & 15].map(|digit| char::from(digits[usize::from(digit)])));
}

fn percent(secret: &[u8], space: &str, digits: Digits) -> Vec<u8> {
    joined(secret, |byte, out| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
        b' ' => out.push_str(space),
        _ => {
            out.push('%');
            push_hex(digits, byte, out);
        }
    })
}

/// The text inside of JSON quotes; characters that are not `plain` are escaped by their UTF-16 units.
fn json(text: &str, plain: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if plain(c) => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str("\\u");
                    unit.to_be_bytes().into_iter().for_each(|byte| push_hex(LOWER, byte, &mut out));
                }
            }
        }
    }
    out
}
