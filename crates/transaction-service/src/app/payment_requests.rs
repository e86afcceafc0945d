//! Payment requests: asking for money, paying what is asked for once, and ending it otherwise.
//!
//! Who pays one claims it and makes the transaction that pays it in one commit, under the request's lock. From then on the
//! transaction decides: it is carried out like any other, by this request or after a crash by the settler, and how the payment
//! request stands is read from it. So there is no second write that a crash could come before.

use chrono::{DateTime, Utc};
use common::{
    Result,
    caller::Caller,
    idempotency::{self, Answer, KeyedRequest, Known, fingerprint},
    origin::Origin,
    outbox,
};
use fault::point;
use money::{UserId, time};
use mysql::DbError;

use super::{create::Creation, transfers::Transfers};
use crate::{
    codes,
    domain::{
        intent::{Intent, Request},
        payment_request::{Ending, NewPaymentRequest, Party, PaymentRequest, PaymentRequestId, RequestStatus},
        request_facts,
        transaction::Transaction,
    },
    store::{intents, payment_requests as store, transactions},
};

/// What became of a claim.
enum Claim {
    /// It stands: this transaction is to be carried out.
    Won(Transaction),
    /// The same request made this transaction before.
    Before(Transaction),
    /// The payment request is not open, but as this says.
    Lost(RequestStatus),
}

impl Transfers {
    /// Makes a payment request and keeps its answer, as `show` words it, under the key of the request; the answer of that key if it
    /// has one. The payer whom it names is notified, if there is an account with that address; nothing else tells whether there is.
    pub async fn ask_for_money(
        &self,
        new: NewPaymentRequest,
        keyed: Option<&KeyedRequest>,
        show: impl Fn(PaymentRequest) -> Answer,
    ) -> Result<Known> {
        let payer = match &new.payer_email {
            Some(email) => self.0.users.receiver(email, None).await?.id.filter(|payer| *payer != new.payee_id),
            None => None,
        };
        let (new, show, origin) = (&new, &show, &Origin::current());
        let known = mysql::retry(|attempt| async move {
            let mut tx = mysql::begin(&self.0.pool, point!("payment_request.ask")).await?;
            if let Some(known) = idempotency::look_up(tx.conn().await?, keyed).await? {
                return Ok(known);
            }
            // after an unknown commit the second run finds what the first one did: nobody else has this id
            let made = if attempt == 1 { None } else { store::find(tx.conn().await?, &new.token).await? };
            if let Some(made) = made {
                return Ok(Known::Answered(show(made)));
            }
            store::insert(tx.conn().await?, new).await?;
            let made = store::find(tx.conn().await?, &new.token).await?.ok_or(sqlx::Error::RowNotFound)?;
            let fact = payer.map(|payer| request_facts::created(&made, payer, origin));
            let answer = show(made);
            idempotency::store(tx.conn().await?, keyed, &answer).await?;
            outbox::write(&mut tx, fact.as_slice());
            tx.commit().await?;
            Ok(Known::Answered(answer))
        });
        Ok(known.await?)
    }

    /// The payment request that people know by `token`.
    pub async fn payment_request(&self, token: &PaymentRequestId) -> Result<Option<PaymentRequest>> {
        Ok(store::find(&mut *self.0.pool.acquire().await?, token).await?)
    }

    /// What `caller` is to `row`, whose account was opened at `since`; `None` if there is no such request for it.
    pub async fn party(
        &self,
        row: &PaymentRequest,
        caller: Caller,
        since: Option<DateTime<Utc>>,
    ) -> Result<Option<Party>> {
        let party = row.party(caller, None, since);
        match caller.only_user() {
            Some(user) if party.is_none() => {
                let address = self.address(user).await?;
                Ok(row.party(caller, address.as_deref(), since))
            }
            _ => Ok(party),
        }
    }

    /// The address that `user` has now; `None` if there is no such account.
    pub async fn address(&self, user: UserId) -> Result<Option<String>> {
        Ok(self.0.users.address(user).await?)
    }

    /// Has `payer` pay the payment request that was last `seen` so. A request with a key that was made before is answered again. The
    /// inner error is how it stands if it is not open.
    pub async fn pay_request(
        &self,
        seen: &PaymentRequest,
        payer: UserId,
        keyed: Option<&KeyedRequest>,
    ) -> Result<Result<Creation, RequestStatus>> {
        let new = seen.transaction(payer);
        match self.claim(seen, payer, keyed.map(Request::from).as_ref()).await? {
            Claim::Won(row) => Ok(Ok(self.start(row, new).await?)),
            Claim::Before(row) if keyed.is_some_and(|keyed| keyed.fingerprint != row.fingerprint) => {
                Err(codes::IDEMPOTENCY_KEY_REUSED.into())
            }
            Claim::Before(row) => Ok(Ok(Creation::Before(self.outcome(row).await?, new))),
            Claim::Lost(status) => Ok(Err(status)),
        }
    }

    /// Claims the payment request, with the transaction that is to pay it. Of two at once the second one waits for the lock and finds
    /// what the first one did.
    async fn claim(&self, seen: &PaymentRequest, payer: UserId, request: Option<&Request>) -> Result<Claim, DbError> {
        let (now, actor) = (time::unique_now(), &Origin::current().actor().to_owned());
        mysql::retry(|attempt| async move {
            let mut tx = mysql::begin(&self.0.pool, point!("payment_request.claim")).await?;
            let row = store::lock(tx.conn().await?, seen.id).await?.ok_or(sqlx::Error::RowNotFound)?;
            if let Some(request) = request
                && let Some(known) = transactions::find_request(tx.conn().await?, &request.identity).await?
            {
                let is_ours = known.created_at == now;
                return Ok(if is_ours { Claim::Won(known) } else { Claim::Before(known) });
            }
            // after an unknown commit the second run finds what the first one did
            if let (2.., Some(id)) = (attempt, row.transaction_id)
                && let Some(known) = transactions::find(tx.conn().await?, id).await?
                && known.created_at == now
                && known.sender_id == payer
            {
                return Ok(Claim::Won(known));
            }
            if row.status() != RequestStatus::Open {
                return Ok(Claim::Lost(row.status()));
            }
            let new = row.transaction(payer);
            let request = request
                .cloned()
                .unwrap_or_else(|| Request { identity: row.next_attempt(), fingerprint: fingerprint(&new) });
            let identity = request.identity.clone();
            let intent = Intent { new, request, actor: actor.clone(), now };
            intents::insert(&mut tx, &intent);
            let made = transactions::find_request(tx.conn().await?, &identity).await?;
            let made = made.ok_or(sqlx::Error::RowNotFound)?;
            store::claim(tx.conn().await?, row.id, made.id).await?;
            tx.commit().await?;
            Ok(Claim::Won(made))
        })
        .await
    }

    /// Ends the payment request `id` unpaid, as `actor` wants it; a payee is notified that it is declined. The inner error is how it stands if it is not open.
    pub async fn end_request(
        &self,
        id: i64,
        ending: Ending,
        actor: Caller,
    ) -> Result<Result<PaymentRequest, RequestStatus>> {
        let (now, origin) = (time::unique_now(), &Origin::current());
        let ended = mysql::retry(|_| async move {
            let mut tx = mysql::begin(&self.0.pool, point!("payment_request.end")).await?;
            let row = store::lock(tx.conn().await?, id).await?.ok_or(sqlx::Error::RowNotFound)?;
            // after an unknown commit the second run finds what the first one did
            if row.ending == Some(ending) && row.ended_at == Some(now) {
                return Ok(Ok(row));
            }
            if row.status() != RequestStatus::Open {
                return Ok(Err(row.status()));
            }
            store::end(tx.conn().await?, id, ending, now).await?;
            if ending == Ending::Declined {
                outbox::write(&mut tx, &[request_facts::declined(&row, actor.only_user(), origin)]);
            }
            tx.commit().await?;
            Ok(Ok(PaymentRequest { ending: Some(ending), ended_at: Some(now), ..row }))
        });
        Ok(ended.await?)
    }
}
