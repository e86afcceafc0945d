//! The limits of an account.

use axum::extract::State;
use common::{
    Result,
    caller::{Owner, Service},
    extract::{Json, Path},
    fields::{Fields, FromFields},
    standing::{AccountBalances, AccountLimits, Usage},
};
use money::{Amount, UserId, time};
use schemars::JsonSchema;
use serde_json::json;

use crate::{
    app::{
        ledger::TriedAccount,
        limits::{AccountLimits as Limits, Standing},
    },
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

fn body(user_id: UserId, Standing { limits, spent, rules }: Standing) -> AccountLimits {
    let usage = |limit: Option<Amount>, used, resets_at| {
        limit.map(|limit| Usage { used, remaining: remaining(limit, used), resets_at: time::written(resets_at) })
    };
    AccountLimits {
        user_id,
        per_transaction: limits.per_transaction,
        per_day: limits.per_day,
        per_month: limits.per_month,
        day: usage(limits.per_day, spent.day, rules.next_day(spent.on)),
        month: usage(limits.per_month, spent.month, rules.next_month(spent.on)),
    }
}

/// How an account stands, as it is answered: with its limits if any apply.
pub(super) fn standing(user: UserId, TriedAccount { balances, standing }: TriedAccount) -> common::standing::Standing {
    let balances = AccountBalances { available: balances.available, held: balances.held };
    let limits = standing.limits.apply().then(|| body(user, standing));
    common::standing::Standing { balances, limits }
}

/// `GET /users/{id}/limits`
pub async fn show(owner: Owner, State(limits): State<Limits>) -> Result<Json<AccountLimits>> {
    shown(&limits, owner.user).await
}

/// `PUT /users/{id}/limits`: sets or removes what the body names.
pub async fn update(
    _: Service,
    Path(user): Path<UserId>,
    State(limits): State<Limits>,
    Json(NewLimits { per_transaction, per_day, per_month }): Json<NewLimits>,
) -> Result<Json<AccountLimits>> {
    let changes = LimitChanges { per_transaction, per_day, per_month };
    if changes == LimitChanges::default() {
        return Err(codes::NOTHING_TO_CHANGE.into());
    }
    limits.change(user, &changes).await?;
    shown(&limits, user).await
}

async fn shown(limits: &Limits, user: UserId) -> Result<Json<AccountLimits>> {
    let standing = limits.show(user).await?.ok_or(codes::USER_NOT_FOUND)?;
    Ok(Json(body(user, standing)))
}
