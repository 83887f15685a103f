//! The short form of the power-cut test; the long one is `cargo run --release -p tenantry-tests --bin powercut`.

use std::path::Path;
use std::process::Command;

#[test]
fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let powercut = Path::new(env!("CARGO_BIN_EXE_powercut"));
    let output = Command::new(powercut).args(["--cuts", "1500"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("1500 cuts of"), "{told}");
}
