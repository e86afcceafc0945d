//! What is kept of the capture of an amount, so that its request is answered again as it was then.

use chrono::{DateTime, Utc};
use money::{Money, TransactionId};

use super::{intent::Request, shares::Share, transaction::Transaction};

/// A capture of an amount, as it is kept.
#[derive(Debug, Clone)]
pub struct CaptureRecord {
    pub transaction_id: TransactionId,
    /// Which step of the transaction it is.
    pub step: u16,
    pub is_final: bool,
    /// What the receiver has got by then, this capture included.
    pub captured_after: Money,
    /// If several are paid: the shares then.
    pub shares: Vec<Share>,
    /// What was refunded by then.
    pub refunded: Money,
    /// When it took effect.
    pub settled_at: Option<DateTime<Utc>>,
    /// The request for it, if it had a key.
    pub request: Option<Request>,
}

impl CaptureRecord {
    /// The capture that `row` was just given, for `request`; `None` if it was given none, or all there is.
    pub fn of(row: &Transaction, request: Option<&Request>) -> Option<Self> {
        let capture = row.state.capture().filter(|capture| capture.amount.is_some())?;
        let mut then = row.clone();
        then.pay_shares();
        Some(Self {
            transaction_id: row.id,
            step: row.step,
            is_final: capture.is_final,
            captured_after: row.captured + capture.taken_of(row.left()),
            shares: then.shares,
            refunded: row.refunded,
            settled_at: None,
            request: request.cloned(),
        })
    }

    /// True if it has taken effect on `row`: one that is refused is the last.
    pub fn is_in(&self, row: &Transaction) -> bool {
        row.captured >= self.captured_after
    }

    /// True while nobody knows what becomes of it.
    pub fn is_open_in(&self, row: &Transaction) -> bool {
        row.step == self.step && row.state.verb().is_some()
    }
}
