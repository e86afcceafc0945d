//! Summaries.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{Result, as_of::AsOf, caller::Viewer, extract::Query, request};
use money::{
    Money, UserId,
    time::{self, Bound},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    entries::Counterparty,
    statements::{Zone, period_or},
};
use crate::{
    app::sync::{Sync, Told},
    domain::{
        entry::Whose,
        groups::{GroupBy, Groups, Key, MAX_GROUPS, Sum},
        period::ClosedPeriod,
    },
    state::Wallet,
    store::summaries::Totals,
};

request! {
    /// Of which period a summary is, and by what it is divided. Without any of them it is of all transactions.
    pub struct SummaryQuery {
        /// The first day, or the moment with which it begins. It comes with `to`; without both, the last ten years are added up.
        #[schemars(example = "2026-11-01")]
        from: Option<Bound>,
        /// The last day, which belongs to it, or the moment before which it ends.
        #[schemars(example = "2026-11-30")]
        to: Option<Bound>,
        /// Where days begin: the wallet's own time zone, if it is absent.
        timezone: Option<Zone>,
        /// By what the entries are divided: `groups` then says what each part comes to.
        group_by: Option<GroupBy>,
    }
}

#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "user_id": 1,
    "total_transactions": 15,
    "total_spent": 150_000,
    "total_received": 250_000,
    "last_transaction": "2025-11-12T10:30:00.000000Z",
}))]
pub struct Summary {
    user_id: UserId,
    total_transactions: i64,
    total_spent: Money,
    total_received: Money,
    last_transaction: Option<DateTime<Utc>>,
    /// If it was asked for: what the entries of each part come to, the largest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MAX_GROUPS))]
    groups: Option<Vec<Group>>,
    /// What the other parts come to, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    other: Option<Rest>,
}

/// What a part of the entries comes to.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SummaryGroup")]
struct Group {
    key: GroupKey,
    /// What came in: top-ups, and what was set aside and came back, included.
    total_in: Money,
    /// What went out, positive: debits, and what was set aside, included.
    total_out: Money,
    /// How many entries.
    count: u64,
}

/// A day (of a week its Monday), a month, a kind, or who is on the other side.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum GroupKey {
    Word(String),
    Counterparty(Option<Counterparty>),
}

/// What groups come to that are not told apart.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SummaryRest")]
struct Rest {
    total_in: Money,
    total_out: Money,
    count: u64,
}

/// `GET /summaries/user/{user_id}`: how often and how much the user has paid and been paid.
pub async fn show(
    Viewer { user, since }: Viewer,
    State(sync): State<Sync>,
    State(wallet): State<Wallet>,
    Query(SummaryQuery { from, to, timezone, group_by }): Query<SummaryQuery>,
) -> Result<AsOf<Summary>> {
    if from.is_none() && to.is_none() && timezone.is_none() && group_by.is_none() {
        return of_all(&sync, user, since).await;
    }
    let zone = timezone.map_or(wallet.timezone, |Zone(zone)| zone);
    let period = period_or(from, to, zone, || ClosedPeriod::longest_until(time::now(), zone))?;
    let (mut added, moment) = sync.added_up(Whose::of(user, since), period, group_by).await?;
    let summary = Summary {
        user_id: user,
        total_transactions: i64::try_from(added.transactions()).unwrap_or(i64::MAX),
        total_spent: added.spent,
        total_received: added.received,
        last_transaction: added.last_transaction,
        groups: None,
        other: None,
    };
    let Some(Groups { groups, other }) = added.groups() else { return Ok(AsOf(summary, Some(moment))) };
    let groups = Some(named(&sync, groups).await?);
    let other = other.map(|Sum { total_in, total_out, count }| Rest { total_in, total_out, count });
    Ok(AsOf(Summary { groups, other, ..summary }, Some(moment)))
}

/// As the original documents it.
async fn of_all(sync: &Sync, user_id: UserId, since: Option<DateTime<Utc>>) -> Result<AsOf<Summary>> {
    sync.must_exist(user_id).await?;
    let Told { totals, moment } = sync.totals_since(user_id, since).await?;
    let Totals { total_transactions, total_spent, total_received, last_transaction } = totals;
    let (groups, other) = (None, None);
    let summary = Summary { user_id, total_transactions, total_spent, total_received, last_transaction, groups, other };
    Ok(AsOf(summary, Some(moment)))
}

async fn named(sync: &Sync, groups: Vec<(Key, Sum)>) -> Result<Vec<Group>> {
    let counterparty = |(key, _): &(Key, Sum)| match key {
        Key::Counterparty(user) => *user,
        Key::Day(_) | Key::Month(_) | Key::Kind(_) => None,
    };
    let names = sync.names(groups.iter().filter_map(counterparty)).await?;
    let group = |(key, Sum { total_in, total_out, count })| {
        let key = match key {
            Key::Day(day) => GroupKey::Word(day.to_string()),
            Key::Month(day) => GroupKey::Word(day.format("%Y-%m").to_string()),
            Key::Kind(kind) => GroupKey::Word(kind),
            Key::Counterparty(user) => {
                let named = |id| Counterparty::new(id, names.get(&id).cloned().unwrap_or_default());
                GroupKey::Counterparty(user.map(named))
            }
        };
        Group { key, total_in, total_out, count }
    };
    Ok(groups.into_iter().map(group).collect())
}
