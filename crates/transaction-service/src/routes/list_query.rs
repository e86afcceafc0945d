//! What a list of transactions is narrowed to.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::{
    ApiError, Result,
    labels::{Labels, Metadata, Reference},
    request,
};
use money::{
    AmountBound, UserId,
    time::{Bound, Period},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::body::Expand;
use crate::{
    domain::state::Status,
    store::lists::{Direction, Filter},
};

/// The most words that a list is searched for.
const MAX_WORDS: usize = 10;
/// The longest text to search for, in characters.
const MAX_SEARCH: usize = 100;

/// Words to search for: 1 to 10, in 100 characters.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, with = "String", extend("minLength" = 1, "maxLength" = MAX_SEARCH))]
pub struct Words(Vec<String>);

impl TryFrom<String> for Words {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let text = money::text::parse(&text, 1..=MAX_SEARCH)?;
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if words.len() > MAX_WORDS { Err(format!("must be {MAX_WORDS} words at most")) } else { Ok(Self(words)) }
    }
}

request! {
    /// What a list is narrowed to.
    pub struct ListQuery {
        /// Their status.
        status: Option<Status>,
        /// Created at this moment or later; a date is its midnight in the wallet's time zone.
        from: Option<Bound>,
        /// Created before this moment; a date includes that day.
        to: Option<Bound>,
        /// Of this amount or more.
        min_amount: Option<AmountBound>,
        /// Of this amount or less.
        max_amount: Option<AmountBound>,
        /// With exactly this reference.
        reference: Option<Reference>,
        /// With each of these entries in their metadata: `metadata[order]=A-1042`.
        metadata: Option<Metadata>,
        /// Sent by this user.
        sender_id: Option<UserId>,
        /// Received by this user.
        receiver_id: Option<UserId>,
        /// Of a user's: those received, or those sent.
        direction: Option<Direction>,
        /// Of a user's: with all of these words, or parts of words, in the description.
        q: Option<Words>,
        /// With what besides: `parties` adds the display names of sender and receiver.
        pub expand: Option<Expand>,
    }
}

impl ListQuery {
    /// The filter that the query asks for, where days are those of `zone`; nothing before `since`, if that is given.
    pub fn filter(self, zone: Tz, since: Option<DateTime<Utc>>) -> Filter {
        Filter {
            status: self.status,
            period: Period::between(self.from, self.to, zone).since(since),
            min_amount: self.min_amount.map(|AmountBound(amount)| amount),
            max_amount: self.max_amount.map(|AmountBound(amount)| amount),
            lookups: Labels::of(self.reference, self.metadata).lookups().collect(),
            sender: self.sender_id,
            receiver: self.receiver_id,
            direction: self.direction,
            words: self.q.map_or_else(Vec::new, |Words(words)| words),
        }
    }

    /// Refuses what can only be asked of one user's transactions.
    pub fn of_everybody(self) -> Result<Self> {
        let asked = [("direction", self.direction.is_some()), ("q", self.q.is_some())];
        match asked.into_iter().find(|(_, is_asked)| *is_asked) {
            Some((field, _)) => {
                Err(ApiError::invalid(field, "must stand with one user's transactions: /transactions/user/{id}"))
            }
            None => Ok(self),
        }
    }
}
