//! Workflow files: one, several, or all of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::input;

/// The most files that are read at once.
const FILES_LIMIT: usize = 1_000;

/// A text with the name that its findings carry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// As it was given; its extension says the format.
    pub(super) name: String,
    /// The content.
    pub(super) text: String,
}

/// Reads what was named. A folder stands for its `.yaml`, `.yml`, `.toml` and `.json` files, in the order of names.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Text>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path != Path::new("-") && path.is_dir() {
            files.extend(folder(path)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.is_empty() {
        return Err(Failure::usage("there is no workflow file in these folders")
            .with_hint("workflow files end in .yaml, .yml, .toml or .json"));
    }
    if files.len() > FILES_LIMIT {
        return Err(Failure::usage(format!("these are more than {FILES_LIMIT} files")));
    }
    let read = |path: &PathBuf| Ok(Text { name: path.display().to_string(), text: input::text(path)? });
    files.iter().map(read).collect()
}

fn folder(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: &std::io::Error| Failure::file("read", path, error);
    let mut files = Vec::new();
    for member in fs::read_dir(path).map_err(|error| failed(&error))? {
        let file = member.map_err(|error| failed(&error))?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "toml" | "json")) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_workflow_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.toml", "notes.md", "c.json"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let texts = read(&[folder.path().to_owned()]).unwrap();
        let texts: Vec<_> = texts.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(texts, ["a.toml", "b.yaml", "c.json"]);
    }

    #[test]
    fn an_empty_folder_and_an_absent_file_are_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(&[folder.path().to_owned()]).is_err());
        assert!(read(&[folder.path().join("x.yaml")]).is_err());
    }
}
