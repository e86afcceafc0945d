//! Trying requests out: what they would come to, decided by the same rules on a copy of what there is. user-service says what would
//! become of the step, under its locks and without a trace. Nothing is written here: no transaction, no fact, no key.

use common::{ApiError, Result, client::CallError, labels::Labels, origin::Origin, standing::Standing};
use money::{Amount, TransactionId, UserId, time};

use super::{
    decide::Decided,
    refund::{new_refund, refunded},
    transfers::Transfers,
};
use crate::{
    clients::TriedSteps,
    codes,
    domain::{
        actor::Actor,
        batch::{Item, NewBatch},
        capture::Capture,
        capture_record::CaptureRecord,
        decision::{Decision, Ruling},
        intent::{Intent, NewTransaction, Request},
        payment_request::{PaymentRequest, RequestStatus},
        step::{Exceeded, Step},
        transaction::Transaction,
        transition::{Changed, Transition},
    },
};

/// The number of a transaction that is not made, and of a batch those below it: none has them.
const NO_NUMBER: i64 = i64::MAX;

/// What a request would come to.
pub struct TriedOut<T> {
    /// What would become of it.
    pub outcome: T,
    /// How the account of whoever asks would then stand.
    pub standing: Option<Standing>,
}

/// A transaction that would be made.
pub struct TriedCreation {
    /// As it would stand, under no number.
    pub row: Transaction,
    /// What was asked for.
    pub new: NewTransaction,
    /// Of a refusal for a limit: by what it is exceeded.
    pub exceeded: Option<Exceeded>,
}

/// What would become of a capture.
pub enum TriedCapture {
    /// It would be decided, and the transaction stand so.
    Decided(Transaction, CaptureRecord),
    /// It cannot be captured as the transaction stands.
    Lost(Transaction),
}

impl Transfers {
    /// Tries to create a transaction; `asks` is whose account is shown.
    pub async fn try_create(&self, new: NewTransaction, asks: UserId) -> Result<TriedOut<TriedCreation>> {
        let row = not_made(new.clone(), NO_NUMBER);
        let (row, exceeded, standing) = self.try_out(row, asks).await?;
        Ok(TriedOut { outcome: TriedCreation { row, new, exceeded }, standing })
    }

    /// Tries to make a batch, each payment on what those before it would leave; `asks` is whose account is shown, if not that of the
    /// first who would pay. An atomic one would be refused if its items are.
    pub async fn try_batch(&self, new: NewBatch, asks: Option<UserId>) -> Result<TriedOut<Vec<Item>>> {
        let NewBatch { items, is_atomic, .. } = new;
        let numbered = (0..).zip(items);
        let mut items: Vec<Item> = numbered
            .map(|(place, item)| match item {
                Ok(new) => Item::Made(Box::new(not_made(new, NO_NUMBER - place)), None),
                Err(fault) => Item::Faulty(fault),
            })
            .collect();
        let mut rows: Vec<(&mut Transaction, &mut Option<Exceeded>)> =
            items.iter_mut().filter_map(Item::made).collect();
        let Some(asks) = asks.or(rows.first().map(|(row, _)| row.sender_id)) else {
            return Ok(TriedOut { outcome: items, standing: None });
        };
        let steps: Vec<Step> = rows.iter().filter_map(|(row, _)| row.outstanding()).collect();
        let tried = if is_atomic {
            self.0.users.try_batch(&steps, asks).await
        } else {
            self.0.users.try_out(&steps, asks).await
        };
        let TriedSteps { answers, standing } = tried.map_err(nobody_can_say)?;
        for ((row, exceeded), answer) in rows.iter_mut().zip(answers.iter().cycle()) {
            exceeded.clone_from(&answer.exceeded);
            let outcome = Transition::Outcome { step: row.step, outcome: answer.outcome };
            outcome.apply(row, time::now(), &Origin::current());
        }
        Ok(TriedOut { outcome: items, standing })
    }

    /// Tries to refund `amount` of `of`, or all that is not refunded yet.
    pub async fn try_refund(
        &self,
        of: &Transaction,
        amount: Option<Amount>,
        reason: String,
        labels: Labels,
        asks: UserId,
    ) -> Result<TriedOut<TriedCreation>> {
        self.try_create(new_refund(of, refunded(of, amount)?, reason, labels), asks).await
    }

    /// Has `payer` try to pay a payment request. The inner error is how it stands if it is not open.
    pub async fn try_to_pay(
        &self,
        seen: &PaymentRequest,
        payer: UserId,
    ) -> Result<Result<TriedOut<TriedCreation>, RequestStatus>> {
        match seen.status() {
            RequestStatus::Open => self.try_create(seen.transaction(payer), payer).await.map(Ok),
            status => Ok(Err(status)),
        }
    }

    /// Tries to decide about the transaction that was last `seen` so.
    pub async fn try_decide(&self, seen: &Transaction, ruling: Ruling, asks: UserId) -> Result<TriedOut<Decided>> {
        self.may_rule(seen, &ruling).await?;
        let mut row = seen.clone();
        let won = Transition::Decide(ruling.clone()).apply(&mut row, time::now(), &Origin::current());
        match Decided::of(Changed { row: Some(row), won }, &ruling) {
            Decided::Stands(row) => {
                let before = row.captured;
                let (row, _, standing) = self.try_out(row, asks).await?;
                Ok(TriedOut { outcome: Decided::advanced(row, &ruling, before), standing })
            }
            Decided::Lost(row) if self.was_made_by(&ruling, &row).await? => {
                let (row, _, standing) = self.try_out(row, asks).await?;
                Ok(TriedOut { outcome: Decided::Made(row), standing })
            }
            outcome => Ok(TriedOut { outcome, standing: None }),
        }
    }

    /// Tries to describe the transaction that was last `seen` so; `None` if it is too late for that.
    pub async fn try_describe(
        &self,
        seen: &Transaction,
        description: String,
        asks: UserId,
    ) -> Result<TriedOut<Option<Transaction>>> {
        let mut row = seen.clone();
        if !Transition::Describe(description).apply(&mut row, time::now(), &Origin::current()) {
            return Ok(TriedOut { outcome: None, standing: None });
        }
        let (row, _, standing) = self.try_out(row, asks).await?;
        Ok(TriedOut { outcome: Some(row), standing })
    }

    /// Has `actor` try to capture of the transaction that was last `seen` so.
    pub async fn try_capture(
        &self,
        seen: &Transaction,
        actor: Actor,
        capture: Capture,
        asks: UserId,
    ) -> Result<TriedOut<TriedCapture>> {
        let ruling = Ruling::by(actor, Decision::Capture(capture));
        if actor == Actor::Sender {
            self.0.standing.may_decide(seen.sender_id).await?;
        }
        let mut row = seen.clone();
        if !Transition::Decide(ruling).apply(&mut row, time::now(), &Origin::current()) {
            return Ok(TriedOut { outcome: TriedCapture::Lost(row), standing: None });
        }
        let capture = CaptureRecord::of(&row, None).expect("a capture of an amount was decided");
        let (row, _, standing) = self.try_out(row, asks).await?;
        let capture = CaptureRecord { settled_at: Some(row.updated_at), ..capture };
        Ok(TriedOut { outcome: TriedCapture::Decided(row, capture), standing })
    }

    /// What `row` would come to by its outstanding step, and by what follows from that: the row, by what it exceeds a limit, and how the
    /// account of `asks` would then stand. 503 `service_unavailable` if user-service cannot say: then nobody can.
    async fn try_out(
        &self,
        mut row: Transaction,
        asks: UserId,
    ) -> Result<(Transaction, Option<Exceeded>, Option<Standing>)> {
        loop {
            let tried = self.0.users.try_out(row.outstanding().as_slice(), asks).await;
            let TriedSteps { answers, standing } = tried.map_err(nobody_can_say)?;
            let Some(answer) = answers.into_iter().next() else { return Ok((row, None, standing)) };
            let outcome = Transition::Outcome { step: row.step, outcome: answer.outcome };
            outcome.apply(&mut row, time::now(), &Origin::current());
            // what cannot be paid out would go back
            if row.outstanding().is_none() {
                return Ok((row, answer.exceeded, standing));
            }
        }
    }
}

/// The transaction that `new` asks for, as it would stand under a `number` that none has.
fn not_made(new: NewTransaction, number: i64) -> Transaction {
    let request = Request { identity: String::new(), fingerprint: Vec::new() };
    let intent = Intent { new, request, actor: Origin::current().actor().to_owned(), now: time::now() };
    intent.transaction(TransactionId::try_from(number).expect("it is positive"))
}

fn nobody_can_say(error: CallError) -> ApiError {
    ApiError::new(codes::SERVICE_UNAVAILABLE).because(error)
}
