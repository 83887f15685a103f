//! The table in `docs/` that is made from the operations; the one of errors is made where exit codes are, in the command
//! line. `BLESS=1 cargo test -p tenantry-protocol --test documents`
//! writes them anew; without it the test compares.

use std::fmt::Write as _;
use std::path::Path;

use tenantry_protocol::path::{Access, Operation};

const MARK: &str = "<!-- generated: BLESS=1 cargo test -p tenantry-protocol --test documents -->\n";

#[expect(clippy::unwrap_used, reason = "a test that cannot read its document fails")]
fn compare(name: &str, table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, present) = text.split_once(MARK).unwrap();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, format!("{head}{MARK}{table}")).unwrap();
    } else {
        assert_eq!(present, table, "docs/{name} is stale; bless it");
    }
}

#[test]
fn every_operation_is_documented() {
    let mut table = "\n| operation | who | what |\n|---|---|---|\n".to_owned();
    for operation in Operation::ALL {
        let who = match operation.access() {
            Access::Public => "public".to_owned(),
            Access::Token => "token".to_owned(),
            Access::Tenant(permission) => format!("`{}`", permission.as_str()),
            Access::Host(permission) => format!("`{}` on the host", permission.as_str()),
        };
        let (method, path) = (operation.method().as_str(), operation.path());
        writeln!(table, "| `{method} {path}` | {who} | {} |", operation.summary()).unwrap();
    }
    compare("http-api.md", &table);
}
