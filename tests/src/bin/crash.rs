//! Kills a daemon under load again and again and balances the books on everything that it acknowledged.
//!
//! `cargo run --release -p tenantry-tests --bin crash -- [--kills 200] [--tenants 8] [--rate 40] [--seed N]`
//!
//! Exit code 0 means: nothing acknowledged was lost, nothing is stuck, nothing was done twice.

use std::io::{self, Write};
use std::process::ExitCode;

use tenantry_tests::crash::{self, Plan};
use tenantry_tests::random::Random;

fn main() -> ExitCode {
    let ended = plan().and_then(|plan| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(crash::run(plan))
    });
    match ended {
        Ok(report) => {
            let _written = writeln!(io::stdout(), "{report}");
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let _written = writeln!(io::stderr(), "crash: {error}");
            ExitCode::from(2)
        }
    }
}

fn plan() -> io::Result<Plan> {
    let mut plan = Plan { kills: 200, tenants: 8, rate: 40, seed: Random::seed_of_this_run() };
    let usage = || io::Error::other("usage: crash [--kills N] [--tenants N] [--rate N] [--seed N]");
    let args: Vec<String> = std::env::args().skip(1).collect();
    for pair in args.chunks(2) {
        let [name, value] = pair else { return Err(usage()) };
        let number: u64 = value.parse().map_err(|_| usage())?;
        match name.as_str() {
            "--kills" => plan.kills = number as u32,
            "--tenants" => plan.tenants = number as u32,
            "--rate" => plan.rate = number as u32,
            "--seed" => plan.seed = number,
            _ => return Err(usage()),
        }
    }
    Ok(plan)
}
