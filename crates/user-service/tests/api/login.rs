//! Login and the access tokens that it gives.

use common::{
    caller::{Grant, MAX_TOKEN_SECONDS, Signer},
    config::Mode,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use lab::http::eventually;
use money::time;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Service, User, assert_names_field, development};

async fn in_production() -> Service {
    Service::start_with(|config| config.service.mode = Mode::Production).await
}

/// What `GET /users/{id}` answers to somebody with `token`.
async fn shown_with(service: &Service, user: &User, token: &str) -> lab::http::Reply {
    service.anyone.as_user(token).get(&user.path("")).await
}

/// A token with these claims, signed with the secret of development.
fn signed(claims: &Value, algorithm: Algorithm) -> String {
    let config = development();
    let key = EncodingKey::from_secret(config.service.jwt_secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(algorithm), claims, &key).expect("a token can be signed")
}

/// What a token says.
fn claims_of(token: &str) -> Value {
    let key = DecodingKey::from_secret(development().service.jwt_secret.expose_secret().as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp", "iat", "iss", "sub"]);
    jsonwebtoken::decode::<Value>(token, &key, &validation).expect("an HS256 token").claims
}

#[tokio::test]
async fn login_answers_the_documented_body_and_a_standard_token() {
    let service = Service::start_with(|config| config.jwt_expiration = 60).await;
    let user = service.user("john", 0).await;
    let login = service.login(&user.email, PASSWORD).await.expect(200);
    assert_eq!(login["user"], json!({"id": user.id, "full_name": "John Doe", "email": "john@example.com"}));

    let token = login["access_token"].as_str().expect("a token");
    let claims = claims_of(token);
    assert_eq!(claims["sub"], user.id.to_string());
    assert_eq!(claims["exp"].as_i64(), claims["iat"].as_i64().map(|issued| issued + 60));
    let _ = shown_with(&service, &user, token).await.expect(200);
}

#[tokio::test]
async fn an_unknown_address_is_answered_like_a_wrong_password() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    let mut answers = Vec::new();
    for (email, password) in [
        (user.email.as_str(), "wrong-password"),
        ("nobody@example.com", PASSWORD),
        ("no address at all", PASSWORD),
        (user.email.as_str(), ""),
    ] {
        let mut refused = service.login(email, password).await.expect_error(401, "invalid_credentials");
        refused.json["request_id"] = Value::Null;
        answers.push((refused.json, refused.text.len()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn a_login_with_another_form_is_refused() {
    let service = Service::start().await;
    for (body, code, field) in [
        (json!({"email": "john@example.com"}), "missing_field", "password"),
        (json!({"password": PASSWORD}), "missing_field", "email"),
        (json!({"email": 5, "password": PASSWORD}), "invalid_value", "email"),
        (json!({"email": "john@example.com", "password": null}), "invalid_value", "password"),
        (json!({"email": "john@example.com", "password": PASSWORD, "otp": "1"}), "unknown_field", "otp"),
    ] {
        assert_names_field(service.anyone.post("/auth/login", body).await, code, field);
    }
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let service = Service::start_with(|config| config.jwt_expiration = 1).await;
    let user = service.user("john", 0).await;
    let fresh = service.token(&user.email, PASSWORD).await;
    let _ = shown_with(&service, &user, &fresh).await.expect(200);
    let refused = eventually("the token to expire", async || {
        Some(shown_with(&service, &user, &fresh).await).filter(|reply| reply.status != 200)
    })
    .await
    .expect_error(401, "token_expired");
    assert_eq!(refused["error"], "Token has expired");
    assert_eq!(refused.header("www-authenticate"), "Bearer");
}

#[tokio::test]
async fn only_a_token_of_this_wallet_is_a_token() {
    let service = in_production().await;
    let user = service.user("john", 0).await;
    let (now, id) = (time::now().timestamp(), user.id.to_string());
    let key = claims_of(&service.token(&user.email, PASSWORD).await)["key"].clone();
    let claims = json!({"sub": id, "iss": "digital-wallet", "iat": now, "exp": now + 60, "key": key});
    let good = signed(&claims, Algorithm::HS256);
    let _ = shown_with(&service, &user, &good).await.expect(200);

    let changed = |member: &str, value: Value| {
        let mut claims = claims.clone();
        claims[member] = value;
        signed(&claims, Algorithm::HS256)
    };
    let mut stranger = development().service;
    stranger.jwt_secret = "another secret that is as long as it must be".into();
    let key = key.as_i64().expect("a number");
    let grant = Grant::of(user.id.try_into().unwrap(), key, 0, time::now(), 60);
    let other_secret = Signer::new(&stranger).sign(&grant).unwrap();
    let parts: Vec<&str> = good.split('.').collect();
    for (what, token) in [
        ("garbage", "garbage".to_owned()),
        ("another secret", other_secret),
        ("another issuer", changed("iss", json!("somebody else"))),
        ("no issuer", changed("iss", Value::Null)),
        ("no user", changed("sub", json!("admin"))),
        ("user 0", changed("sub", json!("0"))),
        ("no end", changed("exp", Value::Null)),
        ("an end too far away", changed("exp", json!(now + MAX_TOKEN_SECONDS + 1))),
        ("no beginning", changed("iat", Value::Null)),
        ("another algorithm", signed(&claims, Algorithm::HS384)),
        // {"alg":"none","typ":"JWT"}
        ("no algorithm", format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", parts[1])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("a foreign signature", format!("{}.{}.{}", parts[0], parts[1], parts[2].chars().rev().collect::<String>())),
    ] {
        let refused = shown_with(&service, &user, &token).await;
        assert_eq!((refused.status.as_u16(), &refused["code"]), (401, &json!("invalid_token")), "{what}");
    }
    for (what, key) in [("another account's key", json!(key ^ 1)), ("no key", Value::Null), ("key 0", json!(0))] {
        let mut claims = claims.clone();
        match key {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove("key")),
            key => claims["key"] = key,
        }
        let refused = shown_with(&service, &user, &signed(&claims, Algorithm::HS256)).await;
        assert_eq!((refused.status.as_u16(), &refused["code"]), (401, &json!("token_revoked")), "{what}");
    }
    let basic = service.anyone.clone().with("authorization", "Basic am9objpwYXNzd29yZA==");
    let _ = basic.get(&user.path("")).await.expect_error(401, "invalid_token");
}

#[tokio::test]
async fn a_header_without_a_token_is_none() {
    let (open, closed) = (Service::start().await, in_production().await);
    let login = json!({"email": "john@example.com", "password": PASSWORD});
    for service in [&open, &closed] {
        service.user("john", 0).await;
    }
    for empty in ["", "Bearer", "Bearer ", "bearer"] {
        let header = |service: &Service| service.anyone.clone().with("authorization", empty);
        for service in [&open, &closed] {
            let _ = header(service).post("/auth/login", login.clone()).await.expect(200);
        }
        let _ = header(&open).get("/users").await.expect(200);
        let _ = header(&open).post("/users/1/topup", json!({"amount": 1})).await.expect_error(401, "missing_token");
        let _ = header(&closed).get("/users").await.expect_error(401, "missing_token");
        let _ = header(&closed).get("/internal/users").await.expect_error(401, "missing_service_token");
    }
}

#[tokio::test]
async fn services_are_told_by_what_the_tokens_of_an_account_are_known() {
    let service = Service::start().await;
    let (john, jane) = (service.user("john", 0).await, service.user("jane", 0).await);
    let path = format!("/internal/accounts?ids={},{},999", jane.id, john.id);
    let accounts = service.service.get(&path).await.expect(200);
    let key = claims_of(&service.token(&john.email, PASSWORD).await)["key"].clone();
    assert_eq!(accounts.json.as_array().expect("a list").len(), 2);
    assert_eq!((&accounts.json[0]["id"], &accounts.json[0]["key"]), (&json!(john.id), &key));
    assert_ne!(accounts.json[1]["key"], key);

    let _ = john
        .api
        .put(&john.path(""), json!({"password": "another password", "current_password": PASSWORD}))
        .await
        .expect(200);
    let changed = service.service.get(&path).await.expect(200);
    assert_ne!(changed.json[0]["key"], key, "a new password draws a new key");
    assert_eq!(changed.json[0]["version"], 1);
    let _ = service.anyone.get(&path).await.expect_error(401, "missing_service_token");
}

#[tokio::test]
async fn accounts_and_tokens_of_the_version_before_go_on() {
    let service = Service::start().await;
    let user = service.user("john", 0).await;
    service.run("UPDATE users SET token_key = 0").await;
    let (now, id) = (time::now().timestamp(), user.id.to_string());
    let old = signed(&json!({"sub": id, "iss": "digital-wallet", "iat": now, "exp": now + 60}), Algorithm::HS256);
    let _ = shown_with(&service, &user, &old).await.expect(200);
    let new = service.token(&user.email, PASSWORD).await;
    assert_eq!(claims_of(&new).get("key"), None);
    let _ = shown_with(&service, &user, &new).await.expect(200);

    let change = json!({"password": "another password", "current_password": PASSWORD});
    let _ = service.anyone.as_user(&new).put(&user.path(""), change).await.expect(200);
    let newest = service.token(&user.email, "another password").await;
    assert_ne!(claims_of(&newest)["key"], 0);
    let _ = shown_with(&service, &user, &newest).await.expect(200);
    let _ = shown_with(&service, &user, &old).await.expect_error(401, "token_revoked");
}
