//! `?dry_run=true`: a request that is answered as if it were carried out, and changes nothing.

use std::{borrow::Cow, marker::PhantomData};

use aide::{OperationInput, generate::GenContext, openapi::Operation};
use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use money::Money;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    error::{ApiError, Result},
    extract::{Json, Query},
    request,
    standing::{AccountBalances, AccountLimits, Standing},
};

request! {
    /// Whether a request is only tried.
    pub struct DryRunQuery {
        /// Whether nothing is to change: the answer is the real one, with `dry_run` and what the caller's account would then have, and
        /// without `id`. An `Idempotency-Key` beside it is ignored. No, if it is absent.
        dry_run: Option<bool>,
    }
}

/// True if the request is only tried. Routes without it refuse the parameter, as any that they do not know.
pub struct DryRun(pub bool);

impl<S: Send + Sync> FromRequestParts<S> for DryRun {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Query(DryRunQuery { dry_run }) = Query::from_request_parts(parts, state).await?;
        Ok(Self(dry_run.unwrap_or(false)))
    }
}

impl OperationInput for DryRun {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        Query::<DryRunQuery>::operation_input(context, operation);
    }
}

/// What a request is answered that was only tried: the members of `B` without `id`, and how the caller's account would then stand.
pub struct Tried<B> {
    status: StatusCode,
    body: Value,
    real: PhantomData<B>,
}

impl<B: Serialize> Tried<B> {
    /// The answer to a request that would be answered with `status` and `body`, would cost `fee`, and after which the caller's account
    /// would stand so, if it has one.
    pub fn new(status: StatusCode, body: &B, fee: Money, standing: Option<Standing>) -> Self {
        let mut body = json!(body);
        if let Some(members) = body.as_object_mut() {
            members.remove(ID);
            members.insert("dry_run".into(), json!(true));
            members.insert("fee".into(), json!(fee));
            if let Some(Standing { balances, limits }) = standing {
                members.insert("balances".into(), json!(balances));
                members.extend(limits.map(|limits| ("limits".to_owned(), json!(limits))));
            }
        }
        Self { status, body, real: PhantomData }
    }
}

impl<B> IntoResponse for Tried<B> {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

/// The member that names what a request has made; one that was tried has made nothing.
const ID: &str = "id";

impl<B: JsonSchema> JsonSchema for Tried<B> {
    fn schema_name() -> Cow<'static, str> {
        format!("Tried{}", B::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = B::json_schema(generator);
        let added = json!({
            "dry_run": {"type": "boolean", "const": true, "description": "Nothing has changed."},
            "fee": described(&generator.subschema_for::<Money>(), "What of it is a fee."),
            "balances": described(&generator.subschema_for::<AccountBalances>(), "What the caller's own account would have; of a service's request, the sender's."),
            "limits": described(&generator.subschema_for::<AccountLimits>(), "Its limits, and how far they would be used, if any apply."),
        });
        let described = schema.ensure_object();
        described.remove("examples");
        if let Some(members) = described.get_mut("properties").and_then(Value::as_object_mut) {
            members.remove(ID);
            members.extend(added.as_object().cloned().into_iter().flatten());
        }
        if let Some(required) = described.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name != ID);
            required.extend([json!("dry_run"), json!("fee")]);
        }
        schema
    }
}

fn described(schema: &Schema, description: &str) -> Value {
    json!({"allOf": [schema], "description": description})
}

/// A `B`, or what is answered in its place if the request was only tried; it only describes an answer.
pub struct OrTried<B>(PhantomData<B>);

impl<B: JsonSchema> JsonSchema for OrTried<B> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrTried", B::schema_name()).into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let examples = B::json_schema(generator).remove("examples");
        let both = [generator.subschema_for::<B>(), generator.subschema_for::<Tried<B>>()];
        let mut schema = json_schema!({"anyOf": both});
        if let Some(examples) = examples {
            schema.insert("examples".to_owned(), examples);
        }
        schema
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::post};
    use lab::http::{Api, serve};

    use super::*;

    #[tokio::test]
    async fn what_is_misspelt_is_refused_and_not_carried_out() {
        let tried = async |DryRun(dry_run): DryRun| dry_run.to_string();
        let api = Api::new(serve(Router::new().route("/tried", post(tried))).await);
        for (query, dry_run) in [("", "false"), ("?dry_run=false", "false"), ("?dry_run=true", "true")] {
            assert_eq!(api.post_empty(&format!("/tried{query}")).await.expect(200).text, dry_run);
        }
        for query in
            ["dry_run=1", "dry_run=", "dry_run", "dry_run=True", "dryrun=true", "dry-run=true", "dry_run=true&x=1"]
        {
            let _ = api.post_empty(&format!("/tried?{query}")).await.expect(400);
        }
    }

    #[test]
    fn an_answer_says_that_it_was_tried_and_names_nothing() {
        let body = json!({"id": 7, "balance": 5});
        let balances = AccountBalances { available: 5.into(), held: 0.into() };
        let standing = Standing { balances, limits: None };
        let tried = |standing| Tried::new(StatusCode::OK, &body, Money::ZERO, standing).body;
        let expected = json!({"balance": 5, "dry_run": true, "fee": 0, "balances": {"available": 5, "held": 0}});
        assert_eq!(tried(Some(standing)), expected);
        assert_eq!(tried(None), json!({"balance": 5, "dry_run": true, "fee": 0}), "whoever has no account");
    }
}
