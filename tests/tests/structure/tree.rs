//! The files of the workspace as the rules see them: path from the root, text, and which crate they belong to.

use std::path::{Path, PathBuf};

/// Folders that hold nothing we wrote by hand.
const SKIPPED: &[&str] = &["target", ".git", ".insta", "snapshots", "node_modules"];

/// One file. `path` is relative to the workspace root, with forward slashes.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn sample(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    pub(crate) fn under(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The workspace root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests crate lies in the workspace").to_owned()
}

/// Every file whose name ends in one of `extensions`, sorted by path.
pub(crate) fn files(extensions: &[&str]) -> Vec<SourceFile> {
    let mut found = Vec::new();
    walk(&root(), &root(), extensions, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file with {extensions:?} found: the rule would pass for nothing");
    found
}

fn walk(root: &Path, folder: &Path, extensions: &[&str], found: &mut Vec<SourceFile>) {
    for entry in std::fs::read_dir(folder).expect("read a source folder") {
        let path = entry.expect("read a folder entry").path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.is_symlink() || SKIPPED.contains(&name) {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, extensions, found);
        } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| extensions.contains(&e)) {
            let text = std::fs::read_to_string(&path).expect("source is UTF-8");
            let path = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
            found.push(SourceFile { path, text });
        }
    }
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}
