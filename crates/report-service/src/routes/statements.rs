//! Statements.

use aide::{OperationOutput, generate::GenContext, openapi};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use common::{
    ApiError, Result,
    caller::{Viewer, address::ClientAddress},
    describe,
    extract::{Json, Path, Query},
    headers::DATA_AS_OF,
    request,
};
use money::{
    Money, UserId,
    time::{Bound, written},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    app::{statement::Asked, sync::Sync, verify::Verifications},
    codes,
    domain::{
        accept::{Format, NoFormat},
        entry::Whose,
        language::Language,
        period::{ClosedPeriod, InvalidPeriod},
        statement::Item,
        verification::TypedCode,
    },
    state::Wallet,
};

/// A time zone of the IANA database.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline)]
pub struct Zone(#[schemars(with = "String")] pub Tz);

impl TryFrom<String> for Zone {
    type Error = &'static str;
    fn try_from(name: String) -> Result<Self, &'static str> {
        name.parse().map(Self).map_err(|_| "must be a time zone of the IANA database like Asia/Jakarta")
    }
}

request! {
    /// What a statement is about, and in which form.
    pub struct StatementQuery {
        /// The first day, or the moment with which it begins.
        #[schemars(example = "2026-11-01")]
        from: Bound,
        /// The last day, which belongs to it, or the moment before which it ends.
        #[schemars(example = "2026-11-30")]
        to: Bound,
        /// Where days begin: the wallet's own time zone, if it is absent.
        timezone: Option<Zone>,
        /// The form, in place of what Accept says; they may not contradict each other.
        format: Option<Format>,
        /// The language of a PDF: what Accept-Language says, if it is absent.
        lang: Option<Language>,
    }
}

/// A statement, of which [`crate::domain::statement`] writes one piece after the other.
#[derive(JsonSchema)]
#[schemars(rename = "Statement", example = json!({
    "user_id": 7,
    "name": "Ani Putri",
    "currency": "IDR",
    "timezone": "Asia/Jakarta",
    "from": "2026-10-31T17:00:00.000000Z",
    "to": "2026-11-30T17:00:00.000000Z",
    "opening_balance": 0,
    "closing_balance": 75_000.5,
    "total_in": 100_000.5,
    "total_out": 25_000,
    "entries": [{
        "id": 11,
        "created_at": "2026-11-12T10:30:00.000000Z",
        "kind": "topup",
        "amount": 100_000.5,
        "balance_after": 100_000.5,
        "counterparty": null,
        "transaction_id": null,
        "reference": "INV-7",
        "description": null,
    }, {
        "id": 14,
        "created_at": "2026-11-13T08:00:00.000000Z",
        "kind": "transfer",
        "amount": -25_000,
        "balance_after": 75_000.5,
        "counterparty": {"id": 2, "display_name": "Jane D."},
        "transaction_id": 10,
        "reference": null,
        "description": "Lunch",
    }],
}))]
#[expect(dead_code, reason = "it describes what is written without it")]
struct StatementBody {
    user_id: UserId,
    /// What the user is called.
    name: String,
    currency: String,
    timezone: String,
    /// It begins with this moment.
    from: DateTime<Utc>,
    /// It ends before this moment.
    to: DateTime<Utc>,
    opening_balance: Money,
    closing_balance: Money,
    /// By how much the balance rose.
    total_in: Money,
    /// By how much it fell; not negative.
    total_out: Money,
    /// Oldest first.
    entries: Vec<Item<'static>>,
}

/// A statement in one of its forms.
pub struct Statement(Response);

impl IntoResponse for Statement {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Statement {
    type Inner = Self;
    fn inferred_responses(
        context: &mut GenContext,
        _: &mut openapi::Operation,
    ) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = describe::answers::<StatementBody>(context, 200);
        let text = describe::answers::<String>(context, 200).1.content.into_values().next().unwrap_or_default();
        for format in [Format::Csv, Format::Pdf] {
            response.content.insert(format.media_type().to_owned(), text.clone());
        }
        let as_of = describe::header("All that was committed in the ledger before this moment is in the answer.");
        response.headers.insert(DATA_AS_OF.to_string(), as_of);
        response.headers.insert(header::CONTENT_LANGUAGE.to_string(), describe::header("The language of a PDF."));
        let name = describe::header("The name of the file; not of JSON.");
        response.headers.insert(header::CONTENT_DISPOSITION.to_string(), name);
        vec![(status, response)]
    }
}

/// `GET /statements/user/{user_id}`: what moved a user's balance in a period.
pub async fn show(
    Viewer { user, since }: Viewer,
    headers: HeaderMap,
    State(sync): State<Sync>,
    State(wallet): State<Wallet>,
    Query(query): Query<StatementQuery>,
) -> Result<Statement> {
    let zone = query.timezone.map_or(wallet.timezone, |Zone(zone)| zone);
    let period = ClosedPeriod::between(query.from, query.to, zone).map_err(invalid_period)?;
    let format = negotiated(query.format, &headers)?;
    let language = language(query.lang, &headers);
    let asked = Asked { whose: Whose::of(user, since), period, format, language, currency: wallet.currency };
    let (body, moment) = sync.statement(asked).await?;
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.insert(DATA_AS_OF, text(&written(moment))?);
    if format != Format::Json {
        let (first, last, extension) = (period.first_day(), period.last_day(), format.extension());
        let attachment = format!("attachment; filename=\"statement-{user}-{first}-{last}.{extension}\"");
        headers.insert(header::CONTENT_DISPOSITION, text(&attachment)?);
    }
    Ok(Statement(response))
}

/// What anybody may be told of a statement that was issued.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "VerifiedStatement", example = json!({
    "display_name": "Ani P.",
    "from": "2026-10-31T17:00:00.000000Z",
    "to": "2026-11-30T17:00:00.000000Z",
    "opening_balance": 0,
    "closing_balance": 75_000.5,
    "total_in": 100_000.5,
    "total_out": 25_000,
    "entries": 2,
    "issued_at": "2026-12-01T02:03:04.000000Z",
}))]
pub struct Verified {
    /// First word, and the last one's initial.
    display_name: String,
    #[schemars(with = "DateTime<Utc>")]
    from: String,
    #[schemars(with = "DateTime<Utc>")]
    to: String,
    opening_balance: Money,
    closing_balance: Money,
    total_in: Money,
    total_out: Money,
    /// How many it lists.
    entries: i64,
    #[schemars(with = "DateTime<Utc>")]
    issued_at: String,
}

/// `GET /statements/verify/{code}`: what a statement says, for whoever has got it from somebody.
pub async fn verify(
    ClientAddress(client): ClientAddress,
    Path(TypedCode(code)): Path<TypedCode>,
    State(sync): State<Sync>,
    State(verifications): State<Verifications>,
) -> Result<Json<Verified>> {
    verifications.admit(client)?;
    let code = code.ok_or(codes::STATEMENT_NOT_FOUND)?;
    let (issued, display_name) = sync.verified(&code).await?.ok_or(codes::STATEMENT_NOT_FOUND)?;
    Ok(Json(Verified {
        display_name,
        from: written(issued.begins_at),
        to: written(issued.ends_at),
        opening_balance: issued.opening_balance,
        closing_balance: issued.closing_balance,
        total_in: issued.total_in,
        total_out: issued.total_out,
        entries: issued.entries,
        issued_at: written(issued.issued_at),
    }))
}

/// The period between two bounds, which come together; `otherwise` without both.
pub(super) fn period_or(
    from: Option<Bound>,
    to: Option<Bound>,
    zone: Tz,
    otherwise: impl FnOnce() -> ClosedPeriod,
) -> Result<ClosedPeriod> {
    match (from, to) {
        (Some(from), Some(to)) => ClosedPeriod::between(from, to, zone).map_err(invalid_period),
        (None, None) => Ok(otherwise()),
        (Some(_), None) => Err(ApiError::invalid("to", "must be given with from")),
        (None, Some(_)) => Err(ApiError::invalid("from", "must be given with to")),
    }
}

/// 400 for a period that is none.
fn invalid_period(invalid: InvalidPeriod) -> ApiError {
    ApiError::invalid("to", invalid.to_string())
}

/// The language that is asked for, or else the one that `Accept-Language` wants.
pub(super) fn language(asked: Option<Language>, headers: &HeaderMap) -> Language {
    asked.or_else(|| Language::accepted(&all(headers, &header::ACCEPT_LANGUAGE)?)).unwrap_or_default()
}

fn negotiated(asked: Option<Format>, headers: &HeaderMap) -> Result<Format> {
    Format::negotiated(asked, all(headers, &header::ACCEPT).as_deref()).map_err(|none| match none {
        NoFormat::Contradiction => ApiError::invalid("format", "must be one that the Accept header takes"),
        NoFormat::NoneAccepted => codes::NOT_ACCEPTABLE.into(),
    })
}

/// All values of a header, as the one that they stand for together.
fn all(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let values: Vec<&str> = values.collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn text(value: &str) -> Result<HeaderValue> {
    HeaderValue::try_from(value).map_err(ApiError::internal)
}
