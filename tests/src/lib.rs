//! The harness behind every test that looks at tenantry from outside.
//!
//! What is here knows the product only by what a person or a machine beside it can see: files, the socket, the
//! listener, exit codes. It must never reach into the daemon's modules to learn what happened, because then a test could
//! agree with a lie. The one exception is [`powercut`], which drives the real store in a child process and judges the
//! files that a power cut would leave.
pub mod powercut;
pub mod random;
