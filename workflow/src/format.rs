//! In which notation a workflow is written. The language is the same in all three.

use std::fmt;
use std::str::FromStr;

/// A notation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// YAML 1.2. The default.
    #[default]
    Yaml,
    /// TOML 1.1.
    Toml,
    /// JSON (RFC 8259).
    Json,
}

impl Format {
    /// The notation that a file's extension says; YAML where it says nothing known.
    pub fn of_path(path: &str) -> Self {
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        if extension.eq_ignore_ascii_case("toml") {
            Self::Toml
        } else if extension.eq_ignore_ascii_case("json") {
            Self::Json
        } else {
            Self::Yaml
        }
    }

    /// The word on the wire and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Toml => "toml",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Format {
    type Err = tenantry_protocol::state::UnknownWord;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "yaml" => Ok(Self::Yaml),
            "toml" => Ok(Self::Toml),
            "json" => Ok(Self::Json),
            _ => Err(tenantry_protocol::state::UnknownWord),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides() {
        assert_eq!(Format::of_path("a/b.TOML"), Format::Toml);
        assert_eq!(Format::of_path("b.json"), Format::Json);
        assert_eq!(Format::of_path("b.yml"), Format::Yaml);
        assert_eq!(Format::of_path("-"), Format::Yaml);
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
    }
}
