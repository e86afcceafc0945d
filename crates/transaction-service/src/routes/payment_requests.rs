//! Payment requests.

use aide::{OperationOutput, generate::GenContext, openapi};
use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use common::{
    ApiError, Result,
    answer::{Created, Reply},
    caller::{Authenticated, Caller, Visitor},
    dry_run::DryRun,
    extract::{Json, Path},
    idempotency::{Answer, IdempotencyKey, KeyedRequest},
    page::{List, Listed},
    reads::ReadPool,
    request,
};
use money::{Amount, Email, Money, TransactionId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    body::Description,
    transactions::{answer_with, created},
    tried::{self, MadeOrTried},
};
use crate::{
    app::transfers::Transfers,
    codes,
    domain::{
        intent::NewTransaction,
        payment_request::{Ending, NewPaymentRequest, Party, PaymentRequest, PaymentRequestId, RequestStatus},
        qr_code,
        step::{Exceeded, Failure},
        transaction::Transaction,
    },
    state::PublicUrl,
    store::payment_requests as store,
};

/// The title of a QR code, which anyone may see: it tells nothing of the request.
const QR_TITLE: &str = "Payment request";

request! {
    /// The body of `POST /payment-requests`.
    #[derive(Serialize)]
    #[schemars(example = json!({"payee_id": 2, "amount": 25_000, "description": "Lunch", "payer_email": null}))]
    pub struct NewBody {
        /// Who asks, and is paid.
        payee_id: UserId,
        amount: Amount,
        description: Option<Description>,
        /// The address of who alone may see and pay it: whoever has the id, if it is absent.
        payer_email: Option<Email>,
    }
}

request! {
    /// The body of `POST /payment-requests/{id}/pay`.
    #[derive(Serialize)]
    #[schemars(example = json!({"payer_id": 1}))]
    pub struct PayBody {
        /// Who pays: the user who asks, if it is absent. A service says who.
        payer_id: Option<UserId>,
    }
}

request! {
    /// Whose payment requests are listed.
    pub struct ListQuery {
        /// Those that this user has made.
        user_id: Option<UserId>,
    }
}

/// A payment request as it is answered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PaymentRequest", example = json!({
    "id": "6f1d3c0b9a8e4f7d8c2b1a0f9e8d7c6b",
    "payee_id": 2,
    "amount": 25_000,
    "description": "Lunch",
    "payer_email": null,
    "status": "open",
    "link": "/payment-requests/6f1d3c0b9a8e4f7d8c2b1a0f9e8d7c6b",
    "created_at": "2025-11-12T10:30:00.000000Z",
    "expires_at": "2025-12-12T10:30:00.000000Z",
}))]
pub struct Body {
    id: PaymentRequestId,
    payee_id: UserId,
    #[schemars(with = "Money")]
    amount: Amount,
    description: String,
    /// The address of who alone may see and pay it.
    payer_email: Option<String>,
    status: RequestStatus,
    /// What a payer opens: below `PUBLIC_URL`, if that is set.
    link: String,
    /// The transaction that pays it, or is about to; for payee, named payer and services.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<TransactionId>,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Body {
    fn new(row: PaymentRequest, party: Party, public: &PublicUrl) -> Self {
        let status = row.status();
        let is_shown = party.sees_transaction() && matches!(status, RequestStatus::Paid | RequestStatus::Processing);
        Self {
            status,
            link: public.link(&path(&row.token)),
            transaction_id: row.transaction_id.filter(|_| is_shown),
            id: row.token,
            payee_id: row.payee_id,
            amount: row.amount,
            description: row.description,
            payer_email: row.payer_email,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}

fn path(id: &PaymentRequestId) -> String {
    format!("/payment-requests/{id}")
}

/// `POST /payment-requests`: asks for money.
pub async fn create(
    Authenticated(caller): Authenticated,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    State(public): State<PublicUrl>,
    Json(body): Json<NewBody>,
) -> Result<Reply<Created<Body>>> {
    caller.must_be_one_of(&[body.payee_id])?;
    let request = KeyedRequest::new(key, caller, "POST /payment-requests", &body);
    if let Some(known) = transfers.answered_before(request.as_ref()).await? {
        return Ok(Reply::new(known.answer()?)); // also if the payee's account is closed by now
    }
    if caller.is_service() && transfers.address(body.payee_id).await?.is_none() {
        return Err(ApiError::new(codes::USER_NOT_FOUND).field("payee_id", "does not exist"));
    }
    let new = NewPaymentRequest {
        token: PaymentRequestId::random(),
        payee_id: body.payee_id,
        amount: body.amount,
        description: body.description.unwrap_or_default().0,
        payer_email: body.payer_email,
    };
    let show = |row| Answer::new(StatusCode::CREATED, &Body::new(row, Party::Payee, &public));
    Ok(Reply::new(transfers.ask_for_money(new, request.as_ref(), show).await?.answer()?))
}

/// `GET /payment-requests`: those that a user has made, newest first.
pub async fn list(
    visitor: Visitor,
    State(reads): State<ReadPool>,
    State(public): State<PublicUrl>,
    List(page, ListQuery { user_id }): List<ListQuery>,
) -> Result<Listed<Body>> {
    if let Some(user) = user_id {
        visitor.must_be_a_party(&[user], DateTime::<Utc>::MAX_UTC, codes::USER_NOT_FOUND)?;
    }
    let own = visitor.caller.only_user();
    let mut conn = reads.acquire_for(own).await?;
    let found = store::list(&mut conn, own.or(user_id), visitor.since, page.cursor, page.rows()).await?;
    let shown = |row| Body::new(row, Party::Payee, &public);
    Ok(page.answer_as(found, |row| row.id, shown))
}

/// `GET /payment-requests/{id}`
pub async fn show(
    visitor: Visitor,
    Path(id): Path<PaymentRequestId>,
    State(transfers): State<Transfers>,
    State(public): State<PublicUrl>,
) -> Result<Json<Body>> {
    let (row, party) = visible(&transfers, &visitor, &id).await?;
    Ok(Json(Body::new(row, party, &public)))
}

/// `GET /payment-requests/{id}/qr.svg`: the link as a QR code, for anyone.
pub async fn qr_code(
    Path(id): Path<PaymentRequestId>,
    State(transfers): State<Transfers>,
    State(public): State<PublicUrl>,
) -> Result<Svg> {
    let row = transfers.payment_request(&id).await?.ok_or(codes::PAYMENT_REQUEST_NOT_FOUND)?;
    let picture = qr_code::svg(&public.link(&path(&row.token)), QR_TITLE);
    picture.map(Svg).ok_or_else(|| ApiError::internal("the link is too long for a QR code"))
}

/// `POST /payment-requests/{id}/pay`: pays it, once.
pub async fn pay(
    visitor: Visitor,
    Authenticated(caller): Authenticated,
    Path(id): Path<PaymentRequestId>,
    DryRun(dry_run): DryRun,
    key: IdempotencyKey,
    State(transfers): State<Transfers>,
    Json(body): Json<PayBody>,
) -> Result<MadeOrTried> {
    let (row, _) = visible(&transfers, &visitor, &id).await?;
    let payer = match (caller, body.payer_id) {
        (Caller::User(user), None) => user,
        (_, Some(payer)) => payer,
        (_, None) => return Err(ApiError::new(codes::MISSING_FIELD).field("payer_id", "is missing")),
    };
    caller.must_be_one_of(&[payer])?;
    if payer == row.payee_id {
        return Err(ApiError::new(codes::SELF_TRANSFER).field("payer_id", "must be another user than the payee"));
    }
    if row.payer_email.is_some() && caller.is_service() && !row.is_for(transfers.address(payer).await?.as_deref()) {
        return Err(ApiError::new(codes::FORBIDDEN).field("payer_id", "must be the payer whom the request names"));
    }
    if dry_run {
        let tried = transfers.try_to_pay(&row, payer).await?.map_err(not_open)?;
        return match missing_party(&tried.outcome.row) {
            Some(error) => Err(error),
            None => tried::creation(tried),
        };
    }
    let route = format!("POST {}/pay", path(&id));
    let keyed = KeyedRequest::new(key, caller, &route, &PayBody { payer_id: Some(payer) });
    match transfers.pay_request(&row, payer, keyed.as_ref()).await? {
        Ok(creation) => {
            let exceeded = transfers.exceeded(&creation).await;
            answer_with(creation, |row, new| paid(row, new, exceeded))
        }
        Err(status) => Err(not_open(status)),
    }
}

/// `POST /payment-requests/{id}/decline`: the named payer does not want to pay.
pub async fn decline(
    visitor: Visitor,
    Path(id): Path<PaymentRequestId>,
    State(transfers): State<Transfers>,
    State(public): State<PublicUrl>,
) -> Result<Json<Body>> {
    let (row, party) = visible(&transfers, &visitor, &id).await?;
    // nobody declines what everybody may pay
    let may_decline = row.payer_email.is_some() && matches!(party, Party::NamedPayer | Party::Service);
    if !may_decline {
        return Err(codes::FORBIDDEN.into());
    }
    end(&transfers, &row, Ending::Declined, (visitor.caller, party), &public).await
}

/// `DELETE /payment-requests/{id}`: the payee asks no longer.
pub async fn withdraw(
    visitor: Visitor,
    Path(id): Path<PaymentRequestId>,
    State(transfers): State<Transfers>,
    State(public): State<PublicUrl>,
) -> Result<Json<Body>> {
    let (row, party) = visible(&transfers, &visitor, &id).await?;
    if !party.may_withdraw() {
        return Err(codes::FORBIDDEN.into());
    }
    end(&transfers, &row, Ending::Withdrawn, (visitor.caller, party), &public).await
}

async fn end(
    transfers: &Transfers,
    row: &PaymentRequest,
    ending: Ending,
    (caller, party): (Caller, Party),
    public: &PublicUrl,
) -> Result<Json<Body>> {
    let ended = transfers.end_request(row.id, ending, caller).await?.map_err(not_open)?;
    Ok(Json(Body::new(ended, party, public)))
}

/// The payment request as its visitor sees it, and what the visitor is to it.
async fn visible(transfers: &Transfers, visitor: &Visitor, id: &PaymentRequestId) -> Result<(PaymentRequest, Party)> {
    let row = transfers.payment_request(id).await?.ok_or(codes::PAYMENT_REQUEST_NOT_FOUND)?;
    if let Some(party) = transfers.party(&row, visitor.caller, visitor.since).await? {
        return Ok((row, party));
    }
    visitor.must_be_a_party(&[row.payee_id], row.created_at, codes::PAYMENT_REQUEST_NOT_FOUND)?;
    Err(codes::PAYMENT_REQUEST_NOT_FOUND.into())
}

fn not_open(status: RequestStatus) -> ApiError {
    ApiError::new(codes::PAYMENT_REQUEST_NOT_OPEN).detail("status", json!(status))
}

/// A transaction that pays a request, as that is answered.
fn paid(row: Transaction, new: NewTransaction, exceeded: Option<Exceeded>) -> Response {
    match missing_party(&row) {
        Some(error) => error.detail("transaction_id", row.id.get()).into_response(),
        None => created(row, new, exceeded),
    }
}

/// How the payment of a request is refused if one of its parties is not there.
fn missing_party(row: &Transaction) -> Option<ApiError> {
    match row.state.failure()? {
        Failure::UserNotFound => Some(ApiError::new(codes::USER_NOT_FOUND).field("payer_id", "does not exist")),
        // whoever asked has closed the account
        Failure::ReceiverNotFound => Some(ApiError::new(codes::RECEIVER_UNAVAILABLE)),
        _ => None,
    }
}

/// A picture.
pub struct Svg(String);

impl IntoResponse for Svg {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, SVG)], self.0).into_response()
    }
}

/// The media type of [`Svg`].
const SVG: &str = "image/svg+xml";

impl OperationOutput for Svg {
    type Inner = Self;
    fn inferred_responses(
        context: &mut GenContext,
        _: &mut openapi::Operation,
    ) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = common::describe::answers::<String>(context, 200);
        response.content = response.content.into_values().map(|content| (SVG.to_owned(), content)).collect();
        vec![(status, response)]
    }
}
