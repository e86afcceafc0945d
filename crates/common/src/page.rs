//! Lists in pages: bare JSON arrays, with a `Link: <…>; rel="next"` header (RFC 8288) while there is more.

use aide::{
    OperationInput, OperationOutput,
    generate::GenContext,
    openapi::{self, Operation},
};
use axum::{
    extract::{FromRequestParts, OriginalUri},
    http::{HeaderValue, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::json;
use url::form_urlencoded;

use crate::{ApiError, Code, Result, http::api};

/// Items on a page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most items on a page.
pub const MAX_LIMIT: u32 = 200;

/// Which page is asked for: query parameters `limit` and `cursor`. Other parameters are left to [`crate::extract::Query`].
#[derive(Debug, Clone)]
pub struct Page {
    /// The most items to answer.
    pub limit: u32,
    /// The id of the last item that the caller has, if it goes on from a page.
    pub cursor: Option<i64>,
    uri: Uri,
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let OriginalUri(uri) = OriginalUri::from_request_parts(parts, state).await.map_err(ApiError::internal)?;
        let mut page = Self { limit: DEFAULT_LIMIT, cursor: None, uri };
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "limit" => {
                    page.limit = value.parse().ok().filter(|n| (1..=MAX_LIMIT).contains(n)).ok_or_else(|| {
                        ApiError::invalid("limit", format!("must be a whole number from 1 to {MAX_LIMIT}"))
                    })?;
                }
                "cursor" => {
                    let id = value.parse().ok().filter(|n| *n > 0);
                    page.cursor = Some(id.ok_or_else(|| ApiError::invalid("cursor", "must come from a Link header"))?);
                }
                _ => {}
            }
        }
        Ok(page)
    }
}

impl OperationInput for Page {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT});
        api::takes(operation, "query", "limit", "The most items to answer.", &limit);
        let cursor = json!({"type": "integer", "minimum": 1, "maximum": i64::MAX});
        api::takes(
            operation,
            "query",
            "cursor",
            "Where the page begins: from the Link header of the one before.",
            &cursor,
        );
        api::refuses(operation, &[Code::InvalidValue]);
    }
}

/// The items of a page, and where the next one is.
pub struct Listed<T> {
    items: Vec<T>,
    next: Option<HeaderValue>,
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let mut response = axum::Json(self.items).into_response();
        if let Some(link) = self.next {
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}

impl<T: JsonSchema> OperationOutput for Listed<T> {
    type Inner = Self;
    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = api::answers::<Vec<T>>(context, 200);
        let link = api::header("The next page, while there is one: <…>; rel=\"next\" (RFC 8288)");
        response.headers.insert(header::LINK.to_string(), link);
        vec![(status, response)]
    }
}

impl Page {
    /// How many rows to read: one more than the page holds tells whether there is a next one.
    pub fn rows(&self) -> u32 {
        self.limit + 1
    }

    /// The answer for `items`, of which [`Page::rows`] were asked for; `id` gives an item's cursor.
    pub fn answer<T: Serialize>(self, mut items: Vec<T>, id: impl Fn(&T) -> i64) -> Listed<T> {
        let more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        let next = items.last().filter(|_| more).map(|last| self.link_after(id(last)));
        Listed { items, next: next.and_then(|link| HeaderValue::try_from(link).ok()) }
    }

    fn link_after(&self, cursor: i64) -> String {
        let query = self.uri.query().unwrap_or_default();
        let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("cursor", &cursor.to_string())
            .finish();
        format!("<{}?{query}>; rel=\"next\"", self.uri.path())
    }
}

/// The query of a list that takes nothing but a page. Extracting it refuses every other parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListQuery {
    #[serde(rename = "limit")]
    #[schemars(skip)]
    _limit: Option<IgnoredAny>,
    #[serde(rename = "cursor")]
    #[schemars(skip)]
    _cursor: Option<IgnoredAny>,
}
