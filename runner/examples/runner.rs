//! The runner as a program of its own, as the tests start it: `runner runner [words]`, like `tenantry runner [words]`.

use std::process::ExitCode;

use tenantry_runner::{Mode, main as play};

fn main() -> ExitCode {
    let words = std::env::args_os().skip(2);
    Mode::parse(words).map_or(ExitCode::FAILURE, play)
}
