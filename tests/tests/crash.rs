//! The short form of the crash test; the long one is `cargo run --release -p tenantry-tests --bin crash -- --kills 200`.

use tenantry_tests::crash::{self, Plan};
use tenantry_tests::random::Random;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_or_done_twice_when_the_daemon_is_killed() {
    let plan = Plan { kills: 12, tenants: 8, rate: 20, seed: Random::seed_of_this_run() };
    let report = crash::run(plan).await.unwrap();
    assert!(report.is_good(), "{report}");
    assert!(report.books.acknowledged > 200, "too little load to prove anything: {report}");
}
