//! Lists in pages: bare JSON arrays, with a `Link: <…>; rel="next"` header (RFC 8288) while there is more.

use std::{borrow::Cow, fmt::Display, str::FromStr};

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
use mysql::scan::Stretch;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::json;
use url::form_urlencoded;

use crate::{
    as_of::{self, AsOf},
    describe,
    error::{ApiError, Result},
    extract::Query,
    fields::{self, Fields, FromFields},
};

/// Items on a page when the caller does not say.
pub const DEFAULT_LIMIT: u32 = 50;
/// The most items on a page.
pub const MAX_LIMIT: u32 = 200;

/// Where a page may begin: behind an item, which this names. The id, for most lists.
pub trait Cursor: FromStr + Display {
    /// What the text of one looks like.
    fn schema() -> serde_json::Value;
    /// True if a list may have given it.
    fn is_sane(&self) -> bool {
        true
    }
}

impl Cursor for i64 {
    fn schema() -> serde_json::Value {
        json!({"type": "integer", "minimum": 1, "maximum": Self::MAX})
    }
    fn is_sane(&self) -> bool {
        *self > 0
    }
}

/// Which page is asked for: query parameters `limit` and `cursor`.
#[derive(Debug, Clone)]
pub struct Page<C = i64> {
    /// The most items to answer.
    pub limit: u32,
    /// The last item that the caller has, if it goes on from a page.
    pub cursor: Option<C>,
    /// True if the request says which page, in whatever way.
    pub is_chosen: bool,
    uri: Uri,
}

/// A whole number from 1 to `MAX`, in a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpTo<const MAX: u32>(pub u32);

impl<const MAX: u32> JsonSchema for UpTo<MAX> {
    fn schema_name() -> Cow<'static, str> {
        "UpTo".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "minimum": 1, "maximum": MAX})
    }
}

impl<'de, const MAX: u32> Deserialize<'de> for UpTo<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|n| is_plain && (1..=MAX).contains(n));
        number.map(Self).ok_or_else(|| D::Error::custom(format!("must be a whole number from 1 to {MAX}")))
    }
}

/// Where a page begins, as a request gives it.
struct Begins<C>(C);

impl<'de, C: Cursor> Deserialize<'de> for Begins<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let cursor = String::deserialize(deserializer)?.parse().ok().filter(C::is_sane);
        cursor.map(Self).ok_or_else(|| D::Error::custom("must come from a Link header"))
    }
}

/// A page of a list, narrowed to `F`; `()` for a list that takes no filter.
pub struct List<F, C = i64>(pub Page<C>, pub F);

/// What the query of a list gives.
struct ListFields<F, C>(Option<UpTo<MAX_LIMIT>>, Option<Begins<C>>, F);

impl<F: FromFields, C: Cursor> FromFields for ListFields<F, C> {
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self> {
        let (limit, cursor, filter) = (fields.take("limit"), fields.take("cursor"), F::from_fields(fields));
        Some(Self(limit?, cursor?, filter?))
    }
}

impl<F: FromFields, C: Cursor, S: Send + Sync> FromRequestParts<S> for List<F, C> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let OriginalUri(uri) = OriginalUri::from_request_parts(parts, state).await.map_err(ApiError::internal)?;
        let ListFields(limit, cursor, filter) = fields::from_query(parts.uri.query().unwrap_or_default())?;
        let is_chosen = limit.is_some() || cursor.is_some();
        let limit = limit.map_or(DEFAULT_LIMIT, |UpTo(limit)| limit);
        Ok(Self(Page { limit, cursor: cursor.map(|Begins(cursor)| cursor), is_chosen, uri }, filter))
    }
}

impl<F: JsonSchema, C: Cursor> OperationInput for List<F, C> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let limit = json!({"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT});
        describe::takes(operation, "query", "limit", "The most items to answer.", &limit);
        describe::takes(
            operation,
            "query",
            "cursor",
            "Where the page begins: from the Link header of the one before.",
            &C::schema(),
        );
        Query::<F>::operation_input(context, operation);
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

impl<T: Serialize> IntoResponse for AsOf<Listed<T>> {
    fn into_response(self) -> Response {
        as_of::named(self.0.into_response(), self.1)
    }
}

impl<T: JsonSchema> OperationOutput for AsOf<Listed<T>> {
    type Inner = Self;
    fn inferred_responses(
        context: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, openapi::Response)> {
        let mut responses = Listed::<T>::inferred_responses(context, operation);
        for (_, response) in &mut responses {
            as_of::describe(response);
        }
        responses
    }
}

impl<T: JsonSchema> OperationOutput for Listed<T> {
    type Inner = Self;
    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = describe::answers::<Vec<T>>(context, 200);
        let link = describe::header("The next page, while there is one: <…>; rel=\"next\" (RFC 8288)");
        response.headers.insert(header::LINK.to_string(), link);
        vec![(status, response)]
    }
}

impl Page {
    /// The answer for what was found when [`Page::rows`] were asked for; `id` gives an item's cursor. A page that is not
    /// full, or empty, may have a next one: it goes on behind the last row that was looked at.
    pub fn answer<T, B: Serialize + From<T>>(self, found: Stretch<T>, id: impl Fn(&T) -> i64) -> Listed<B> {
        self.answer_as(found, id, B::from)
    }

    /// The same, where `body` makes the body of an item.
    pub fn answer_as<T, B: Serialize>(
        self,
        found: Stretch<T>,
        id: impl Fn(&T) -> i64,
        body: impl Fn(T) -> B,
    ) -> Listed<B> {
        let Stretch { items, reached } = found.truncate(self.limit, id);
        self.with_next(items.into_iter().map(body).collect(), reached)
    }
}

impl<C: Cursor> Page<C> {
    /// The answer of these items; there are more behind `next`, if there is one.
    pub fn with_next<B: Serialize>(self, items: Vec<B>, next: Option<C>) -> Listed<B> {
        let next = next.map(|cursor| self.link_after(&cursor));
        Listed { items, next: next.and_then(|link| HeaderValue::try_from(link).ok()) }
    }

    /// How many rows to read: one more than the page holds tells whether there is a next one.
    pub fn rows(&self) -> u32 {
        self.limit + 1
    }

    fn link_after(&self, cursor: &C) -> String {
        let query = self.uri.query().unwrap_or_default();
        let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "cursor");
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("cursor", &cursor.to_string())
            .finish();
        format!("<{}?{query}>; rel=\"next\"", self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use lab::http::{Api, serve};

    use super::*;

    /// A list of the numbers from 1 to 5, of which even ones are not shown.
    async fn numbers(List(page, ()): List<()>) -> Listed<i64> {
        let after = page.cursor.unwrap_or(0);
        let looked_at: Vec<i64> = (after + 1..=5).take(page.rows() as usize).collect();
        let reached = looked_at.last().copied().filter(|last| *last < 5);
        let items = looked_at.into_iter().filter(|number| number % 2 == 1).collect();
        page.answer(Stretch { items, reached }, |number| *number)
    }

    async fn api() -> Api {
        Api::new(serve(Router::new().route("/numbers", get(numbers))).await)
    }

    #[tokio::test]
    async fn links_lead_through_a_list_page_by_page_and_the_last_page_has_none() {
        let api = api().await;
        for limit in [1, 2, 3, 200] {
            let (mut seen, mut next) = (Vec::new(), Some(format!("/numbers?limit={limit}")));
            while let Some(path) = next {
                let page = api.get(&path).await.expect(200);
                let items: Vec<i64> = serde_json::from_value(page.json.clone()).unwrap();
                assert!(items.len() <= limit);
                seen.extend(items);
                next = page.next();
            }
            assert_eq!(seen, [1, 3, 5], "{limit} at a time");
        }
    }

    #[tokio::test]
    async fn what_is_no_page_is_refused_by_name() {
        let api = api().await;
        for (query, field) in [
            ("limit=0", "limit"),
            ("limit=201", "limit"),
            ("limit=+5", "limit"),
            ("limit=1e2", "limit"),
            ("cursor=0", "cursor"),
            ("cursor=-1", "cursor"),
            ("cursor=9223372036854775808", "cursor"),
        ] {
            let refused = api.get(&format!("/numbers?{query}")).await.expect(400);
            assert!(refused["fields"][field].is_string(), "{query}: {}", refused.text);
        }
        let unknown = api.get("/numbers?page=2").await.expect(400);
        assert!(unknown["fields"]["page"].is_string(), "{}", unknown.text);
    }

    #[tokio::test]
    async fn a_link_keeps_what_else_was_asked_for() {
        let uri = "/numbers?limit=2&from=2025-11-01T00%3A00%3A00%2B07%3A00&cursor=3".parse().unwrap();
        let page = Page { limit: 2, cursor: Some(3), is_chosen: true, uri };
        let link = "</numbers?limit=2&from=2025-11-01T00%3A00%3A00%2B07%3A00&cursor=7>; rel=\"next\"";
        assert_eq!(page.link_after(&7), link);
    }
}
