//! Facts from the outboxes of the other services.

use axum::extract::State;
use common::{
    ApiError, Result,
    caller::Service,
    extract::Json,
    fact::Fact,
    outbox::{Facts, MAX_FACTS},
};
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::MySqlPool;

use crate::{
    app::receive,
    domain::{
        fairness::Fairness,
        notices::{Notice, notices},
    },
    state::Currency,
};

/// The longest identity of a fact, in bytes.
const MAX_FACT_ID: usize = 64;
/// The longest address (RFC 5321), in bytes.
const MAX_ADDRESS: usize = 254;

/// How many facts were taken.
#[derive(Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Taken {
    accepted: usize,
}

/// `POST /internal/facts`: takes a batch of facts. Each user that one concerns is notified once, however often it comes.
pub async fn receive(
    _: Service,
    State(pool): State<MySqlPool>,
    State(fairness): State<Fairness>,
    State(Currency(currency)): State<Currency>,
    Json(Facts { facts }): Json<Facts>,
) -> Result<Json<Taken>> {
    if facts.is_empty() || facts.len() > MAX_FACTS {
        return Err(ApiError::invalid("facts", format!("must be a list of 1 to {MAX_FACTS}")));
    }
    let mut notices = Vec::new();
    for (n, fact) in facts.iter().enumerate() {
        notices.extend(notices_of(fact, n, &currency)?);
    }
    receive::receive(&pool, &fairness, &notices).await?;
    Ok(Json(Taken { accepted: facts.len() }))
}

/// The notices of the fact at place `n` of a batch.
fn notices_of(fact: &Fact, n: usize, currency: &str) -> Result<Vec<Notice>> {
    let invalid = |member: &str, phrase: String| ApiError::invalid(&format!("facts[{n}].{member}"), phrase);
    let id = fact.id.as_bytes();
    if !(1..=MAX_FACT_ID).contains(&id.len()) || !id.iter().all(u8::is_ascii_graphic) {
        return Err(invalid("id", format!("must be 1 to {MAX_FACT_ID} visible ASCII characters")));
    }
    if fact.address.as_ref().is_some_and(|address| !is_plain(address)) {
        return Err(invalid("address", format!("must be 1 to {MAX_ADDRESS} printable ASCII characters")));
    }
    notices(fact, currency).map_err(|error| invalid("data", format!("must fit the type: {error}")))
}

fn is_plain(address: &str) -> bool {
    // whether it can be mailed shows when it is: a fact that is refused comes again and again
    (1..=MAX_ADDRESS).contains(&address.len()) && address.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
