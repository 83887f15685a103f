//! The workflows in the guides of `docs/` are accepted without a finding.

use std::fs;
use std::path::Path;

use tenantry_workflow::{Format, check};

#[test]
fn the_guides_snippets_are_accepted() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for guide in ["runs.md", "flow-control.md"] {
        let text = fs::read_to_string(docs.join(guide)).unwrap();
        let mut checked = 0;
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default();
            let found = check(guide, block, Format::Yaml).findings;
            assert!(found.is_empty(), "{guide}:\n{block}\n{found:?}");
            checked += 1;
        }
        assert!(checked > 0, "{guide} has no snippet");
    }
}
