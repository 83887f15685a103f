//! Tries mutated inputs on everything that reads what strangers write.
//!
//! `cargo run --profile fuzz -p tenantry-tests --bin fuzz -- TARGET [--seconds 600] [--seed N]`, where TARGET is `yaml`, `expression`,
//! `signatures`, `cron` or `all`, and the seconds are the processor's.
//!
//! Exit code 0 means: nothing found. The input under trial lies in `target/fuzz/TARGET.current`, the one that took longest
//! in `TARGET.slowest`, a bad one in `TARGET.bad`.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use tenantry_tests::fuzz::{self, Plan, Target};
use tenantry_tests::random::Random;

fn main() -> ExitCode {
    match plans().and_then(|plans| plans.iter().map(one).collect::<io::Result<Vec<bool>>>()) {
        Ok(good) if good.iter().all(|good| *good) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _written = writeln!(io::stderr(), "fuzz: {error}");
            ExitCode::from(2)
        }
    }
}

fn one(plan: &Plan) -> io::Result<bool> {
    let report = fuzz::run(plan)?;
    writeln!(io::stdout(), "{report}")?;
    Ok(report.is_good())
}

fn plans() -> io::Result<Vec<Plan>> {
    let usage =
        || io::Error::other("usage: fuzz yaml|expression|signatures|cron|all [--seconds N] [--seed N]");
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (target, options) = args.split_first().ok_or_else(usage)?;
    let (mut seconds, mut seed) = (600, Random::seed_of_this_run());
    for pair in options.chunks(2) {
        let [name, value] = pair else { return Err(usage()) };
        let number: u64 = value.parse().map_err(|_| usage())?;
        match name.as_str() {
            "--seconds" => seconds = number,
            "--seed" => seed = number,
            _ => return Err(usage()),
        }
    }
    let targets = match target.as_str() {
        "all" => Target::ALL.to_vec(),
        one => vec![one.parse().map_err(io::Error::other)?],
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fuzz");
    std::fs::create_dir_all(&folder)?;
    let time = Duration::from_secs(seconds);
    Ok(targets.into_iter().map(|target| Plan { target, time, seed, folder: Some(folder.clone()) }).collect())
}
