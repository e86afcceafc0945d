//! Notifications.

use axum::extract::State;
use chrono_tz::Tz;
use common::{
    ApiError, Result,
    answer::{Created, Message, Reply},
    caller::{Service, Trusted, Visitor},
    extract::{Json, Path},
    idempotency::{IdempotencyKey, KeyedRequest},
    page::{List, Listed},
    reads::ReadPool,
    request,
};
use money::{
    NotificationId, UserId,
    time::{Bound, Period},
};
use mysql::scan::Stretch;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::MySqlPool;

use crate::{
    app::{change, create, delivery::Delivery, resend, send_now::SentNow},
    codes,
    domain::fairness::Fairness,
    store::{
        notifications as store,
        notifications::{Filter, Notification, Status},
    },
};

/// The longest message, in characters.
const MAX_MESSAGE: usize = 1000;

/// The text of a notification: 1–1,000 characters.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("minLength" = 1, "maxLength" = MAX_MESSAGE))]
pub struct Text(String);

impl TryFrom<String> for Text {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Self, String> {
        money::text::parse_lines(&text, 1..=MAX_MESSAGE).map(Self)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

request! {
    /// Whom to tell what.
    #[derive(Serialize)]
    #[schemars(example = json!({"user_id": 1, "message": "Top-up Rp 100,000 successful."}))]
    pub struct Create {
        user_id: UserId,
        message: Text,
    }
}

/// `POST /notifications`: stores a notification, which the worker mails.
pub async fn create(
    Service(caller): Service,
    key: IdempotencyKey,
    State(pool): State<MySqlPool>,
    State(fairness): State<Fairness>,
    Json(new): Json<Create>,
) -> Result<Reply<Created<Notification>>> {
    let request = KeyedRequest::new(key, caller, "POST /notifications", &new);
    let answered = create::create(&pool, &fairness, new.user_id, new.message.into(), request.as_ref()).await?;
    Ok(Reply::new(answered.answer()?))
}

request! {
    /// What a list is narrowed to.
    pub struct ListQuery {
        /// Their status.
        status: Option<Status>,
        /// Only those of this user.
        user_id: Option<UserId>,
        /// Created at this moment or later; a date is its midnight in the wallet's time zone.
        from: Option<Bound>,
        /// Created before this moment; a date includes that day.
        to: Option<Bound>,
    }
}

/// `GET /notifications`: newest first; a user sees its own.
pub async fn list(
    Visitor { caller, since, .. }: Visitor,
    State(reads): State<ReadPool>,
    State(zone): State<Tz>,
    List(page, query): List<ListQuery>,
) -> Result<Listed<Notification>> {
    let filter = Filter {
        user_id: caller.only_user().or(query.user_id),
        status: query.status,
        period: Period::between(query.from, query.to, zone).since(since),
    };
    if query.user_id.is_some_and(|asked| filter.user_id != Some(asked)) {
        let nothing = Stretch { items: Vec::<Notification>::new(), reached: None };
        return Ok(page.answer(nothing, |notification| notification.id.get()));
    }
    let found = store::list(&mut *reads.acquire_for(filter.user_id).await?, &filter, page.cursor, page.rows()).await?;
    Ok(page.answer(found, |notification| notification.id.get()))
}

/// `GET /notifications/{id}`
pub async fn show(
    visitor: Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
) -> Result<Json<Notification>> {
    Ok(Json(visible(&pool, &visitor, id).await?))
}

request! {
    /// What is to change of a notification.
    #[schemars(example = json!({"status": "sent"}))]
    pub struct Update {
        message: Option<Text>,
        status: Option<Status>,
    }
}

/// `PUT /notifications/{id}`: sets message and status; one that becomes `pending` is mailed again. Not for users: whoever
/// gives another person's address for its own would have the wallet mail that person whatever it likes.
pub async fn update(
    _: Trusted,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
    Json(update): Json<Update>,
) -> Result<Json<Notification>> {
    if update.message.is_none() && update.status.is_none() {
        return Err(codes::NOTHING_TO_CHANGE.into());
    }
    let message = update.message.as_ref().map(|m| m.0.as_str());
    let notification = change::change(&pool, id, message, update.status).await?;
    Ok(Json(notification.ok_or(codes::NOTIFICATION_NOT_FOUND)?))
}

/// `DELETE /notifications/{id}`
pub async fn delete(
    visitor: Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
) -> Result<Json<Message>> {
    visible(&pool, &visitor, id).await?;
    if !change::hide(&pool, id).await? {
        return Err(codes::NOTIFICATION_NOT_FOUND.into());
    }
    Ok(Json(Message { message: "Notification deleted successfully" }))
}

/// `POST /notifications/{id}/send`: mails it now; one that is sent already is not mailed a second time.
pub async fn send(
    visitor: Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
    State(delivery): State<Delivery>,
) -> Result<Json<Sent>> {
    visible(&pool, &visitor, id).await?;
    match delivery.send_now(id, &[Status::Pending, Status::Failed], visitor.caller.only_user()).await? {
        SentNow::WrongStatus(Status::Sent) => Ok(sent("Notification sent successfully")),
        outcome => answer(outcome, "Notification sent successfully"),
    }
}

/// `POST /notifications/{id}/resend`: mails one that had failed.
pub async fn resend(
    visitor: Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
    State(delivery): State<Delivery>,
) -> Result<Json<Sent>> {
    visible(&pool, &visitor, id).await?;
    let outcome = delivery.send_now(id, &[Status::Failed], visitor.caller.only_user()).await?;
    answer(outcome, "Notification resent successfully")
}

request! {
    /// Which of those that had failed are mailed again: all, unless it says otherwise.
    #[schemars(example = json!({"from": "2025-11-12T10:00:00Z"}))]
    pub struct ResendFailed {
        /// Only those of this user.
        user_id: Option<UserId>,
        /// Created at this moment or later; a date is its midnight in the wallet's time zone.
        from: Option<Bound>,
        /// Created before this moment; a date includes that day.
        to: Option<Bound>,
    }
}

/// How many will be mailed again.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"resent": 12}))]
pub struct Resent {
    resent: u64,
}

/// `POST /internal/notifications/resend`: has the worker mail again what had failed, for after a mail server that was set up
/// wrongly. What warned somebody at an address that is not kept stays as it is.
pub async fn resend_failed(
    _: Service,
    State(pool): State<MySqlPool>,
    State(zone): State<Tz>,
    Json(which): Json<ResendFailed>,
) -> Result<Json<Resent>> {
    let filter = Filter {
        user_id: which.user_id,
        status: Some(Status::Failed),
        period: Period::between(which.from, which.to, zone),
    };
    Ok(Json(Resent { resent: resend::resend(&pool, &filter).await? }))
}

fn answer(outcome: SentNow, message: &'static str) -> Result<Json<Sent>> {
    match outcome {
        SentNow::Sent => Ok(sent(message)),
        SentNow::TooMany(wait) => Err(ApiError::new(codes::RATE_LIMITED).retry_after(wait)),
        SentNow::NotFound => Err(codes::NOTIFICATION_NOT_FOUND.into()),
        SentNow::WrongStatus(status) => {
            Err(ApiError::new(codes::NOTIFICATION_NOT_FAILED).detail("status", json!(status)))
        }
        SentNow::Failed(reason) => Err(ApiError::new(codes::MAIL_REFUSED).because(reason)),
        SentNow::Later(reason) => Err(ApiError::new(codes::MAIL_UNAVAILABLE).because(reason)),
    }
}

/// What was done, and the status that it led to.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"message": "Notification sent successfully", "status": "sent"}))]
pub struct Sent {
    message: &'static str,
    status: Status,
}

fn sent(message: &'static str) -> Json<Sent> {
    Json(Sent { message, status: Status::Sent })
}

async fn visible(pool: &MySqlPool, visitor: &Visitor, id: NotificationId) -> Result<Notification> {
    let notification = store::find(&mut *pool.acquire().await?, id).await?.ok_or(codes::NOTIFICATION_NOT_FOUND)?;
    visitor.must_be_a_party(&[notification.user_id], notification.created_at, codes::NOTIFICATION_NOT_FOUND)?;
    Ok(notification)
}
