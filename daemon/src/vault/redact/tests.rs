use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn secrets(values: &[&str]) -> Secrets {
    let values: Vec<_> = values.iter().map(|value| SecretValue::new(value.as_bytes().to_vec())).collect();
    Secrets::new(&values).expect("few secrets")
}

/// Pushes the chunks one after another.
fn in_chunks(secrets: &Secrets, chunks: &[&[u8]]) -> Vec<u8> {
    let mut redactor = secrets.redactor();
    let mut out: Vec<u8> = chunks.iter().flat_map(|chunk| redactor.push(chunk)).collect();
    out.extend(redactor.finish());
    out
}

const SECRET: &str = "pa/ss w0rd?\"ü+";

#[test]
fn every_form_is_cut_out() {
    let secrets = secrets(&[SECRET]);
    let bytes = SECRET.as_bytes();
    let hex = "70612f737320773072643f22c3bc2b".to_owned();
    for form in [
        SECRET.to_owned(),
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        hex.to_uppercase(),
        hex,
        "pa%2Fss%20w0rd%3F%22%C3%BC%2B".to_owned(),
        "pa%2fss%20w0rd%3f%22%c3%bc%2b".to_owned(),
        "pa%2Fss+w0rd%3F%22%C3%BC%2B".to_owned(),
        r#"pa/ss w0rd?\"ü+"#.to_owned(),
        r#"pa\/ss w0rd?\"ü+"#.to_owned(),
        r#"pa/ss w0rd?\"\u00fc+"#.to_owned(),
    ] {
        let printed = format!("[{form}]");
        let redacted = secrets.redact_text(&printed);
        assert!(
            redacted == "[***]" || redacted == "[***=]" || redacted == "[***==]",
            "{form} gave {redacted}"
        );
    }
}

/// `Authorization: Basic` puts a name before the secret, so that it starts anywhere in a group of three.
#[test]
fn base64_is_found_wherever_the_secret_starts_and_ends() {
    let secret = "0123456789abcdef";
    let secrets = secrets(&[secret]);
    for before in ["", "u", "us", "usr", "user:"] {
        for after in ["", "!", "!!", "!!!"] {
            for engine in [&STANDARD, &URL_SAFE] {
                let encoded = engine.encode(format!("{before}{secret}{after}"));
                let redacted = secrets.redact_text(&encoded);
                assert!(redacted.contains("***"), "{before} {after}: {redacted}");
                let left = redacted.replace("***", "");
                // What is left is what stands around, and at most one character on each side that mixes both.
                let around = before.len().div_ceil(3) * 4 + (after.len() + 2).div_ceil(3) * 4 + 2;
                assert!(left.len() <= around, "{before} {after}: {redacted}");
            }
        }
    }
}

#[test]
fn a_secret_is_found_wherever_the_stream_is_cut() {
    let secrets = secrets(&["correct horse", "horse battery", "battery!"]);
    let text = b"say correct horse battery! to correct hor and correct horse, horse batter";
    let whole = secrets.redact(text);
    assert_eq!(whole, b"say *** to correct hor and ***, horse batter");
    for first in 0..=text.len() {
        for second in first..=text.len() {
            let chunks = [&text[..first], &text[first..second], &text[second..]];
            assert_eq!(in_chunks(&secrets, &chunks), whole, "cut at {first} and {second}");
        }
    }
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(in_chunks(&secrets, &bytes), whole);
}

#[test]
fn only_what_could_begin_a_secret_is_held_back() {
    let secrets = secrets(&["correct horse"]);
    let mut redactor = secrets.redactor();
    assert_eq!(redactor.push(b"a line\n"), b"a line\n");
    assert_eq!(redactor.push(b"the corr"), b"the ");
    assert_eq!(redactor.push(b"idor\n"), b"corridor\n");
    assert_eq!(redactor.push(b"correct hors"), b"");
    assert_eq!(redactor.finish(), b"correct hors");
    assert_eq!(redactor.push(b"e"), b"e", "the next stream knows nothing of the last");
}

#[test]
fn lines_of_a_long_secret_are_cut_out_alone_and_short_ones_are_not() {
    let secrets = secrets(&["-----BEGIN KEY-----\nAAAABBBBCCCC\nab\n-----END KEY-----\n"]);
    assert_eq!(secrets.redact_text("x AAAABBBBCCCC y ab z"), "x *** y ab z");
}

#[test]
fn a_long_secret_is_one_marker_wherever_it_is_cut() {
    let value = (0..600).map(|number: u32| number.to_string()).collect::<Vec<_>>().join("-");
    let secrets = secrets(&[&value]);
    let text = format!("<{value}> <{}>", STANDARD.encode(&value));
    let whole = secrets.redact(text.as_bytes());
    assert!(whole == b"<***> <***>" || whole == b"<***> <***=>" || whole == b"<***> <***==>");
    for cut in (0..text.len()).step_by(7) {
        let (head, tail) = text.as_bytes().split_at(cut);
        assert_eq!(in_chunks(&secrets, &[head, tail]), whole, "cut at {cut}");
    }
}

#[test]
fn the_greatest_secrets_are_prepared_and_held_back_a_little() {
    let values: Vec<_> =
        (0..4).map(|n| "0123456789abcdef".repeat(1_024).replace('3', &n.to_string())).collect();
    let secrets = secrets(&values.iter().map(String::as_str).collect::<Vec<_>>());
    let mut redactor = secrets.redactor();
    let out = redactor.push(values[0].as_bytes());
    assert_eq!(out, b"***");
    assert!(redactor.held.len() <= BLOCK + VALUE_MIN, "{} bytes", redactor.held.len());
    assert_eq!(redactor.finish(), b"");
}

#[test]
fn json_is_redacted_in_texts_keys_and_numbers() {
    let secrets = secrets(&["correct horse", "12345678901"]);
    let mut value = serde_json::json!({
        "a": ["correct horse", 12_345_678_901_u64, 5, null, true],
        "correct horse!": { "b": "x correct horse y" },
    });
    secrets.redact_json(&mut value);
    assert_eq!(value, serde_json::json!({ "a": ["***", "***", 5, null, true], "***!": { "b": "x *** y" } }));
}

#[test]
fn without_secrets_everything_passes_at_once() {
    let none = secrets(&[]);
    assert_eq!(none.redactor().push(b"anything"), b"anything");
    assert_eq!(none.redact_text("anything"), "anything");
}

proptest! {
    /// The alphabet is tiny, so that secrets overlap each other and themselves.
    #[test]
    fn cuts_never_change_the_output(
        values in prop::collection::vec("[ab]{8,12}", 1..4),
        text in "[ab]{0,80}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let secrets = secrets(&values.iter().map(String::as_str).collect::<Vec<_>>());
        let whole = secrets.redact(text.as_bytes());
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(in_chunks(&secrets, &chunks), whole.clone());
        // Nothing of a secret is left, and what is not part of one stays.
        let left = String::from_utf8(whole).expect("ASCII");
        for value in &values {
            prop_assert!(!left.contains(value.as_str()));
        }
        if values.iter().all(|value| !text.contains(value.as_str())) {
            prop_assert_eq!(left, text);
        }
    }

    #[test]
    fn no_bytes_panic(value in prop::collection::vec(any::<u8>(), 0..40), text in prop::collection::vec(any::<u8>(), 0..200)) {
        let secrets = Secrets::new([&SecretValue::new(value.clone())]).expect("one secret");
        let surrounded = [text.as_slice(), value.as_slice(), text.as_slice()].concat();
        let out = secrets.redact(&surrounded);
        if value.len() >= 8 {
            prop_assert!(!out.windows(value.len()).any(|window| window == value) || MARKER.len() >= value.len());
        }
    }
}
