//! A workflow to begin with, written by the program itself so that a newcomer needs nothing else.

mod template;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tenantry_protocol::error::ErrorCode;
use tenantry_protocol::page::Page;
use tenantry_protocol::permission::is_name;

use self::template::{Listed, TEMPLATES, Template};
use crate::exit::Exit;
use crate::failure::{Ended, Failure};
use crate::output::Output;

/// Write a workflow to begin with, and a test of it
///
/// Writes NAME.yaml, NAME.test.yaml, and for editors the JSON Schemas of both, unless those are there. Overwrites
/// nothing.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenantry workflow new hello
  tenantry workflow new --list
  tenantry workflow new site-check --template uptime --to workflows/
  tenantry workflow new hello --stdout > hello.yaml")]
pub(super) struct New {
    /// The workflow's name: lower-case letters, digits and dashes
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// What to begin with [default: the template of that name, else hello]
    #[arg(short = 'T', long, value_name = "TEMPLATE", value_parser = template::parser())]
    template: Option<&'static Template>,
    /// List the templates
    #[arg(long, conflicts_with_all = ["template", "stdout", "to"])]
    list: bool,
    /// The folder to write to
    #[arg(long, value_name = "FOLDER", default_value = ".", hide_default_value = true)]
    to: PathBuf,
    /// Print the workflow instead of writing files
    #[arg(long, conflicts_with = "to")]
    stdout: bool,
    /// Write no JSON Schemas, and do not name them in the files
    #[arg(long)]
    no_schema: bool,
}

/// What was written.
#[derive(Serialize)]
struct Written {
    name: String,
    template: &'static str,
    files: Vec<String>,
}

impl New {
    /// `tenant` is the one that is named already, by option or environment.
    pub(super) fn run(self, output: Output, tenant: Option<&str>) -> Ended {
        if self.list {
            let items: Vec<Listed> = TEMPLATES.iter().map(Listed::of).collect();
            output.list(&Page { items, next: None })?;
            return Ok(Exit::Ok);
        }
        let Some(name) = self.name.as_deref() else {
            return Err(Failure::usage("what shall the workflow be called?"));
        };
        if !is_name(name) {
            let message = format!("`{name}` cannot be a workflow's name");
            return Err(Failure::new(ErrorCode::BadIdentifier, message));
        }
        let template = self.template.unwrap_or_else(|| Template::named(name));
        let schema = (!self.no_schema && !self.stdout).then_some(".");
        let text = template.workflow(name, schema);
        if self.stdout {
            output.text(&text)?;
            return Ok(Exit::Ok);
        }
        let mut files = vec![
            (format!("{name}.{}", template.extension()), text),
            (format!("{name}.test.yaml"), template.test(schema)),
        ];
        refuse_existing(&self.to, &files)?;
        if !self.no_schema {
            for (file, schema) in template::schemas() {
                if !self.to.join(&file).exists() {
                    files.push((file, schema));
                }
            }
        }
        fs::create_dir_all(&self.to).map_err(|error| Failure::file("create", &self.to, &error))?;
        let mut written = Written { name: name.to_owned(), template: template.name, files: Vec::new() };
        for (file, text) in &files {
            let path = self.to.join(file);
            create(&path, text)?;
            written.files.push(shown(&path));
        }
        let names: Vec<&str> = written.files.iter().map(String::as_str).collect();
        output.several(&written, &names, || {
            written.files.iter().try_for_each(|file| output.line(&format!("{file} written")))
        })?;
        let file = names.first().copied().unwrap_or_default();
        output.note(&format!("check it:  tenantry workflow check {file}"));
        output.note(&format!(
            "try it:    tenantry workflow test {}",
            names.get(1).copied().unwrap_or_default()
        ));
        let option = if tenant.is_some() { "" } else { "-t TENANT " };
        output.note(&format!("apply it:  tenantry {option}workflow apply {file}"));
        Ok(Exit::Ok)
    }
}

/// Without a `./` that nobody wrote.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn refuse_existing(folder: &Path, files: &[(String, String)]) -> Result<(), Failure> {
    let existing = files.iter().map(|(file, _)| folder.join(file)).find(|path| path.exists());
    existing.map_or(Ok(()), |path| {
        let message = format!("{} is there already", shown(&path));
        Err(Failure::new(ErrorCode::Conflict, message)
            .with_hint("give another name, or another folder with --to"))
    })
}

/// Writes a file that must not be there yet.
fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &std::io::Error| Failure::file("write", path, error);
    let mut file = fs::File::create_new(path).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))
}
