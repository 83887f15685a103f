//! Secrets at rest and on the way out: the host key, the tenants' data keys, sealed records, redaction.
//!
//! The host key wraps one data key a tenant, the data key seals the tenant's secrets, and what a record is for
//! is part of the seal, so that records cannot be swapped. A tenant's file alone, or a backup of it, shows nothing.
//!
//! **Invariant:** types that hold a secret have neither `Debug` nor `Serialize`, and are wiped when dropped.
//! Must never happen here: a log line, a network call, SQL.
//! Go next to [`host_key`] for the root of it all, [`seal`] for the bytes, [`redact`] for what leaves in outputs.

mod forms;
pub mod host_key;
pub mod redact;
pub mod seal;
pub mod secret;

pub use host_key::{Absent, HostKey};
pub use redact::{MARKER, Redactor, Secrets};
pub use seal::{DataKey, Purpose, Sealed};
pub use secret::{SecretValue, check_secret_value, check_total, forbid_dumps};

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use serde::Serialize;

    use super::*;
    use crate::auth::key::SecretText;
    use crate::auth::token::Issued;

    /// Does not compile where the type has the trait: then two implementations fit, and neither is chosen.
    macro_rules! assert_lacks {
        ($($type:ty: $($lacked:path),+;)+) => { $($(const _: () = {
            trait Fits<Marker> {
                const FITS: () = ();
            }
            struct Lacked;
            impl<T: ?Sized> Fits<()> for T {}
            impl<T: ?Sized + $lacked> Fits<Lacked> for T {}
            <$type as Fits<_>>::FITS
        };)+)+ };
    }

    #[test]
    fn secrets_cannot_be_printed_or_sent() {
        assert_lacks! {
            SecretValue: Debug, Display, Serialize;
            DataKey: Debug, Display, Serialize;
            HostKey: Debug, Display, Serialize;
            Secrets: Debug, Display, Serialize;
            Redactor: Debug, Display, Serialize;
            SecretText: Display, Serialize;
            Issued: Debug, Display, Serialize;
        }
    }
}
