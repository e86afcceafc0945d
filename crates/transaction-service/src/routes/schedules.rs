//! Schedules: payments that are made again and again.

use axum::{extract::State, http::StatusCode};
use chrono::{DateTime, NaiveDate, Utc};
use common::{
    ApiError, Result,
    answer::{Created, Message, Reply},
    caller::{Authenticated, Visitor},
    extract::{Json, Path},
    idempotency::{Answer, IdempotencyKey, KeyedRequest},
    labels::{Labels, Metadata, Reference},
    page::{List, Listed},
    reads::ReadPool,
    request,
};
use money::{Amount, Email, Money, ScheduleId, UserId, time::Date};
use mysql::scan::Stretch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    body::{Description, one_receiver},
    splits::{self, NewFee, NewSplit, Part},
};
use crate::{
    app::{schedules::Schedules, transfers::Transfers},
    codes,
    domain::{
        receiver::Receiver,
        recurrence::{Every, Recurrence},
        schedule::{EndReason, NewSchedule, Payment, Schedule, ScheduleChange, ScheduleStatus},
        shares::MAX_SPLITS,
    },
    store::schedules as store,
};

/// The dates that an answer lists.
const NEXT_RUNS: usize = 12;

/// What each run pays: as `POST /transactions` takes it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline, extend("oneOf" = one_receiver()))]
pub struct ScheduledPayment {
    sender_id: UserId,
    /// Who is paid; or `receiver_email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receiver_id: Option<UserId>,
    /// Who is paid, by the address that the account has when the schedule is made, in place of `receiver_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    receiver_email: Option<Email>,
    /// Who are paid how much of the amount, in place of `receiver_id`: 1 to 20, each once. The amounts add up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minItems" = 1, "maxItems" = MAX_SPLITS))]
    splits: Option<Vec<NewSplit>>,
    /// What of the amount goes to somebody else; the receiver gets the rest. Never beside `splits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fee: Option<NewFee>,
    #[schemars(with = "Amount")]
    amount: Amount,
    #[serde(default)]
    description: Option<Description>,
    /// Your own name for each run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<Reference>,
    /// Whatever else you want to find each run by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    /// Whether the money moves at once: no, if it is absent.
    #[serde(default)]
    auto_complete: Option<bool>,
}

request! {
    /// The body of `POST /schedules`.
    #[derive(Serialize)]
    #[schemars(example = json!({
        "transaction": {"sender_id": 1, "receiver_id": 2, "amount": 10_000, "description": "Rent", "auto_complete": true},
        "every": "month",
        "start": "2099-12-31",
        "end": null,
    }))]
    pub struct CreateSchedule {
        /// What each run pays.
        transaction: ScheduledPayment,
        /// How often.
        every: Every,
        /// The first date: today or later, in the wallet's time zone.
        start: Date,
        /// The last day on which it may run: it goes on for ever, if it is absent.
        end: Option<Date>,
    }
}

impl CreateSchedule {
    /// The schedule to make, which pays `receiver`, or several of whom that is the first.
    fn schedule(self, receiver: UserId) -> Result<NewSchedule> {
        let payment = self.transaction.payment(receiver).map_err(of_the_transaction)?;
        let (start, end) = (self.start.0, self.end.map(|Date(end)| end));
        if end.is_some_and(|end| end < start) {
            return Err(ApiError::invalid("end", "must not be before the start"));
        }
        Ok(NewSchedule { payment, recurrence: Recurrence { every: self.every, start, end } })
    }
}

impl ScheduledPayment {
    fn receiver(&self) -> Result<Receiver> {
        splits::receiver(self.receiver_id, self.receiver_email.as_ref(), self.splits.as_deref())
    }

    fn payment(self, receiver_id: UserId) -> Result<Payment> {
        let field = if self.receiver_email.is_some() { Receiver::ADDRESS } else { Receiver::ID };
        let several = (self.splits.as_deref(), self.fee.as_ref());
        let shares = splits::asked(self.sender_id, (receiver_id, field), self.amount, several)?;
        Ok(Payment {
            sender_id: self.sender_id,
            receiver_id,
            amount: self.amount,
            description: self.description.unwrap_or_default().0,
            labels: Labels::of(self.reference, self.metadata),
            auto_complete: self.auto_complete.unwrap_or(false),
            shares,
        })
    }
}

/// The same fault, if it names fields, of those of the `transaction`.
fn of_the_transaction(fault: ApiError) -> ApiError {
    if fault.fields().is_empty() {
        return fault; // with all that it says beside them
    }
    ApiError::new(fault.code()).fields_of(&fault, |field| format!("transaction.{field}"))
}

/// A schedule as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Schedule", example = json!({
    "id": 5,
    "transaction": {"sender_id": 1, "receiver_id": 2, "amount": 10_000, "description": "Rent", "auto_complete": true},
    "every": "month",
    "start": "2026-12-31",
    "end": "2027-02-28",
    "status": "active",
    "next_runs": ["2026-12-31", "2027-01-31", "2027-02-28"],
    "created_at": "2026-11-12T10:30:00.000000Z",
    "updated_at": "2026-11-12T10:30:00.000000Z",
}))]
pub struct Body {
    id: ScheduleId,
    /// What each run pays.
    transaction: PaymentBody,
    every: Every,
    /// The first date.
    start: NaiveDate,
    /// The last day on which it may run, if there is one.
    end: Option<NaiveDate>,
    status: ScheduleStatus,
    /// Why it has ended, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<EndReason>,
    /// The dates on which it runs next, twelve at most; none while it is paused.
    next_runs: Vec<NaiveDate>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What each run pays.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct PaymentBody {
    sender_id: UserId,
    /// Who is paid; of several the first.
    receiver_id: UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    splits: Option<Vec<Part>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fee: Option<Part>,
    #[schemars(with = "Money")]
    amount: Amount,
    description: String,
    #[serde(flatten)]
    labels: Labels,
    auto_complete: bool,
}

impl From<Schedule> for Body {
    fn from(schedule: Schedule) -> Self {
        let next_runs = schedule.next_dates(NEXT_RUNS);
        let Schedule { id, payment, recurrence, status, reason, created_at, updated_at, .. } = schedule;
        let Payment { sender_id, receiver_id, amount, description, labels, auto_complete, shares } = payment;
        let (splits, fee) = splits::to_ask(&shares);
        Self {
            id,
            transaction: PaymentBody {
                sender_id,
                receiver_id,
                splits,
                fee,
                amount,
                description,
                labels,
                auto_complete,
            },
            every: recurrence.every,
            start: recurrence.start,
            end: recurrence.end,
            status,
            status_reason: reason,
            next_runs,
            created_at,
            updated_at,
        }
    }
}

/// `POST /schedules`: makes a payment on each day, week or month from a date on. One that starts today runs at once.
pub async fn create(
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    State(schedules): State<Schedules>,
    Json(body): Json<CreateSchedule>,
) -> Result<Reply<Created<Body>>> {
    caller.must_be_one_of(&[body.transaction.sender_id])?;
    let request = KeyedRequest::new(key, caller, "POST /schedules", &body);
    if let Some(known) = transfers.answered_before(request.as_ref()).await? {
        return Ok(Reply::new(known.answer()?)); // also if the address belongs to somebody else by now
    }
    let receiver = match body.transaction.receiver().map_err(of_the_transaction)? {
        Receiver::Id(id) => id,
        Receiver::Address(email) => transfers.receiver(&email, caller, None).await.map_err(of_the_transaction)?,
    };
    let new = body.schedule(receiver)?;
    let answer = |schedule| Answer::new(StatusCode::CREATED, &Body::from(schedule));
    Ok(Reply::new(schedules.create(&new, request.as_ref(), answer).await?.answer()?))
}

request! {
    /// What a list is narrowed to.
    pub struct ScheduleQuery {
        /// Only those by which this user pays.
        user_id: Option<UserId>,
    }
}

/// `GET /schedules`: newest first; a user sees its own.
pub async fn list(
    Visitor { caller, since, .. }: Visitor,
    State(reads): State<ReadPool>,
    List(page, query): List<ScheduleQuery>,
) -> Result<Listed<Body>> {
    let user = caller.only_user().or(query.user_id);
    if query.user_id.is_some_and(|asked| user != Some(asked)) {
        let nothing = Stretch { items: Vec::<Schedule>::new(), reached: None };
        return Ok(page.answer(nothing, |schedule| schedule.id.get()));
    }
    let mut conn = reads.acquire_for(user).await?;
    let found = store::list(&mut conn, user, since, page.cursor, page.rows()).await?;
    Ok(page.answer(found, |schedule| schedule.id.get()))
}

/// `GET /schedules/{id}`
pub async fn show(
    visitor: Visitor,
    Path(id): Path<ScheduleId>,
    State(schedules): State<Schedules>,
) -> Result<Json<Body>> {
    Ok(Json(visible(&schedules, &visitor, id).await?.into()))
}

/// A status that a schedule can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewScheduleStatus {
    Active,
    Paused,
}

request! {
    /// The body of `PUT /schedules/{id}`.
    #[schemars(example = json!({"status": "paused"}))]
    pub struct UpdateSchedule {
        /// `paused` lets dates pass without a run; `active` goes on with the first one after today.
        status: Option<NewScheduleStatus>,
        /// What later runs pay.
        amount: Option<Amount>,
        /// What later runs are for.
        description: Option<Description>,
        /// The last day on which it may run.
        end: Option<Date>,
    }
}

/// `PUT /schedules/{id}`: pauses it, lets it go on, or changes its end or what it pays.
pub async fn update(
    visitor: Visitor,
    Path(id): Path<ScheduleId>,
    State(schedules): State<Schedules>,
    Json(update): Json<UpdateSchedule>,
) -> Result<Json<Body>> {
    visible(&schedules, &visitor, id).await?;
    let UpdateSchedule { status, amount, description, end } = update;
    if status.is_none() && amount.is_none() && description.is_none() && end.is_none() {
        return Err(codes::NOTHING_TO_CHANGE.into());
    }
    let change = ScheduleChange {
        active: status.map(|status| status == NewScheduleStatus::Active),
        amount,
        description: description.map(|text| text.0),
        end: end.map(|Date(end)| end),
    };
    Ok(Json(schedules.change(id, &change).await?.into()))
}

/// `DELETE /schedules/{id}`: it never runs again, and is not shown any more.
pub async fn delete(
    visitor: Visitor,
    Path(id): Path<ScheduleId>,
    State(schedules): State<Schedules>,
) -> Result<Json<Message>> {
    visible(&schedules, &visitor, id).await?;
    schedules.delete(id).await?;
    Ok(Json(Message { message: "Schedule deleted successfully" }))
}

/// The schedule as its visitor sees it: its sender, or a service.
async fn visible(schedules: &Schedules, visitor: &Visitor, id: ScheduleId) -> Result<Schedule> {
    let schedule = schedules.find(id).await?;
    visitor.must_be_a_party(&[schedule.payment.sender_id], schedule.created_at, codes::SCHEDULE_NOT_FOUND)?;
    Ok(schedule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_of_before_there_were_splits_keeps_its_fingerprint() {
        let asked = r#"{"transaction":{"sender_id":1,"receiver_id":2,"amount":10000,"description":"Rent","auto_complete":true},"every":"month","start":"2099-12-31","end":null}"#;
        let body: CreateSchedule = common::fields::from_json(asked.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&body).unwrap(), asked);
    }
}
