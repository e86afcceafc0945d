//! Who lets money come in.

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    extract::{FromRef, FromRequestParts},
    http::request::Parts,
};
use common::{
    ApiError, Result,
    caller::{Caller, Gatekeeper, Owner},
    describe,
};

use crate::{codes, state::SelfTopup};

/// A service, for the user whom the path names; that user too where users may top up by themselves.
pub struct Funder(pub Owner);

impl<S: Send + Sync> FromRequestParts<S> for Funder
where
    Gatekeeper: FromRef<S>,
    SelfTopup: FromRef<S>,
{
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let owner = Owner::from_request_parts(parts, state).await?;
        let SelfTopup(allowed) = SelfTopup::from_ref(state);
        match owner.caller {
            Caller::User(_) if !allowed => Err(codes::TOPUP_NOT_ALLOWED.into()),
            _ => Ok(Self(owner)),
        }
    }
}

impl OperationInput for Funder {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        Owner::operation_input(context, operation);
        describe::refuses(operation, &[codes::TOPUP_NOT_ALLOWED]);
    }
}
