//! The closed vocabularies of the protocol as values on the command line: listed in the help, completed by shells.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use tenantry_protocol::permission::Role;
use tenantry_protocol::state::{RunState, StageName};

/// The states of a run.
pub(crate) fn run_state() -> impl TypedValueParser<Value = RunState> {
    PossibleValuesParser::new(RunState::ALL.iter().map(|word| word.as_str())).try_map(|word| word.parse())
}

/// The stages.
pub(crate) fn stage() -> impl TypedValueParser<Value = StageName> {
    PossibleValuesParser::new(StageName::ALL.iter().map(|word| word.as_str())).try_map(|word| word.parse())
}

/// The roles.
pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.iter().map(|word| word.as_str())).try_map(|word| word.parse())
}
