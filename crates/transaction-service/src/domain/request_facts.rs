//! The facts that become true with what happens to a payment request. Pure. Of one that is paid, the facts of its transaction say so.

use common::{
    fact::{Fact, Kind, PaymentRequestState},
    origin::Origin,
};
use money::UserId;

use super::payment_request::PaymentRequest;

/// Somebody asks `payer` for money.
pub fn created(row: &PaymentRequest, payer: UserId, origin: &Origin) -> Fact {
    fact(row, "created", Kind::PaymentRequestCreated, Some(payer), origin)
}

/// The payer whom it names does not want to pay: `payer`, or a service for it.
pub fn declined(row: &PaymentRequest, payer: Option<UserId>, origin: &Origin) -> Fact {
    fact(row, "declined", Kind::PaymentRequestDeclined, payer, origin)
}

fn fact(row: &PaymentRequest, name: &str, kind: Kind, payer_id: Option<UserId>, origin: &Origin) -> Fact {
    let state = PaymentRequestState {
        id: row.token.to_string(),
        payee_id: row.payee_id,
        payer_id,
        amount: row.amount,
        description: row.description.clone(),
        created_at: row.created_at,
        expires_at: row.expires_at,
    };
    // its number, since whoever knows its id may pay it
    Fact::new(format!("payment_request:{}:{name}", row.id), kind, &state, origin)
}
