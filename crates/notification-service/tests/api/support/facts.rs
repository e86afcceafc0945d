//! Facts as the other services tell them.

use serde_json::{Value, json};

/// The fact `id` of this type.
pub fn fact(id: &str, kind: &str, data: Value) -> Value {
    let mut fact = json!({"id": id, "type": kind, "created_at": "2025-11-12T10:30:00Z", "actor": "user:1"});
    fact["data"] = data;
    fact
}

/// A top-up, of which `user` is told.
pub fn topped_up(id: &str, user: i64, amount: i64) -> Value {
    fact(id, "topup.completed", json!({"user_id": user, "amount": amount}))
}

/// A payment of 10,000, of which both are told; the sender has caused it.
pub fn paid(id: &str, sender: i64, receiver: i64) -> Value {
    let transaction = json!({
        "id": 1,
        "sender_id": sender,
        "receiver_id": receiver,
        "amount": 10_000,
        "description": "",
        "status": "completed",
        "status_reason": "completed_at_once",
        "created_at": "2025-11-12T10:30:00Z",
        "updated_at": "2025-11-12T10:30:00Z",
    });
    fact(id, "transaction.completed", transaction)
}
