//! Events from the outboxes of the other services.

use axum::extract::State;
use common::{
    ApiError, Result,
    caller::Service,
    extract::Json,
    outbox::{Events, MAX_EVENTS},
    trace::Trace,
};
use fault::point;
use money::time;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::MySqlPool;

use super::notifications::Text;
use crate::{domain::fairness::Fairness, store::notifications as store};

/// The longest identity of an event, in bytes.
const MAX_EVENT_ID: usize = 64;
/// The longest address (RFC 5321), in bytes.
const MAX_ADDRESS: usize = 254;

/// How many events were taken.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Taken {
    accepted: usize,
}

/// `POST /internal/notifications`: takes a batch of events, each stored once however often it comes.
pub async fn receive(
    _: Service,
    State(pool): State<MySqlPool>,
    State(fairness): State<Fairness>,
    Json(Events { mut events }): Json<Events>,
) -> Result<Json<Taken>> {
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(ApiError::invalid("events", format!("must be a list of 1 to {MAX_EVENTS}")));
    }
    for (n, event) in events.iter_mut().enumerate() {
        let id = event.event_id.as_bytes();
        if !(1..=MAX_EVENT_ID).contains(&id.len()) || !id.iter().all(u8::is_ascii_graphic) {
            let phrase = format!("must be 1 to {MAX_EVENT_ID} visible ASCII characters");
            return Err(ApiError::invalid(&format!("events[{n}].event_id"), phrase));
        }
        event.message = Text::try_from(std::mem::take(&mut event.message))
            .map_err(|phrase| ApiError::invalid(&format!("events[{n}].message"), phrase))?
            .into();
        if event.address.as_ref().is_some_and(|address| !is_plain(address)) {
            let phrase = format!("must be 1 to {MAX_ADDRESS} printable ASCII characters");
            return Err(ApiError::invalid(&format!("events[{n}].address"), phrase));
        }
        // what is no trace is to be taken for none
        event.traceparent = Trace::from_text(event.traceparent.as_deref()).to_text();
    }
    let (pool, accepted, now) = (&pool, events.len(), time::now());
    let (events, fairness) = (&events, &fairness);
    let meters = mysql::retry(|attempt| async move {
        let mut tx = mysql::begin(pool, point!("events")).await?;
        let meters = store::insert_events(&mut tx, events, fairness, now, attempt).await?;
        tx.commit().await?;
        Ok(meters)
    })
    .await?;
    fairness.remember(&meters);
    Ok(Json(Taken { accepted }))
}

fn is_plain(address: &str) -> bool {
    // whether it can be mailed shows when it is: an event that is refused comes again and again
    (1..=MAX_ADDRESS).contains(&address.len()) && address.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
