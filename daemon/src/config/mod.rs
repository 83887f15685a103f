//! The configuration: every limit of the daemon has its name, its default and its range here.
//!
//! This room is the only one that reads the process's environment. Values come from `tenantry.toml` (every
//! section optional), folders also from the environment. Every finding in the file is reported at once, with its
//! line and, for an unknown key, the nearest known one. Must never happen here: a secret's value.
//! Go next to [`sections`] for the limits, [`folders`] for where files lie; `config/tenantry.toml` annotates all.

mod environment;
mod folders;
mod reader;
mod sections;
mod setting;

use std::path::Path;

use tenantry_protocol::error::ErrorCode;

use crate::error::{Error, Result};
use reader::Reader;

pub use environment::Environment;
pub use folders::Folders;
pub use sections::{
    Api, Auth, Config, Drain, Egress, Files, Ingress, Paths, Runner, Stage, Stages, Store, Telemetry,
    TenantDefaults,
};
pub use setting::{Bytes, Format, HostPort, Network, Rate};

/// The configuration and the folders that follow from it and from the environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Every limit.
    pub config: Config,
    /// Where files lie.
    pub folders: Folders,
}

/// What the command line says; it wins over the environment and the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--config FILE`.
    pub config: Option<std::path::PathBuf>,
    /// `--data FOLDER`.
    pub data: Option<std::path::PathBuf>,
    /// `--runtime-dir FOLDER`.
    pub runtime: Option<std::path::PathBuf>,
}

impl Config {
    /// Loads `tenantry.toml` and finds the folders. A file that was named must exist; the default place may be empty.
    pub fn load(environment: &Environment, overrides: &Overrides) -> Result<Loaded> {
        let (path, named) = folders::config_file(environment, overrides);
        let mut config = match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path.to_string_lossy())?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Self::default(),
            Err(error) => {
                let detail = format!("read the configuration {}: {error}", path.display());
                return Err(Error::new(ErrorCode::ConfigInvalid, detail).with_source(error));
            }
        };
        if let Some(filter) = &environment.log {
            config.telemetry.level.clone_from(filter);
        }
        let folders = Folders::find(&config.paths, environment, overrides, &path);
        Ok(Loaded { config, folders })
    }

    /// Parses the text of a `tenantry.toml`; `file` is only named in findings.
    pub fn parse(text: &str, file: &str) -> Result<Self> {
        let mut reader = Reader::new(text, file);
        let mut config = Self::default();
        reader.document(|table, reader| config.read(table, reader));
        config.cross_check(&mut reader);
        let findings = reader.into_findings();
        let Some(first) = findings.first() else { return Ok(config) };
        let more = match findings.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let detail = format!("{file}:{}: {}{more}", first.line, first.message);
        let error = Error::new(ErrorCode::ConfigInvalid, detail);
        let error = match &first.suggestion {
            Some(suggestion) => error.with_hint(suggestion.clone()),
            None => error,
        };
        Err(error.with_findings(findings))
    }

    /// Loads the configuration of one file, wherever the environment points.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let detail = format!("read the configuration {}: {error}", path.display());
            Error::new(ErrorCode::ConfigInvalid, detail).with_source(error)
        })?;
        Self::parse(&text, &path.to_string_lossy())
    }
}

#[cfg(test)]
mod tests;
