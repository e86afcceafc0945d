//! Identities that cross service boundaries: positive integers that cannot be mixed up.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An identity that was not a positive integer.
#[derive(Debug, thiserror::Error)]
#[error("must be a positive whole number")]
pub struct InvalidId;

/// An identity of one kind of thing.
pub trait Id: FromStr<Err: fmt::Display> {
    /// The name of a path's parameter that holds one, where several stand side by side.
    const PARAMETER: &'static str;
    /// The form of one that is no number, as a regular expression.
    const PATTERN: Option<&'static str> = None;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $parameter:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "i64")]
        #[schemars(inline, extend("minimum" = 1))]
        pub struct $name(i64);

        #[cfg(feature = "sql")]
        $crate::sql::column!($name(i64));

        impl Id for $name {
            const PARAMETER: &'static str = $parameter;
        }

        impl $name {
            /// The number itself, always positive.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = InvalidId;
            fn try_from(value: i64) -> Result<Self, InvalidId> {
                if value > 0 { Ok(Self(value)) } else { Err(InvalidId) }
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // `parse` alone would accept a leading `+`.
                let digits = text.bytes().all(|b| b.is_ascii_digit());
                text.parse::<i64>().ok().filter(|_| digits).ok_or(InvalidId)?.try_into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A user, as numbered by user-service.
    UserId, "user_id"
);
id!(
    /// A transaction, as numbered by transaction-service.
    TransactionId, "transaction_id"
);
id!(
    /// Payments that were asked for together, as numbered by transaction-service.
    BatchId, "batch_id"
);
id!(
    /// A schedule, as numbered by transaction-service.
    ScheduleId, "schedule_id"
);
id!(
    /// A file that was compared with the wallet's entries, as numbered by report-service.
    ReconciliationId, "reconciliation_id"
);
id!(
    /// A notification, as numbered by notification-service.
    NotificationId, "notification_id"
);

/// At most `MAX` ids in a request, as `1,2,3`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct IdList<T: FromStr, const MAX: usize>(pub Vec<T>);

impl<T: FromStr, const MAX: usize> JsonSchema for IdList<T, MAX> {
    fn schema_name() -> Cow<'static, str> {
        "IdList".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[1-9][0-9]*(,[1-9][0-9]*)*$", "examples": ["1,2"]})
    }
}

impl<T: FromStr, const MAX: usize> TryFrom<String> for IdList<T, MAX> {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        // bounded before it is parsed
        let ids = text.splitn(MAX + 1, ',').map(str::parse).collect::<Result<Vec<T>, _>>();
        let ids = ids.ok().filter(|ids| ids.len() <= MAX);
        ids.map(Self).ok_or_else(|| format!("must be 1 to {MAX} positive whole numbers with commas between them"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_digits_are_an_id() {
        assert_eq!("42".parse::<UserId>().unwrap().get(), 42);
        for bad in ["0", "-1", "+1", " 1", "1.0", "", "abc", "9223372036854775808"] {
            assert!(bad.parse::<UserId>().is_err(), "{bad:?}");
        }
    }
}
