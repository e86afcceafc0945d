//! Notifications.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use common::{
    ApiError, NotificationId, Result, UserId,
    caller::{Caller, Service, Visitor},
    db,
    extract::{Json, Path, Query},
    idempotency::{self, Answer, IdempotencyKey, KeyedRequest, Known},
    outbox::Event,
    page::{ListQuery, Page},
    point, time,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use crate::{
    delivery::{Delivery, SentNow},
    store::notifications::{self as store, Notification, Status},
};

/// The longest message, in characters.
const MAX_MESSAGE: usize = 1000;

/// What a user is told: 1–1,000 characters.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Message(String);

impl TryFrom<String> for Message {
    type Error = String;
    fn try_from(text: String) -> std::result::Result<Self, String> {
        common::text::parse(&text, 1..=MAX_MESSAGE).map(Self)
    }
}

impl From<Message> for String {
    fn from(message: Message) -> Self {
        message.0
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    user_id: UserId,
    message: Message,
}

/// `POST /notifications`: stores a notification, which the worker mails.
pub async fn create(
    _: Service,
    key: IdempotencyKey,
    State(pool): State<MySqlPool>,
    Json(new): Json<Create>,
) -> Result<Response> {
    let request = KeyedRequest::new(key, Caller::Service, "POST /notifications", &new);
    let now = time::now();
    // an identity of its own, by which a second run finds what the first one wrote
    let event_id = format!("once:{}", uuid::Uuid::new_v4());
    let event = Event { event_id, user_id: new.user_id, message: new.message.into() };
    let answered = db::retry(|_| async {
        let mut tx = db::begin(&pool, point!("create")).await?;
        if let Some(known) = idempotency::look_up(&mut tx, request.as_ref()).await? {
            return Ok(known);
        }
        store::insert_events(&mut tx, std::slice::from_ref(&event), now).await?;
        let notification = store::find_event(&mut tx, &event.event_id).await?;
        let answer = Answer::new(StatusCode::CREATED, &notification);
        idempotency::store(&mut tx, request.as_ref(), &answer).await?;
        tx.commit().await?;
        Ok(Known::Answered(answer))
    })
    .await?;
    Ok(answered.answer()?.into_response())
}

/// `GET /notifications`: newest first; a user sees its own.
pub async fn list(
    Visitor(caller): Visitor,
    State(pool): State<MySqlPool>,
    page: Page,
    Query(ListQuery { .. }): Query<ListQuery>,
) -> Result<Response> {
    let found = store::list(&mut *pool.acquire().await?, caller.only_user(), page.cursor, page.rows()).await?;
    Ok(page.answer(found, |notification| notification.id.get()))
}

/// `GET /notifications/{id}`
pub async fn show(
    Visitor(caller): Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
) -> Result<Json<Notification>> {
    Ok(Json(visible(&pool, caller, id).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    message: Option<Message>,
    status: Option<Status>,
}

/// `PUT /notifications/{id}`: sets message and status; one that becomes `pending` is mailed anew.
pub async fn update(
    Visitor(caller): Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
    Json(update): Json<Update>,
) -> Result<Json<Notification>> {
    visible(&pool, caller, id).await?;
    if update.message.is_none() && update.status.is_none() {
        return Err(ApiError::bad_request("missing_field", "Give at least one of message and status"));
    }
    let (message, now) = (update.message.as_ref().map(|m| m.0.as_str()), time::now());
    let notification = db::retry(|_| async {
        let mut tx = db::begin(&pool, point!("update")).await?;
        store::update(&mut tx, id, message, update.status, now).await?;
        // read before the commit, after which the worker may go on with it
        let notification = store::find(&mut tx, id).await?;
        tx.commit().await?;
        Ok(notification)
    })
    .await?;
    notification.map(Json).ok_or_else(not_found)
}

/// `DELETE /notifications/{id}`
pub async fn delete(
    Visitor(caller): Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
) -> Result<Json<Value>> {
    visible(&pool, caller, id).await?;
    let now = time::now();
    let is_hidden = db::retry(|_| async {
        let mut tx = db::begin(&pool, point!("hide")).await?;
        let is_hidden = store::hide(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(is_hidden)
    })
    .await?;
    if is_hidden { Ok(Json(json!({"message": "Notification deleted successfully"}))) } else { Err(not_found()) }
}

/// `POST /notifications/{id}/send`: mails it now; one that is sent already is not mailed a second time.
pub async fn send(
    Visitor(caller): Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
    State(delivery): State<Delivery>,
) -> Result<Json<Value>> {
    visible(&pool, caller, id).await?;
    match delivery.send_now(id, &[Status::Pending, Status::Failed]).await? {
        SentNow::WrongStatus(Status::Sent) => Ok(sent("Notification sent successfully")),
        outcome => answer(outcome, "Notification sent successfully"),
    }
}

/// `POST /notifications/{id}/resend`: mails one that had failed.
pub async fn resend(
    Visitor(caller): Visitor,
    Path(id): Path<NotificationId>,
    State(pool): State<MySqlPool>,
    State(delivery): State<Delivery>,
) -> Result<Json<Value>> {
    visible(&pool, caller, id).await?;
    answer(delivery.send_now(id, &[Status::Failed]).await?, "Notification resent successfully")
}

fn answer(outcome: SentNow, message: &'static str) -> Result<Json<Value>> {
    match outcome {
        SentNow::Sent => Ok(sent(message)),
        SentNow::NotFound => Err(not_found()),
        SentNow::WrongStatus(status) => {
            Err(ApiError::conflict("notification_not_failed", "Only a notification that has failed can be sent again")
                .detail("status", json!(status)))
        }
        SentNow::Failed(reason) => Err(ApiError::conflict(
            "mail_refused",
            "The mail was refused for good; the reason stands in the notification",
        )
        .because(reason)),
        SentNow::Later(reason) => {
            let error =
                ApiError::unavailable("mail_unavailable", "The mail cannot be sent at the moment; it stays pending");
            Err(error.because(reason))
        }
    }
}

fn sent(message: &'static str) -> Json<Value> {
    Json(json!({"message": message, "status": Status::Sent}))
}

async fn visible(pool: &MySqlPool, caller: Caller, id: NotificationId) -> Result<Notification> {
    let notification = store::find(&mut *pool.acquire().await?, id).await?.ok_or_else(not_found)?;
    caller.must_be_one_of(&[notification.user_id])?;
    Ok(notification)
}

fn not_found() -> ApiError {
    ApiError::not_found("notification_not_found", "There is no such notification")
}
