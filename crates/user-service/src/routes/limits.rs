//! The limits of an account.

use axum::extract::State;
use chrono::{DateTime, Utc};
use common::{
    Result,
    caller::{Owner, Service},
    extract::{Json, Path},
    fields::{Fields, FromFields},
};
use money::{Amount, Money, UserId, time};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    app::limits::{AccountLimits, Standing},
    codes,
    domain::limits::{Setting, remaining},
    store::limits::LimitChanges,
};

/// What is to change of the limits of an account: `null` removes a limit, one that is not named stays.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, example = json!({"per_transaction": 5_000_000, "per_day": 10_000_000, "per_month": null}))]
pub struct NewLimits {
    /// The most that goes out in one payment.
    #[schemars(with = "Option<Amount>")]
    per_transaction: Option<Setting>,
    /// The most that goes out on a day.
    #[schemars(with = "Option<Amount>")]
    per_day: Option<Setting>,
    /// The most that goes out in a month.
    #[schemars(with = "Option<Amount>")]
    per_month: Option<Setting>,
}

/// Elsewhere `null` is absence; here it is no limit.
impl FromFields for NewLimits {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let mut change = |name: &'static str| {
            let is_named = fields.has(name);
            let amount = fields.take::<Option<Amount>>(name)?;
            Some(is_named.then(|| amount.map_or(Setting::Unlimited, Setting::Most)))
        };
        let (per_transaction, per_day, per_month) = (change("per_transaction"), change("per_day"), change("per_month"));
        Some(Self { per_transaction: per_transaction?, per_day: per_day?, per_month: per_month? })
    }
}

/// The limits of an account, and how far they are used.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({
    "user_id": 1,
    "per_transaction": 5_000_000,
    "per_day": 10_000_000,
    "per_month": null,
    "day": {"used": 2_500_000, "remaining": 7_500_000, "resets_at": "2025-11-12T17:00:00.000000Z"},
    "month": null,
}))]
pub struct AccountLimitsBody {
    user_id: UserId,
    /// The most that goes out in one payment; null is no limit.
    #[schemars(with = "Option<Money>")]
    per_transaction: Option<Amount>,
    /// The most that goes out on a day; null is no limit.
    #[schemars(with = "Option<Money>")]
    per_day: Option<Amount>,
    /// The most that goes out in a month; null is no limit.
    #[schemars(with = "Option<Money>")]
    per_month: Option<Amount>,
    /// This day, if it has a limit.
    day: Option<Usage>,
    /// This month, if it has a limit.
    month: Option<Usage>,
}

/// How far a limit is used.
#[derive(Serialize, JsonSchema)]
pub struct Usage {
    /// What counts against it.
    used: Money,
    /// What may still go out.
    remaining: Money,
    /// When nothing counts any more.
    #[schemars(with = "DateTime<Utc>")]
    resets_at: String,
}

impl AccountLimitsBody {
    fn of(user_id: UserId, Standing { limits, spent, rules }: Standing) -> Self {
        let usage = |limit: Option<Amount>, used, resets_at| {
            limit.map(|limit| Usage { used, remaining: remaining(limit, used), resets_at: time::written(resets_at) })
        };
        Self {
            user_id,
            per_transaction: limits.per_transaction,
            per_day: limits.per_day,
            per_month: limits.per_month,
            day: usage(limits.per_day, spent.day, rules.next_day(spent.on)),
            month: usage(limits.per_month, spent.month, rules.next_month(spent.on)),
        }
    }
}

/// `GET /users/{id}/limits`
pub async fn show(owner: Owner, State(limits): State<AccountLimits>) -> Result<Json<AccountLimitsBody>> {
    shown(&limits, owner.user).await
}

/// `PUT /users/{id}/limits`: sets or removes what the body names.
pub async fn update(
    _: Service,
    Path(user): Path<UserId>,
    State(limits): State<AccountLimits>,
    Json(NewLimits { per_transaction, per_day, per_month }): Json<NewLimits>,
) -> Result<Json<AccountLimitsBody>> {
    let changes = LimitChanges { per_transaction, per_day, per_month };
    if changes == LimitChanges::default() {
        return Err(codes::NOTHING_TO_CHANGE.into());
    }
    limits.change(user, &changes).await?;
    shown(&limits, user).await
}

async fn shown(limits: &AccountLimits, user: UserId) -> Result<Json<AccountLimitsBody>> {
    let standing = limits.show(user).await?.ok_or(codes::USER_NOT_FOUND)?;
    Ok(Json(AccountLimitsBody::of(user, standing)))
}
