//! Who a request proves its sender to be.

use std::{iter, sync::Arc};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use chrono::{DateTime, Utc};
use money::time;
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

use super::{
    account::Accounts,
    identity::{Credential, Identity},
    revocation::Revocations,
    token::{Grant, Verifier},
    who::{Caller, ServiceName},
};
use crate::{
    code::Code,
    codes,
    config::{HttpConfig, Mode, ServiceConfig},
    error::Result,
    headers::{SERVICE_NAME, SERVICE_TOKEN},
};

/// A caller whom a guard may let in.
#[derive(Clone, Copy)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    /// If a user calls: when its account was opened.
    pub(super) since: Option<DateTime<Utc>>,
}

/// Knows the secrets by which callers prove who they are. Cheap to clone; part of every service's state.
#[derive(Clone)]
pub struct Gatekeeper(Arc<Secrets>);

struct Secrets {
    mode: Mode,
    /// Any of them proves a service.
    service_tokens: Vec<SecretString>,
    metrics_token: Option<SecretString>,
    tokens: Verifier,
    /// Without them no user is let in.
    accounts: Option<Accounts>,
    revocations: Revocations,
    http: HttpConfig,
}

impl Gatekeeper {
    /// A gatekeeper with the service's secrets, which looks in `accounts` whether a user's account is still the one that a
    /// token was given to. Without them no user is let in.
    pub fn new(config: &ServiceConfig, accounts: Option<Accounts>) -> Self {
        let also = config.service_token_also.clone();
        Self(Arc::new(Secrets {
            mode: config.mode,
            service_tokens: iter::once(config.service_token.clone()).chain(also).collect(),
            metrics_token: config.metrics_token.clone(),
            tokens: Verifier::new(config),
            accounts,
            revocations: Revocations::default(),
            http: config.http.clone(),
        }))
    }

    /// The revocations that this gatekeeper heeds, for the worker that keeps them up to date.
    pub fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    /// Whether the routes that are documented without a header are open.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// The settings of the middleware.
    pub fn http(&self) -> &HttpConfig {
        &self.0.http
    }

    /// Who the headers say that the request comes from, without a look at its account. A token that is known to have ended is as a wrong
    /// one: whoever found it must not use up what its owner may ask for.
    pub fn identify(&self, headers: &HeaderMap) -> Identity {
        let ended = |grant: &Grant| self.0.revocations.have_surely_ended(grant) && !grant.has_expired(time::now());
        Identity(match self.credential(headers) {
            Ok(Credential::User(grant)) if ended(&grant) => Err(codes::TOKEN_REVOKED),
            credential => credential,
        })
    }

    /// The caller that a request proves, whose identity was read when it arrived, or is read now.
    pub(super) async fn admit(&self, parts: &Parts) -> Result<Admitted> {
        self.prove(parts.extensions.get().copied().unwrap_or_else(|| self.identify(&parts.headers))).await
    }

    /// The caller that an identity proves. A credential that is shown must be right, even where none is needed.
    async fn prove(&self, Identity(credential): Identity) -> Result<Admitted> {
        let grant = match credential? {
            Credential::Nothing => return Ok(Admitted { caller: Caller::Anyone, since: None }),
            Credential::Service(name) => return Ok(Admitted { caller: Caller::Service(name), since: None }),
            Credential::User(grant) => grant,
        };
        let Secrets { accounts, revocations, .. } = &*self.0;
        let accounts = accounts.as_ref().ok_or(codes::SERVICE_UNAVAILABLE)?;
        if revocations.are_awaited() {
            return Err(codes::SERVICE_UNAVAILABLE.into());
        }
        let expired = |now| if grant.has_expired(now) { Err(codes::TOKEN_EXPIRED.into()) } else { Ok(()) };
        let reading = match accounts.of_token(&grant).await {
            Ok(reading) => reading,
            Err(refusal) if refusal.status() == StatusCode::UNAUTHORIZED => return Err(refusal),
            // nobody can say what time it is on the clock that counts
            Err(refusal) => return expired(time::now()).and(Err(refusal)),
        };
        // the clocks of instances differ
        expired(reading.map_or_else(time::now, |reading| reading.now()))?;
        let account = reading.map(|reading| reading.account);
        if revocations.have_ended(&grant, account.as_ref()) {
            return Err(codes::TOKEN_REVOKED.into());
        }
        Ok(Admitted { caller: Caller::User(grant.user), since: account.map(|account| account.created_at) })
    }

    fn credential(&self, headers: &HeaderMap) -> std::result::Result<Credential, Code> {
        if let Some(token) = headers.get(SERVICE_TOKEN) {
            let is = |expected: &SecretString| token.as_bytes().ct_eq(expected.expose_secret().as_bytes());
            // all of them are compared, so that the time does not tell which one it is
            let known = self.0.service_tokens.iter().map(is).fold(Choice::from(0), |any, one| any | one);
            return if bool::from(known) {
                name(headers).map(Credential::Service)
            } else {
                Err(codes::INVALID_SERVICE_TOKEN)
            };
        }
        match headers.get(header::AUTHORIZATION).map(bearer) {
            // clients send the header without a token before they have one
            None | Some(Some("")) => Ok(Credential::Nothing),
            Some(None) => Err(codes::INVALID_TOKEN),
            Some(Some(token)) => self.0.tokens.read(token).map(Credential::User),
        }
    }

    /// Whether the headers show the token for the metrics.
    pub(super) fn is_monitor(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(bearer).unwrap_or_default();
        let expected = self.0.metrics_token.as_ref();
        expected.is_some_and(|expected| shown.as_bytes().ct_eq(expected.expose_secret().as_bytes()).into())
    }
}

/// The name of the service that sends the headers.
fn name(headers: &HeaderMap) -> std::result::Result<Option<ServiceName>, Code> {
    let name = headers.get(SERVICE_NAME).map(|name| name.to_str().ok().and_then(|name| name.parse().ok()));
    name.map(|name| name.ok_or(codes::INVALID_SERVICE_NAME)).transpose()
}

/// The token of an `Authorization: Bearer …` (RFC 6750), empty if none follows; `None` if it is something else.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let value = value.to_str().ok()?.trim();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    (scheme.is_empty() || scheme.eq_ignore_ascii_case("bearer")).then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;
    use money::UserId;

    use super::*;
    use crate::{
        caller::{Grant, MAX_TOKEN_SECONDS, Signer},
        config::Env,
    };

    fn config(variables: &'static [(&str, &str)]) -> ServiceConfig {
        let mut env = Env::new(move |name| match name {
            "APP_ENV" => Some("development".to_owned()),
            _ => variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        });
        env.service("user-service", 5001, "digital_wallet")
    }

    fn caller(config: &ServiceConfig, name: HeaderName, value: &str) -> std::result::Result<Caller, Code> {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        Gatekeeper::new(config, None).identify(&headers).caller()
    }

    fn grant(issued_at: DateTime<Utc>, seconds: i64) -> Grant {
        Grant::of(UserId::try_from(7).unwrap(), i64::MIN, 3, issued_at, seconds)
    }

    #[test]
    fn two_service_tokens_are_accepted_so_that_one_can_be_replaced() {
        let both = config(&[("SERVICE_TOKEN", "new"), ("SERVICE_TOKEN_ALSO", "old")]);
        for token in ["new", "old"] {
            assert_eq!(caller(&both, SERVICE_TOKEN, token).unwrap(), Caller::Service(None));
        }
        for token in ["", "newold", "ol", "service_shared_secret_change_this"] {
            assert!(caller(&both, SERVICE_TOKEN, token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn a_service_may_say_its_name_and_the_name_alone_proves_nothing() {
        let config = config(&[("SERVICE_TOKEN", "token")]);
        let identify = |headers: &[(HeaderName, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
            Gatekeeper::new(&config, None).identify(&headers.collect()).caller()
        };
        let named = |name| identify(&[(SERVICE_TOKEN, "token"), (SERVICE_NAME, name)]);
        assert_eq!(named("shop"), Ok(Caller::Service(Some("shop".parse().unwrap()))));
        for wrong in ["", "A Shop", &"x".repeat(33)] {
            assert_eq!(named(wrong), Err(codes::INVALID_SERVICE_NAME), "{wrong:?}");
        }
        assert_eq!(identify(&[(SERVICE_NAME, "shop")]), Ok(Caller::Anyone));
        assert_eq!(identify(&[(SERVICE_TOKEN, "guess"), (SERVICE_NAME, "!")]), Err(codes::INVALID_SERVICE_TOKEN));
    }

    #[test]
    fn two_secrets_for_access_tokens_are_accepted_so_that_one_can_be_replaced() {
        let signed = |by: &ServiceConfig| format!("Bearer {}", Signer::new(by).sign(&grant(time::now(), 60)).unwrap());
        let (old, new) = (config(&[("JWT_SECRET", "old")]), config(&[("JWT_SECRET", "new")]));
        let both = config(&[("JWT_SECRET", "new"), ("JWT_SECRET_ALSO", "old")]);
        for token in [signed(&old), signed(&new), signed(&both)] {
            assert_eq!(caller(&both, header::AUTHORIZATION, &token).unwrap(), Caller::User(7.try_into().unwrap()));
        }
        assert!(caller(&new, header::AUTHORIZATION, &signed(&both)).is_ok(), "the new secret signs");
        assert!(caller(&new, header::AUTHORIZATION, &signed(&old)).is_err());
        let past = Signer::new(&both).sign(&grant(DateTime::UNIX_EPOCH, 60)).unwrap();
        let expired = caller(&both, header::AUTHORIZATION, &format!("Bearer {past}")).unwrap_err();
        assert_eq!(expired, codes::TOKEN_EXPIRED);
    }

    #[test]
    fn a_token_says_what_it_was_given_for_and_no_longer_than_it_may() {
        let config = config(&[]);
        let read = |grant| Verifier::new(&config).read(&Signer::new(&config).sign(&grant).unwrap());
        let whole = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let longest = grant(whole, MAX_TOKEN_SECONDS);
        assert_eq!(read(longest).unwrap(), longest);
        for too_long in [MAX_TOKEN_SECONDS + 1, 100 * MAX_TOKEN_SECONDS] {
            assert_eq!(read(grant(whole, too_long)).unwrap_err(), codes::INVALID_TOKEN);
        }
    }

    #[test]
    fn a_header_without_a_token_shows_nothing() {
        for empty in ["", " ", "Bearer", "Bearer ", "bearer  "] {
            assert_eq!(caller(&config(&[]), header::AUTHORIZATION, empty).unwrap(), Caller::Anyone, "{empty:?}");
        }
        for wrong in ["Bearer x", "Basic", "Basic dXNlcg==", "token", "Bearer\tx"] {
            let refused = caller(&config(&[]), header::AUTHORIZATION, wrong).unwrap_err();
            assert_eq!(refused, codes::INVALID_TOKEN, "{wrong:?}");
        }
    }
}
