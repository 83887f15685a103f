//! One input out of others.

use crate::random::Random;

/// The longest input that is made, in bytes; a little more than any reader takes.
const INPUT_BYTES: usize = 300 * 1024;
/// Changes of one input at the most.
const CHANGES: u64 = 6;

/// A mutation of an input of the corpus.
pub(super) fn mutated(corpus: &[Vec<u8>], words: &[&[u8]], random: &mut Random) -> Vec<u8> {
    let mut input = pick(corpus, random).clone();
    for _ in 0..=random.below(CHANGES) {
        change(&mut input, corpus, words, random);
        input.truncate(INPUT_BYTES);
    }
    input
}

fn pick<'c, T>(from: &'c [T], random: &mut Random) -> &'c T {
    &from[random.below(from.len() as u64) as usize]
}

fn place(input: &[u8], random: &mut Random) -> usize {
    random.below(input.len() as u64 + 1) as usize
}

/// A piece of an input, at most `most` bytes.
fn piece(input: &[u8], most: u64, random: &mut Random) -> std::ops::Range<usize> {
    let start = place(input, random);
    let end = (start + random.below(most) as usize + 1).min(input.len());
    start..end
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&[u8]], random: &mut Random) {
    let at = place(input, random);
    match random.below(11) {
        0 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        1 => input.insert(at, random.below(256) as u8),
        2 => {
            let range = piece(input, 16, random);
            input.drain(range);
        }
        3 | 4 => {
            let word = *pick(words, random);
            input.splice(at..at, word.iter().copied());
        }
        5 => {
            // A word in the place of another piece keeps more of the form than one more word.
            let range = piece(input, 12, random);
            let word = *pick(words, random);
            input.splice(range, word.iter().copied());
        }
        6 => {
            let range = piece(input, 64, random);
            let copy = input[range].to_vec();
            input.splice(at..at, copy);
        }
        7 => {
            let other = pick(corpus, random);
            let range = piece(other, 200, random);
            input.splice(at..at, other[range].iter().copied());
        }
        8 => {
            let other = pick(corpus, random);
            let from = place(other, random);
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        9 => {
            // Depth and length are where readers break.
            let range = piece(input, 8, random);
            let times = 1 << random.below(10);
            let many = input[range].repeat(times);
            input.splice(at..at, many);
        }
        _ => number(input, random),
    }
}

/// Replaces a number by one at a border.
fn number(input: &mut Vec<u8>, random: &mut Random) {
    const BORDERS: &[&str] = &[
        "0",
        "1",
        "-1",
        "59",
        "60",
        "255",
        "256",
        "65536",
        "2147483648",
        "4294967296",
        "9007199254740993",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1e309",
        "0.1",
    ];
    let from = place(input, random);
    let digit = |byte: &u8| byte.is_ascii_digit();
    let Some(start) = input[from..].iter().position(digit).map(|at| from + at) else { return };
    let end = input[start..].iter().position(|byte| !digit(byte)).map_or(input.len(), |at| start + at);
    let border = *pick(BORDERS, random);
    input.splice(start..end, border.bytes());
}
