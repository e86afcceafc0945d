//! Answers that were true at a moment, which a header names.

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{self, Operation},
};
use axum::{
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{describe, headers::DATA_AS_OF};

/// A JSON answer, and the moment at which it was true if it is not simply up to date.
#[derive(Debug)]
pub struct AsOf<T>(pub T, pub Option<DateTime<Utc>>);

/// The moment that the headers of an answer name.
pub fn moment(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    headers.get(DATA_AS_OF)?.to_str().ok()?.parse().ok()
}

impl<T: Serialize> IntoResponse for AsOf<T> {
    fn into_response(self) -> Response {
        named(axum::Json(self.0).into_response(), self.1)
    }
}

/// An answer that names the moment, if there is one.
pub fn named(mut response: Response, moment: Option<DateTime<Utc>>) -> Response {
    let moment = moment.map(|moment| moment.to_rfc3339_opts(SecondsFormat::Micros, true));
    if let Some(value) = moment.and_then(|text| HeaderValue::try_from(text).ok()) {
        response.headers_mut().insert(DATA_AS_OF, value);
    }
    response
}

/// Describes the header of an answer that may name a moment.
pub fn describe(response: &mut openapi::Response) {
    let header = describe::header("The moment at which the answer was true, exactly; without it, it is up to date.");
    response.headers.insert(DATA_AS_OF.to_string(), header);
}

impl<T: JsonSchema> OperationOutput for AsOf<T> {
    type Inner = Self;
    fn inferred_responses(context: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, openapi::Response)> {
        let (status, mut response) = describe::answers::<T>(context, 200);
        describe(&mut response);
        vec![(status, response)]
    }
}
