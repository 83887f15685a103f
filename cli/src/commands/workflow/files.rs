//! Workflow files: one, several, or all of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use tenantry_protocol::error::ErrorCode;
use tenantry_workflow::{Format, Workflow};

use crate::failure::Failure;
use crate::input;

/// The most files that are read at once.
const FILES_LIMIT: usize = 1_000;

/// How a text from standard input is called.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct StdinName {
    /// Name standard input so in findings; the extension says the notation
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
}

/// A text with the name that its findings carry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// As it was given; its extension says the format.
    pub(super) name: String,
    /// The content.
    pub(super) text: String,
}

impl Text {
    /// The workflow in it, or a failure with all findings.
    pub(super) fn workflow(&self) -> Result<Workflow, Failure> {
        let checked = tenantry_workflow::check(&self.name, &self.text, Format::of_path(&self.name));
        checked.workflow.ok_or_else(|| {
            let failure = Failure::new(ErrorCode::InvalidWorkflow, format!("{} is not valid", self.name));
            failure.with_findings(checked.findings)
        })
    }
}

/// Reads what was named. A folder stands for its `.yaml`, `.yml`, `.toml` and `.json` files, in the order of names,
/// without tests (`*.test.*`) and schemas (`*.schema.json`).
pub(super) fn read(paths: &[PathBuf], stdin: &StdinName) -> Result<Vec<Text>, Failure> {
    let files = expand(paths, is_workflow)?;
    if files.is_empty() {
        return Err(Failure::usage("there is no workflow file in these folders")
            .with_hint("workflow files end in .yaml, .yml, .toml or .json"));
    }
    files.iter().map(|path| one(path, stdin)).collect()
}

/// Reads one file, or standard input.
pub(super) fn one(path: &Path, stdin: &StdinName) -> Result<Text, Failure> {
    let name = match &stdin.name {
        Some(name) if path == Path::new("-") => name.clone(),
        _ => path.display().to_string(),
    };
    Ok(Text { name, text: input::text(path)? })
}

/// What was named, each folder replaced by those of its files that are wanted, in the order of names.
pub(super) fn expand(paths: &[PathBuf], wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path != Path::new("-") && path.is_dir() {
            files.extend(folder(path, &wanted)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.len() > FILES_LIMIT {
        return Err(Failure::usage(format!("these are more than {FILES_LIMIT} files")));
    }
    Ok(files)
}

fn folder(path: &Path, wanted: &impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: &std::io::Error| Failure::file("read", path, error);
    let mut files = Vec::new();
    for member in fs::read_dir(path).map_err(|error| failed(&error))? {
        let file = member.map_err(|error| failed(&error))?.path();
        let name = file.file_name().and_then(|name| name.to_str());
        if name.is_some_and(wanted) && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Whether a file of that name is taken for a workflow when its folder is named.
pub(super) fn is_workflow(name: &str) -> bool {
    let Some((stem, extension)) = name.rsplit_once('.') else { return false };
    let known = matches!(extension, "yaml" | "yml" | "toml" | "json");
    let kind = stem.rsplit_once('.').map_or("", |(_, kind)| kind);
    known && !name.starts_with('.') && !matches!(kind, "test" | "schema")
}

/// Whether a file of that name is taken for a test of a workflow when its folder is named.
pub(super) fn is_test(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".test.yaml") || name.ends_with(".test.yml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_its_workflow_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["b.yaml", "a.toml", "notes.md", "c.json", "b.test.yaml", "workflow.schema.json", ".hidden.yaml"]
        {
            fs::write(folder.path().join(name), name).unwrap();
        }
        let texts = read(&[folder.path().to_owned()], &StdinName::default()).unwrap();
        let texts: Vec<_> = texts.iter().map(|text| text.text.as_str()).collect();
        assert_eq!(texts, ["a.toml", "b.yaml", "c.json"]);
    }

    #[test]
    fn an_empty_folder_and_an_absent_file_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let none = StdinName::default();
        assert!(read(&[folder.path().to_owned()], &none).is_err());
        assert!(read(&[folder.path().join("x.yaml")], &none).is_err());
    }
}
