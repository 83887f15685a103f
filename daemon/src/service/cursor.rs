//! Ids in requests, and the pages of lists.

use std::fmt::Display;
use std::str::FromStr;

use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;

use crate::error::{Error, Result, lister};

/// Longer texts are cut off before they are repeated in an error, in characters.
const SHOWN: usize = 64;

/// The beginning of a text from a request, for an error that repeats it.
pub fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// Reads an id out of a request.
pub fn parse<T: FromStr<Err: Display>>(text: &str, noun: &str) -> Result<T> {
    text.parse::<T>().map_err(|error| {
        let detail = format!("{:?} is no {noun}: {error}", shown(text));
        let error = Error::new(ErrorCode::BadIdentifier, detail);
        match lister(noun) {
            Some(command) => error.with_hint(format!("`{command}` lists what there is, with the ids")),
            None => error,
        }
    })
}

/// Reads the cursor of a list.
pub fn id<T: FromStr<Err: Display>>(after: Option<&str>) -> Result<Option<T>> {
    after.map(|text| parse(text, "cursor of a page")).transpose()
}

/// A page out of rows that were read with the limit `size`. A full page has a next one.
pub fn page<R, T>(
    rows: Vec<R>,
    size: u32,
    cursor: impl Fn(&R) -> String,
    view: impl FnMut(R) -> T,
) -> Page<T> {
    let full = rows.len() >= usize::try_from(size).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| full).map(cursor);
    Page { items: rows.into_iter().map(view).collect(), next }
}
