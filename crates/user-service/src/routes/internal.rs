//! Routes for the other services.

use axum::extract::State;
use common::{
    ApiError, Result,
    answer::Reply,
    as_of::AsOf,
    caller::{
        Caller, Gatekeeper, Service,
        account::{Account, MAX_ASKED},
        revocation::{Position, Revocation},
    },
    extract::{Json, Path, Query},
    idempotency::{IdempotencyKey, KeyedRequest},
    labels::{Labels, Metadata, Reference},
    page::{List, Listed},
    reads::ReadPool,
    request,
    standing::Standing,
};
use money::{Amount, Email, Money, UserId, ids::IdList, time::Moment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::MySqlPool;

use super::{
    balance::{self, NewBalance},
    limits::standing,
    shares,
    users::Payee,
};
use crate::{
    app::{
        ledger::{Ledger, TriedOut},
        lookup::{Lookup, look_up},
        totals::WalletTotals,
    },
    codes,
    domain::{
        limits::Exceeded,
        operation::{FIRST_STEP, Movement, Operation, Outcome, Refusal},
    },
    store::verify::Verification,
    store::{
        revocations, tokens,
        totals::Totals,
        users::{self, Accounts, User},
    },
};

/// The most operations that one call may ask for.
const MAX_OPERATIONS: usize = 1000;
/// The most accounts that one call may ask for by their numbers.
const MAX_IDS: usize = 200;
/// The longest remark on a change of balance, in characters.
const MAX_NOTE: usize = 255;

request! {
    /// Which accounts are asked for.
    pub struct Selection {
        /// Only these accounts, all at once; without limit and cursor.
        ids: Option<IdList<UserId, MAX_IDS>>,
    }
}

/// `GET /internal/users`: every account by id, page by page; with `ids`, those of them that exist, all at once.
pub async fn list(
    _: Service,
    State(reads): State<ReadPool>,
    List(page, Selection { ids }): List<Selection>,
) -> Result<Reply<Listed<User>>> {
    let mut conn = reads.acquire().await?;
    let Some(IdList(ids)) = ids else {
        let mut found = users::list(&mut conn, None, page.cursor, page.rows()).await?;
        // whoever reads all accounts takes an empty page for the end: closed accounts are passed over
        while found.items.is_empty() && found.reached.is_some() {
            found = users::list(&mut conn, None, found.reached, page.rows()).await?;
        }
        return Ok(Reply::new(page.answer::<User, User>(found, |user| user.id.get())));
    };
    // a page of them would make the others look as if they did not exist
    if page.is_chosen {
        return Err(ApiError::invalid("ids", "must stand without limit and cursor"));
    }
    Ok(Reply::new(Json(users::find_all(&mut conn, &ids).await?)))
}

/// `GET /internal/users/{id}`
pub async fn show(_: Service, Path(id): Path<UserId>, State(accounts): State<Accounts>) -> Result<Json<User>> {
    Ok(Json(accounts.find(id).await?.ok_or(codes::USER_NOT_FOUND)?))
}

request! {
    /// Whose names are asked for.
    pub struct NamesQuery {
        /// These accounts.
        ids: IdList<UserId, MAX_IDS>,
    }
}

/// `GET /internal/names`: the display names of those of the accounts that exist, by id.
pub async fn names(
    _: Service,
    State(reads): State<ReadPool>,
    Query(NamesQuery { ids: IdList(ids) }): Query<NamesQuery>,
) -> Result<Json<Vec<Payee>>> {
    let found = users::names(&mut *reads.acquire().await?, &ids).await?;
    Ok(Json(found.into_iter().map(|(id, full_name)| Payee::of(id, &full_name)).collect()))
}

request! {
    /// Who is to be paid, and who asks.
    pub struct ReceiverQuery {
        /// The receiver's address.
        #[schemars(extend("examples" = ["john@example.com"]))]
        email: Email,
        /// The user who asks, and may look up a few addresses a minute; without one it is a service, which may look up any number.
        asked_by: Option<UserId>,
    }
}

/// Who is to be paid.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(example = json!({"id": 2}))]
pub struct Receiver {
    /// The account with the address; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<UserId>,
    /// If the user who asks has asked too often: seconds until the next time.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

/// `GET /internal/receivers`: the account with an address. For a user this counts like `GET /users/lookup`.
pub async fn receiver(
    _: Service,
    State(pool): State<MySqlPool>,
    Query(ReceiverQuery { email, asked_by }): Query<ReceiverQuery>,
) -> Result<Json<Receiver>> {
    let asking = asked_by.map(|user| Caller::User(user).to_string());
    Ok(Json(match look_up(&pool, asking.as_deref(), &email).await? {
        Lookup::Found { id, .. } => Receiver { id: Some(id), ..Receiver::default() },
        Lookup::Nobody => Receiver::default(),
        Lookup::TooMany(wait) => Receiver { retry_after: Some(wait.as_secs() + 1), ..Receiver::default() },
    }))
}

request! {
    pub struct TokenAccounts {
        /// These accounts.
        ids: IdList<UserId, MAX_ASKED>,
    }
}

/// `GET /internal/accounts`: what the access tokens of accounts are compared with; those that exist, by id.
pub async fn accounts(
    _: Service,
    State(pool): State<MySqlPool>,
    Query(TokenAccounts { ids: IdList(ids) }): Query<TokenAccounts>,
) -> Result<Json<Vec<Account>>> {
    Ok(Json(tokens::accounts(&mut *pool.acquire().await?, &ids).await?))
}

request! {
    /// Where a reader of the revocations is.
    pub struct RevocationQuery {
        /// Revoked at this moment or later.
        since: Option<Moment>,
        /// Of those revoked at exactly that moment, only users above this one.
        after_id: Option<i64>,
    }
}

/// `GET /internal/revocations`: tokens that have ended before their time, in order, as this instance knows them. A short answer is
/// the end for now.
pub async fn revocations(
    _: Service,
    State(pool): State<MySqlPool>,
    State(gatekeeper): State<Gatekeeper>,
    Query(query): Query<RevocationQuery>,
) -> Result<Json<Vec<Revocation>>> {
    let position = Position { since: query.since.map(|moment| moment.0), after_id: query.after_id.unwrap_or(0) };
    Ok(Json(match gatekeeper.revocations().from(position) {
        Some(known) => known,
        None => revocations::from(&mut *pool.acquire().await?, position).await?,
    }))
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Action {
    Debit,
    Credit,
}

request! {
    /// How a balance changes.
    #[derive(Serialize)]
    #[schemars(example = json!({"action": "credit", "amount": 20_000}))]
    pub struct BalanceChange {
        action: Action,
        amount: Amount,
        /// Identifies the movement: the same request again moves nothing and is answered again, another one under it is refused.
        #[schemars(length(min = 1, max = MAX_NOTE))]
        reference: Option<String>,
        /// Whatever else you want to keep with it.
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Metadata>,
    }
}

/// `PUT /internal/users/{id}/balance`: debits or credits on behalf of another service.
pub async fn change_balance(
    Service(caller): Service,
    Path(user_id): Path<UserId>,
    key: IdempotencyKey,
    State(ledger): State<Ledger>,
    Json(mut body): Json<BalanceChange>,
) -> Result<Reply<Json<NewBalance>>> {
    let note = body.reference.map(|text| money::text::parse(&text, 1..=MAX_NOTE)).transpose();
    body.reference = note.map_err(|phrase| ApiError::invalid("reference", phrase))?;
    let route = format!("PUT /internal/users/{user_id}/balance");
    let key = KeyedRequest::new(key, caller, &route, &body);
    let reference = body.reference.as_deref().map(|text| KeyedRequest::named(text, &route, &body));
    let movement = match body.action {
        Action::Debit => Movement::Debit { user_id, amount: body.amount },
        Action::Credit => Movement::Credit { user_id, amount: body.amount },
    };
    let identities = key.into_iter().chain(reference);
    let labels = Labels::of(body.reference.map(Reference), body.metadata);
    balance::change(ledger, user_id, Operation::requested(identities, movement, labels)).await.map(Reply::new)
}

request! {
    /// Steps of transactions.
    #[schemars(example = json!({"operations": [
        {"transfer": {"transaction_id": 1, "sender_id": 1, "receiver_id": 2, "amount": 10_000}},
    ]}))]
    pub struct Operations {
        #[schemars(length(min = 1, max = MAX_OPERATIONS))]
        operations: Vec<Movement>,
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Outcomes {
    outcomes: Vec<OutcomeBody>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum OutcomeBody {
    Applied,
    Refused {
        code: Refusal,
        /// Of `limit_exceeded`: which limit, and what is left of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        exceeded: Option<Exceeded>,
    },
}

/// `POST /internal/operations`: steps of transactions, each with its own identity (transaction and number), each applied
/// or refused alone. Asked again, a step is answered again.
pub async fn execute(
    _: Service,
    State(ledger): State<Ledger>,
    Json(Operations { operations }): Json<Operations>,
) -> Result<Json<Outcomes>> {
    if operations.is_empty() || operations.len() > MAX_OPERATIONS {
        return Err(ApiError::invalid("operations", format!("must be a list of 1 to {MAX_OPERATIONS}")));
    }
    let posted = ledger.post(steps(operations)?).await?;
    Ok(Json(Outcomes { outcomes: posted.into_iter().map(OutcomeBody::from).collect() }))
}

request! {
    /// Steps of transactions that are only tried.
    #[schemars(example = json!({"user_id": 1, "operations": [
        {"transfer": {"transaction_id": i64::MAX, "sender_id": 1, "receiver_id": 2, "amount": 10_000}},
    ]}))]
    pub struct TriedOperations {
        /// In order, each on what the one before it would leave; without any, the account is shown as it is.
        #[schemars(length(max = MAX_OPERATIONS))]
        operations: Vec<Movement>,
        /// Whose account is shown.
        user_id: UserId,
    }
}

#[derive(Serialize, JsonSchema)]
pub struct TriedOutcomes {
    outcomes: Vec<OutcomeBody>,
    /// How the account would then stand, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Standing>,
}

/// `POST /internal/operations/dry-run`: what would become of steps of transactions, and how one account would then stand. Nothing
/// changes, and nothing is kept.
pub async fn try_out(
    _: Service,
    State(ledger): State<Ledger>,
    Json(TriedOperations { operations, user_id }): Json<TriedOperations>,
) -> Result<Json<TriedOutcomes>> {
    if operations.len() > MAX_OPERATIONS {
        return Err(ApiError::invalid("operations", format!("must be a list of {MAX_OPERATIONS} at most")));
    }
    let TriedOut { outcomes, account } = ledger.try_out(&steps(operations)?, user_id).await?;
    let outcomes = outcomes.into_iter().map(OutcomeBody::from).collect();
    Ok(Json(TriedOutcomes { outcomes, standing: account.map(|account| standing(user_id, account)) }))
}

impl From<Outcome> for OutcomeBody {
    fn from(outcome: Outcome) -> Self {
        match outcome.result {
            Ok(_) => Self::Applied,
            Err(code) => Self::Refused { code, exceeded: outcome.exceeded },
        }
    }
}

/// The operations that the movements of a request are.
fn steps(operations: Vec<Movement>) -> Result<Vec<Operation>> {
    operations.into_iter().enumerate().map(|(n, movement)| step(&format!("operations[{n}]"), movement)).collect()
}

/// The operation that the movement at `place` of a request is.
fn step(place: &str, movement: Movement) -> Result<Operation> {
    let is_own = |(sender, receiver): (UserId, UserId)| sender == receiver;
    let own = || ApiError::invalid(&format!("{place}.receiver_id"), "must be another user than the sender");
    shares::check(place, &movement)?;
    match (movement.step(), movement) {
        (_, Movement::Hold(transfer) | Movement::Transfer(transfer)) if is_own(transfer.parties()) => Err(own()),
        (_, Movement::Refund(refund)) if refund.sender_id == refund.receiver_id => Err(own()),
        (_, Movement::Capture { step, .. } | Movement::Release { step, .. }) if step <= FIRST_STEP => {
            Err(ApiError::invalid(&format!("{place}.step"), "must be 2 or more: the first step is the hold"))
        }
        (_, Movement::Batch(batch)) => {
            if batch.steps.is_empty() || batch.steps.len() > MAX_OPERATIONS {
                return Err(ApiError::invalid(
                    &format!("{place}.steps"),
                    format!("must be a list of 1 to {MAX_OPERATIONS}"),
                ));
            }
            if batch.steps.iter().any(|step| is_own(step.transfer().parties())) {
                Err(own())
            } else {
                Ok(Operation::batch(batch))
            }
        }
        (Some(step), movement) => Ok(Operation::step(step, movement)),
        (None, _) => Err(ApiError::invalid(place, "must be hold, transfer, capture, release, refund or batch")),
    }
}

/// What all accounts have together.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WalletTotals", example = json!({"users": 2, "money": 150_000}))]
pub struct TotalsBody {
    /// Accounts that are not closed.
    users: i64,
    /// What can be spent, and what is set aside.
    money: Money,
}

/// `GET /internal/totals`: what all accounts have together, as it was at a moment of late.
pub async fn totals(_: Service, State(totals): State<WalletTotals>) -> Result<AsOf<TotalsBody>> {
    let (Totals { users, money }, moment) = totals.at().await?;
    Ok(AsOf(TotalsBody { users, money }, Some(moment)))
}

/// `GET /internal/ledger/verify`: proves the ledger's invariants.
pub async fn verify(_: Service, State(ledger): State<Ledger>) -> Result<Json<Verification>> {
    Ok(Json(ledger.verify().await?))
}
