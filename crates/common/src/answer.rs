//! What handlers answer, and how that is described.

use std::marker::PhantomData;

use aide::{
    OperationOutput,
    generate::GenContext,
    openapi::{self, Operation},
};
use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{describe::answers, error::ApiError, extract::Json};

/// A JSON body with another status than 200.
pub struct WithStatus<const STATUS: u16, T>(pub T);

/// 201 with a JSON body.
pub type Created<T> = WithStatus<201, T>;
/// 202 with a JSON body: the outcome is not known yet.
pub type Accepted<T> = WithStatus<202, T>;

impl<const STATUS: u16, T: Serialize> IntoResponse for WithStatus<STATUS, T> {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(STATUS).expect("a status that the code names");
        (status, Json(self.0)).into_response()
    }
}

/// A finished response, which is described as a `T`.
pub struct Reply<T>(Response, PhantomData<T>);

/// Either of two answers, in the description of a [`Reply`].
pub struct Either<A, B>(PhantomData<(A, B)>);

impl<T> Reply<T> {
    /// The reply for anything that can be answered.
    pub fn new(response: impl IntoResponse) -> Self {
        Self(response.into_response(), PhantomData)
    }
}

impl<T> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

/// Describes answers by [`OperationOutput::inferred_responses`] alone.
macro_rules! output {
    ([$($parameters:tt)*] $type:ty, $described:expr) => {
        impl<$($parameters)*> OperationOutput for $type {
            type Inner = Self;
            fn inferred_responses(
                context: &mut GenContext,
                operation: &mut Operation,
            ) -> Vec<(Option<u16>, openapi::Response)> {
                $described(context, operation)
            }
        }
    };
}

output!([const STATUS: u16, T: JsonSchema] WithStatus<STATUS, T>, |context, _| vec![answers::<T>(context, STATUS)]);
output!([T: JsonSchema] Json<T>, |context, _| vec![answers::<T>(context, 200)]);
output!([T: OperationOutput] Reply<T>, |context, operation| T::inferred_responses(context, operation));
output!([A: OperationOutput, B: OperationOutput] Either<A, B>, |context: &mut _, operation: &mut _| {
    let mut both = A::inferred_responses(context, operation);
    both.extend(B::inferred_responses(context, operation));
    both
});

impl OperationOutput for ApiError {
    type Inner = Self;
}

/// A sentence on what was done.
#[derive(Serialize, JsonSchema)]
#[schemars(example = json!({"message": "User deleted successfully"}))]
pub struct Message {
    /// The sentence.
    pub message: &'static str,
}
