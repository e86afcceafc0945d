//! A failure that was asked for.

/// What was done at a failpoint fails.
#[derive(Debug, thiserror::Error)]
#[error("the failpoint {0} was told to fail")]
pub struct Injected(pub(crate) String);
