//! The templates: the examples of `config/workflows`, which are checked and tested with the program.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use serde::Serialize;
use tenantry_workflow::Format;

use crate::moment::Clock;
use crate::table::{Cell, Column, Row};

/// A workflow to begin with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) name: &'static str,
    file: &'static str,
    text: &'static str,
    test: &'static str,
}

macro_rules! templates {
    ($($name:literal $extension:literal),+ $(,)?) => {
        /// Every template, in the order in which they are listed.
        pub(super) static TEMPLATES: &[Template] = &[$(Template {
            name: $name,
            file: concat!($name, ".", $extension),
            text: include_str!(concat!("../../../../../config/workflows/", $name, ".", $extension)),
            test: include_str!(concat!("../../../../../config/workflows/", $name, ".test.yaml")),
        }),+];
    };
}

templates! {
    "hello" "yaml",
    "approval" "yaml",
    "csv-inbox" "yaml",
    "daily-digest" "yaml",
    "fan-out" "yaml",
    "form-to-inbox" "yaml",
    "form-to-mail" "yaml",
    "github-release" "yaml",
    "heartbeat" "yaml",
    "lead-intake" "yaml",
    "nightly-backup" "yaml",
    "on-failure" "yaml",
    "paid-invoice" "yaml",
    "report" "toml",
    "secret-rotation" "yaml",
    "silence" "yaml",
    "slack-command" "yaml",
    "uptime" "yaml",
}

/// The first line by which editors find the schema, of YAML and of TOML.
const MODELINE: &str = "# yaml-language-server: $schema=";
const TOML_MODELINE: &str = "#:schema ";

impl Template {
    /// The template of that name, else the plainest one.
    pub(super) fn named(name: &str) -> &'static Self {
        let named = TEMPLATES.iter().find(|template| template.name == name);
        named.unwrap_or(&TEMPLATES[0])
    }

    /// What a file of it ends in.
    pub(super) fn extension(&self) -> &'static str {
        self.file.rsplit_once('.').map_or("yaml", |(_, extension)| extension)
    }

    /// The workflow under another name. `schema` is the folder in which the schemas lie.
    pub(super) fn workflow(&self, name: &str, schema: Option<&str>) -> String {
        let (old, new) = match Format::of_path(self.file) {
            Format::Toml => (format!("name = \"{}\"", self.name), format!("name = \"{name}\"")),
            Format::Yaml | Format::Json => (format!("name: {}", self.name), format!("name: {name}")),
        };
        let mark = if self.extension() == "toml" { TOML_MODELINE } else { MODELINE };
        let lines = self.text.lines().map(|line| if line == old { &*new } else { line });
        let body: String =
            lines.filter(|line| !line.starts_with(mark)).flat_map(|line| [line, "\n"]).collect();
        headed(&body, schema.map(|folder| format!("{mark}{folder}/workflow.schema.json")))
    }

    /// Its test; it is of the workflow that has the same name but for `.test`.
    pub(super) fn test(&self, schema: Option<&str>) -> String {
        let lines = self.test.lines().filter(|line| !line.starts_with(MODELINE));
        let body: String = lines.flat_map(|line| [line, "\n"]).collect();
        headed(&body, schema.map(|folder| format!("{MODELINE}{folder}/workflow-test.schema.json")))
    }

    fn about(&self) -> Option<String> {
        tenantry_workflow::check(self.file, self.text, Format::of_path(self.file)).workflow?.description
    }
}

fn headed(body: &str, schema: Option<String>) -> String {
    schema.map_or_else(|| body.to_owned(), |schema| format!("{schema}\n{body}"))
}

/// The JSON Schemas, each with its file's name.
pub(super) fn schemas() -> [(String, String); 2] {
    let text = |schema: serde_json::Value| format!("{schema:#}\n");
    [
        ("workflow.schema.json".to_owned(), text(tenantry_workflow::schema())),
        ("workflow-test.schema.json".to_owned(), text(tenantry_workflow::test_schema())),
    ]
}

/// The templates as values on the command line.
pub(super) fn parser() -> impl TypedValueParser<Value = &'static Template> {
    PossibleValuesParser::new(TEMPLATES.iter().map(|template| PossibleValue::new(template.name)))
        .map(|name| Template::named(&name))
}

/// A template in the list.
#[derive(Serialize)]
pub(super) struct Listed {
    name: &'static str,
    about: Option<String>,
}

impl Listed {
    pub(super) fn of(template: &Template) -> Self {
        Self { name: template.name, about: template.about() }
    }
}

impl Row for Listed {
    const COLUMNS: &'static [Column] = &[Column::new("TEMPLATE"), Column::new("ABOUT")];

    fn cells(&self, _: Clock) -> Vec<Cell> {
        vec![self.name.into(), Cell::or_dash(self.about.clone())]
    }

    fn name(&self) -> String {
        self.name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_a_template() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/workflows");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.contains(".test."))
            .collect();
        files.sort();
        let mut known: Vec<&str> = TEMPLATES.iter().map(|template| template.file).collect();
        known.sort_unstable();
        assert_eq!(known, files);
    }

    #[test]
    fn a_template_is_valid_under_every_name_with_and_without_schema() {
        for template in TEMPLATES {
            for schema in [None, Some(".")] {
                let text = template.workflow("another-name", schema);
                let checked = tenantry_workflow::check(template.file, &text, Format::of_path(template.file));
                assert_eq!(checked.findings, [], "{}", template.name);
                assert_eq!(checked.workflow.unwrap().name, "another-name", "{}", template.name);
                assert_eq!(text.contains("workflow.schema.json"), schema.is_some(), "{}", template.name);
                assert!(!text.contains("../"), "{} leads out of its folder", template.name);
            }
            assert!(template.about().is_some(), "{} has no description", template.name);
        }
    }
}
