//! What an account may do with money.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an account may do with money; user-service decides it, and the other services ask.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum AccountState {
    /// It sends and receives.
    #[default]
    Active,
    /// It receives and does not send.
    Frozen,
    /// It does neither, nobody can log in, and its access tokens have ended.
    Locked,
}

// a state that this version does not know forbids more, not less
mysql::stored_as_text!(AccountState, else Locked);
