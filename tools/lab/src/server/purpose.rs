//! What a private server is for.

/// What a server is for: whether a commit survives a crash, and how much memory and disk it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Tests, which lose nothing but time: nothing is durable.
    Test,
    /// Tests of what happens when the disk is full, as soon as all tables together take 48 MiB: full durability.
    LittleRoom,
    /// Use by one person: full durability.
    Use,
    /// A benchmark: full durability, with a gibibyte each for the buffer pool and the redo log.
    Load,
}

impl Purpose {
    /// Whether a commit survives a crash.
    pub(super) fn is_durable(self) -> bool {
        self != Self::Test
    }
}
