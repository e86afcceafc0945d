//! Capturing a part of what is set aside, once for each request however often it is sent.

use common::{
    Result,
    idempotency::{self, Answer, KeyedRequest, Known},
};

use super::transfers::{NotSent, Transfers};
use crate::{
    codes,
    domain::{
        actor::Actor,
        capture::Capture,
        capture_record::CaptureRecord,
        decision::{Decision, Ruling},
        intent::Request,
        transaction::Transaction,
        transition::{Changed, Transition},
    },
    store::captures,
};

/// What became of a request for a capture.
pub enum Captured {
    /// It is decided, by this request or an earlier one like it, and may still be carried out.
    Decided {
        /// The transaction as it stands.
        row: Transaction,
        /// The capture.
        capture: CaptureRecord,
        /// True if this request was answered before.
        replayed: bool,
    },
    /// This was answered to the request before.
    Refused(Answer),
    /// It cannot be captured as the transaction stands.
    Lost(Transaction),
    /// There is no such transaction.
    NotFound,
}

impl Transfers {
    /// Has `actor` capture of the transaction that was last `seen` so, and carries that out.
    pub async fn capture(
        &self,
        seen: &Transaction,
        actor: Actor,
        capture: Capture,
        keyed: Option<&KeyedRequest>,
    ) -> Result<Captured> {
        let request = keyed.map(Request::from);
        if let Some(known) = self.known(request.as_ref(), keyed).await? {
            return Ok(known);
        }
        if actor == Actor::Sender {
            self.0.standing.may_decide(seen.sender_id).await?;
        }
        let ruling = Ruling { request: request.clone(), ..Ruling::by(actor, Decision::Capture(capture)) };
        let Changed { row, won } = self.change(seen, Transition::Decide(ruling)).await?;
        let Some(row) = row.filter(|row| !row.is_hidden()) else { return Ok(Captured::NotFound) };
        if !won {
            // another request under the key may have been faster
            let known = self.known(request.as_ref(), keyed).await?;
            return Ok(known.unwrap_or(Captured::Lost(row)));
        }
        let capture = CaptureRecord::of(&row, request.as_ref()).expect("a capture of an amount was decided");
        self.carry_out(row, capture, false).await
    }

    /// What is known of a request.
    async fn known(&self, request: Option<&Request>, keyed: Option<&KeyedRequest>) -> Result<Option<Captured>> {
        let Some(request) = request else { return Ok(None) };
        let mut conn = self.0.pool.acquire().await?;
        let refusal = idempotency::look_up(&mut conn, keyed).await?.map(Known::answer).transpose()?;
        let capture = captures::find(&mut conn, &request.identity).await?;
        drop(conn);
        if let Some(answer) = refusal {
            return Ok(Some(Captured::Refused(answer)));
        }
        let Some(capture) = capture else { return Ok(None) };
        if capture.request.as_ref().is_none_or(|known| known.fingerprint != request.fingerprint) {
            return Err(codes::IDEMPOTENCY_KEY_REUSED.into());
        }
        let Some(row) = self.0.lookups.find(capture.transaction_id).await? else { return Ok(None) };
        Ok(Some(self.carry_out(row, capture, true).await?))
    }

    /// Carries out what is outstanding of a capture.
    async fn carry_out(&self, row: Transaction, capture: CaptureRecord, replayed: bool) -> Result<Captured> {
        if !capture.is_open_in(&row) {
            return Ok(Captured::Decided { row, capture, replayed });
        }
        match self.advance(row, false).await {
            Ok(row) => {
                // nobody else has changed it meanwhile, unless somebody has: then this is what was written down
                let settled_at = capture.settled_at.or((row.step == capture.step).then_some(row.updated_at));
                Ok(Captured::Decided { row, capture: CaptureRecord { settled_at, ..capture }, replayed })
            }
            Err(NotSent) => unreachable!("only a fresh transaction fails without being sent"),
        }
    }
}
