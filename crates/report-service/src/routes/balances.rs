//! Balances at a moment.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{Result, as_of::AsOf, caller::Viewer, extract::Query, request};
use money::{
    Money, UserId,
    time::{self, Moment},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::{entries::Balance, sync::Sync},
    domain::entry::{Place, Whose},
};

request! {
    /// When.
    pub struct BalanceQuery {
        /// The moment; now if it is left out, or has not come yet.
        #[schemars(extend("examples" = ["2025-11-30T17:00:00Z"]))]
        at: Option<Moment>,
    }
}

/// What a user could spend at a moment.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BalanceAt", example = json!({
    "user_id": 1,
    "at": "2025-11-30T17:00:00.000000Z",
    "balance": 90_000,
}))]
pub struct BalanceBody {
    user_id: UserId,
    /// The moment that was asked for, or this one.
    at: DateTime<Utc>,
    /// The balance after the last entry before it.
    balance: Money,
}

/// `GET /balances/user/{user_id}`: what the user could spend before a moment, which is the closing balance of a statement that ends
/// there.
pub async fn show(
    Viewer { user: user_id, since }: Viewer,
    State(sync): State<Sync>,
    Query(BalanceQuery { at }): Query<BalanceQuery>,
) -> Result<AsOf<BalanceBody>> {
    let now = time::now();
    // what has not come yet is now, whatever the clock of the ledger says of its newest entry
    let past = at.map(|Moment(at)| at).filter(|at| *at <= now);
    let Balance { balance, moment } =
        sync.balance(Whose::of(user_id, since), past.unwrap_or(Place::END.created_at)).await?;
    Ok(AsOf(BalanceBody { user_id, at: past.unwrap_or(now), balance }, Some(moment)))
}
