//! Exit codes: the one table that scripts rely on, and which error code ends in which of them.
//!
//! **Invariant:** the mapping has no wildcard arm, so a new error code does not compile before somebody has decided.

use std::process::ExitCode;

use tenantry_protocol::error::ErrorCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Ok,
    /// It was not done.
    Failed,
    /// The command line, a value in it, or the configuration is not valid.
    Usage,
    /// There is no such thing, or none that the principal may see.
    NotFound,
    /// Nobody is logged in, or the role does not allow it.
    Auth,
    /// It was done, and the run that was waited for did not succeed.
    RunFailed,
    /// The thing exists already, or its state does not allow it.
    Conflict,
    /// It did not happen in the time given.
    Timeout,
    /// What was asked about has not ended yet.
    Pending,
    /// No daemon answers.
    DaemonDown,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// Every way to end, in the order of the codes.
    pub(crate) const ALL: &'static [Self] = &[
        Self::Ok,
        Self::Failed,
        Self::Usage,
        Self::NotFound,
        Self::Auth,
        Self::RunFailed,
        Self::Conflict,
        Self::Timeout,
        Self::Pending,
        Self::DaemonDown,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Auth => 4,
            Self::RunFailed => 5,
            Self::Conflict => 6,
            Self::Timeout => 7,
            Self::Pending => 8,
            Self::DaemonDown => 69,
            Self::Interrupted => 130,
        }
    }

    /// What it means, for the help.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done; for `run wait`: the run succeeded",
            Self::Failed => "not done, for a reason that has no code of its own here",
            Self::Usage => "the command line, a value in it, or the configuration is not valid",
            Self::NotFound => "there is no such thing, or none that you may see",
            Self::Auth => "not logged in, or the role does not allow it",
            Self::RunFailed => "the run that was waited for failed, was cancelled or timed out",
            Self::Conflict => "it exists already, or its state does not allow this",
            Self::Timeout => "it did not happen in the time given by --timeout",
            Self::Pending => "what was asked about has not ended yet (`run wait --no-wait`)",
            Self::DaemonDown => "no daemon answers on the socket",
            Self::Interrupted => "interrupted by Ctrl-C",
        }
    }

    /// How a command ends that met this error.
    pub(crate) const fn of(code: ErrorCode) -> Self {
        use ErrorCode as E;
        match code {
            E::BadRequest | E::BadIdentifier | E::InvalidInput | E::ConfigInvalid | E::DataFolderInvalid => {
                Self::Usage
            }
            E::AuthRequired
            | E::TokenExpired
            | E::TokenRevoked
            | E::LoginRefused
            | E::PermissionDenied
            | E::SignatureInvalid
            | E::SignatureStale
            | E::SocketForbidden => Self::Auth,
            E::NotFound | E::HookNotFound | E::SecretMissing => Self::NotFound,
            E::Conflict | E::StateConflict | E::TenantSuspended | E::DataFolderLocked => Self::Conflict,
            E::ActionFailed | E::ActionTimeout | E::Interrupted => Self::RunFailed,
            E::Timeout | E::StoreBusy => Self::Timeout,
            E::DaemonUnreachable | E::Draining => Self::DaemonDown,
            E::InvalidWorkflow
            | E::ExpressionFailed
            | E::EgressDenied
            | E::MethodNotAllowed
            | E::TenantQuarantined
            | E::TenantDegraded
            | E::BodyTooLarge
            | E::UnsupportedMedia
            | E::RateLimited
            | E::QueueFull
            | E::WaitingFull
            | E::RunnerUnavailable
            | E::StoreFull
            | E::StoreReadOnly
            | E::StoreCorrupt
            | E::StoreNewer
            | E::StoreForeign
            | E::VersionMismatch
            | E::Internal => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn codes_are_distinct_and_ascend() {
        assert!(Exit::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
    }

    #[test]
    fn the_table_of_error_codes() {
        let mut table = String::new();
        for code in ErrorCode::ALL {
            let exit = Exit::of(*code);
            writeln!(table, "{:<20} {:>3} {exit:?}", code.as_str(), exit.code()).unwrap();
        }
        insta::assert_snapshot!(table);
    }

    /// `BLESS=1 cargo test -p tenantry exit` writes the table anew.
    #[test]
    fn every_error_code_is_documented_with_its_exit_code() {
        const MARK: &str = "<!-- generated: BLESS=1 cargo test -p tenantry exit -->\n";
        let mut table =
            "\n| code | status | exit | what happened | what to do |\n|---|---|---|---|---|\n".to_owned();
        for code in ErrorCode::ALL {
            let (status, exit, title, remedy) =
                (code.status(), Exit::of(*code).code(), code.title(), code.remedy());
            writeln!(table, "| `{code}` | {status} | {exit} | {title} | {remedy} |").unwrap();
        }
        table.push_str("\nThe exit codes of commands:\n\n| exit | meaning |\n|---|---|\n");
        for exit in Exit::ALL {
            writeln!(table, "| {} | {} |", exit.code(), exit.meaning()).unwrap();
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors.md");
        let text = std::fs::read_to_string(&path).unwrap();
        let (head, present) = text.split_once(MARK).unwrap();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, format!("{head}{MARK}{table}")).unwrap();
        } else {
            assert_eq!(present, table, "docs/errors.md is stale; bless it");
        }
    }

    #[test]
    fn no_error_ends_well() {
        assert!(ErrorCode::ALL.iter().all(|code| Exit::of(*code) != Exit::Ok));
    }
}
