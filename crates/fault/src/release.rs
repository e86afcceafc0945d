//! Release builds have no failpoints.

use crate::injected::Injected;

/// There are none.
pub fn begin() {}

#[expect(clippy::unused_async, reason = "a debug build may wait here")]
pub(crate) async fn reach(_: &str, _: &str) -> Result<(), Injected> {
    Ok(())
}
