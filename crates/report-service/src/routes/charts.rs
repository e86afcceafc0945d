//! Charts.

use aide::{OperationOutput, generate::GenContext, openapi};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use common::{Result, caller::Viewer, describe, extract::Query, headers::DATA_AS_OF, request};
use money::time::{self, Bound, written};

use super::statements::{Zone, language, period_or};
use crate::{
    app::{chart::last_days, sync::Sync},
    domain::{
        chart::{self, Theme},
        entry::Whose,
        language::Language,
    },
    state::Wallet,
};

const SVG: &str = "image/svg+xml";
/// A picture brings its own styles, and nothing else.
const POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");

request! {
    /// What a chart of a balance shows, and how.
    pub struct BalanceQuery {
        /// The first day, or the moment with which it begins. It comes with `to`; without both, the last thirty days are shown.
        from: Option<Bound>,
        /// The last day, which belongs to it, or the moment before which it ends.
        to: Option<Bound>,
        /// Where days begin: the wallet's own time zone, if it is absent.
        timezone: Option<Zone>,
        /// The language: what Accept-Language says, if it is absent.
        lang: Option<Language>,
        /// The colours: those that whoever looks at it prefers, if it is absent.
        theme: Option<Theme>,
    }
}

request! {
    /// How money in and out is shown.
    pub struct FlowQuery {
        /// Where months begin: the wallet's own time zone, if it is absent.
        timezone: Option<Zone>,
        /// The language: what Accept-Language says, if it is absent.
        lang: Option<Language>,
        /// The colours: those that whoever looks at it prefers, if it is absent.
        theme: Option<Theme>,
    }
}

/// A picture, and before which moment all that was committed in the ledger is in it.
pub struct Chart {
    svg: String,
    language: Language,
    moment: DateTime<Utc>,
}

impl IntoResponse for Chart {
    fn into_response(self) -> Response {
        let mut response = self.svg.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SVG));
        headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(self.language.tag()));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        if let Ok(moment) = HeaderValue::try_from(written(self.moment)) {
            headers.insert(DATA_AS_OF, moment);
        }
        response
    }
}

impl OperationOutput for Chart {
    type Inner = Self;
    fn inferred_responses(
        context: &mut GenContext,
        _: &mut openapi::Operation,
    ) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = describe::answers::<String>(context, 200);
        response.content = response.content.into_values().map(|content| (SVG.to_owned(), content)).collect();
        let as_of = describe::header("All that was committed in the ledger before this moment is in the answer.");
        response.headers.insert(DATA_AS_OF.to_string(), as_of);
        response.headers.insert(header::CONTENT_LANGUAGE.to_string(), describe::header("The language of its words."));
        vec![(status, response)]
    }
}

/// `GET /charts/user/{user_id}/balance.svg`: a user's balance over time.
pub async fn balance(
    Viewer { user, since }: Viewer,
    headers: HeaderMap,
    State(sync): State<Sync>,
    State(wallet): State<Wallet>,
    Query(query): Query<BalanceQuery>,
) -> Result<Chart> {
    let zone = query.timezone.map_or(wallet.timezone, |Zone(zone)| zone);
    let period = period_or(query.from, query.to, zone, || last_days(time::now(), zone))?;
    let language = language(query.lang, &headers);
    let (balances, moment) = sync.balances(Whose::of(user, since), period).await?;
    let svg = chart::balance(&balances, &wallet.currency, language, query.theme.unwrap_or_default());
    Ok(Chart { svg, language, moment })
}

/// `GET /charts/user/{user_id}/flow.svg`: what came in and went out of a user's account, by month.
pub async fn flow(
    Viewer { user, since }: Viewer,
    headers: HeaderMap,
    State(sync): State<Sync>,
    State(wallet): State<Wallet>,
    Query(query): Query<FlowQuery>,
) -> Result<Chart> {
    let zone = query.timezone.map_or(wallet.timezone, |Zone(zone)| zone);
    let language = language(query.lang, &headers);
    let (months, moment) = sync.months(Whose::of(user, since), zone, time::now()).await?;
    let svg = chart::flow(&months, &wallet.currency, language, query.theme.unwrap_or_default());
    Ok(Chart { svg, language, moment })
}
