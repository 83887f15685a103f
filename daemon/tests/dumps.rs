//! Its own process, because what it sets cannot be taken back.

use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

#[test]
fn a_process_with_secrets_leaves_no_core_dump() {
    assert_eq!(dumpable_behavior().expect("the kernel answers"), DumpableBehavior::Dumpable);
    tenantry_daemon::vault::forbid_dumps().expect("a process may restrict itself");
    assert_eq!(dumpable_behavior().expect("the kernel answers"), DumpableBehavior::NotDumpable);
    let limit = getrlimit(Resource::Core);
    assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
}
