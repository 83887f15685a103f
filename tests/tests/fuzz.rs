//! The short form of the fuzz targets; the long one is `cargo run --profile fuzz -p tenantry-tests --bin fuzz -- all`.

use std::time::Duration;

use tenantry_tests::fuzz::{self, Plan, Target};
use tenantry_tests::random::Random;

#[test]
fn mutated_inputs_break_no_reader() {
    for target in Target::ALL {
        let plan = Plan {
            target: *target,
            time: Duration::from_secs(3),
            seed: Random::seed_of_this_run(),
            folder: None,
        };
        let report = fuzz::run(&plan).unwrap();
        assert!(report.is_good(), "{report}");
        assert!(report.inputs > 200 && report.shapes > 5, "too little to prove anything: {report}");
    }
}
