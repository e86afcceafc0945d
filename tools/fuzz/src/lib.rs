//! What each parser of the wallet promises for any input whatever, as functions that panic when a promise is broken.
//! Tests ask them with random input; `cargo fuzz` searches for input that takes ways of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::LazyLock,
};

use axum::{
    extract::{ConnectInfo, FromRequest, FromRequestParts, Request},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use chrono::{Datelike, SecondsFormat};
use common::{
    caller::{
        Caller, Gatekeeper,
        address::{ClientAddress, Peer},
    },
    codes,
    config::Env,
    extract::Json,
    headers::{IDEMPOTENCY_KEY, SERVICE_TOKEN},
    idempotency::IdempotencyKey,
    page::{List, MAX_LIMIT},
    request,
};
use futures::FutureExt;
use money::{Amount, Money, UserId, text, time::Moment};
use serde_json::Value;
use tokio::runtime::{self, Runtime};
use user_service::Email;

/// A promise, by the name of its parser.
pub type Promise = (&'static str, fn(&[u8]));

/// All of them.
pub const PROMISES: &[Promise] = &[
    ("amount", amount),
    ("id", id),
    ("moment", moment),
    ("text", plain_text),
    ("email", email),
    ("key", key),
    ("page", page),
    ("client", client),
    ("credentials", credentials),
    ("body", body),
];

/// The secret of the service tokens here: no input may guess it.
const SECRET: &str = "a-secret-of-the-services";
/// Whom the tests' service believes about clients.
const PROXY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// An amount is above 0, with at most two decimals and 15 digits, and comes back from its own text and JSON.
fn amount(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let from_json = serde_json::from_slice::<Amount>(input);
    let Ok(parsed) = text.parse::<Amount>() else { return };
    let shown = parsed.to_string();
    assert!(parsed.money() > Money::ZERO, "{text}");
    assert!(shown.split_once('.').is_none_or(|(_, decimals)| decimals.len() <= 2), "{text} became {shown}");
    assert!(shown.bytes().filter(u8::is_ascii_digit).count() <= 15, "{text} became {shown}");
    assert_eq!(shown.parse(), Ok(parsed));
    if let Ok(from_json) = from_json {
        assert_eq!(from_json, parsed);
    }
}

/// An id is digits that make a positive number, and nothing else.
fn id(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let number = text.parse::<i64>().ok().filter(|n| *n > 0 && !text.starts_with('+'));
    assert_eq!(text.parse::<UserId>().ok().map(UserId::get), number, "{text:?}");
}

/// A moment is one that the database can hold, and comes back from its own text.
fn moment(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let parse = |text: &str| serde_json::from_value::<Moment>(Value::from(text)).ok();
    let Some(Moment(parsed)) = parse(text) else { return };
    assert!((1000..=9999).contains(&parsed.year()), "{text}");
    let again = parse(&parsed.to_rfc3339_opts(SecondsFormat::Micros, true));
    assert_eq!(again, Some(Moment(parsed)));
}

/// Text is trimmed, composed, within its length, and without control characters.
fn plain_text(input: &[u8]) {
    let Ok(given) = str::from_utf8(input) else { return };
    let Ok(parsed) = text::parse(given, 1..=100) else { return };
    assert!((1..=100).contains(&parsed.chars().count()) && parsed == text::composed(given).trim());
    assert_eq!(text::parse(&parsed, 1..=100).as_ref(), Ok(&parsed));
    assert!(!parsed.chars().any(char::is_control), "{given:?}");
}

/// An address is plain ASCII in lower case without anything that could end a header, and comes back from itself.
fn email(input: &[u8]) {
    let Ok(given) = str::from_utf8(input) else { return };
    let Ok(Email(parsed)) = Email::try_from(given.to_owned()) else { return };
    assert!(parsed.len() <= 254 && parsed.contains('@') && parsed.is_ascii());
    assert!(!parsed.bytes().any(|b| b.is_ascii_control() || b.is_ascii_uppercase()), "{given:?}");
    assert_eq!(Email::try_from(parsed.clone()).map(|Email(again)| again), Ok(parsed));
}

fn parts(uri: &str, headers: &[(HeaderName, HeaderValue)]) -> Option<Parts> {
    let mut parts = Request::builder().uri(uri).body(()).ok()?.into_parts().0;
    parts.headers.extend(headers.iter().cloned());
    parts.extensions.insert(ConnectInfo(Peer(SocketAddr::from((PROXY, 1)))));
    Some(parts)
}

/// A key is 1 to 255 visible ASCII characters, as they were sent, or as they were quoted.
fn key(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let mut parts = parts("/", &[(IDEMPOTENCY_KEY, value)]).expect("the request is sound");
    let parsed = IdempotencyKey::from_request_parts(&mut parts, &()).now_or_never().expect("it does not wait");
    let is_sound = (1..=255).contains(&input.len()) && input.iter().all(u8::is_ascii_graphic);
    let Ok(IdempotencyKey(Some(parsed))) = parsed else {
        assert!(!is_sound || input.starts_with(b"\""), "{input:?}");
        return;
    };
    assert!((1..=255).contains(&parsed.len()) && parsed.bytes().all(|byte| byte.is_ascii_graphic()), "{input:?}");
    assert!(input.starts_with(b"\"") || (is_sound && parsed.as_bytes() == input), "{input:?}");
}

/// A page has 1 to 200 items and begins at a positive number.
fn page(input: &[u8]) {
    let Ok(query) = str::from_utf8(input) else { return };
    let Some(mut parts) = parts(&format!("/users?{query}"), &[]) else { return };
    let parsed = List::<()>::from_request_parts(&mut parts, &()).now_or_never().expect("it does not wait");
    if let Ok(List(page, ())) = parsed {
        assert!((1..=MAX_LIMIT).contains(&page.limit) && page.cursor.is_none_or(|cursor| cursor > 0), "{query}");
    }
}

fn gatekeeper() -> Gatekeeper {
    let mut env = Env::new(|name| match name {
        "APP_ENV" => Some("development".to_owned()),
        "SERVICE_TOKEN" => Some(SECRET.to_owned()),
        "TRUSTED_PROXIES" => Some(PROXY.to_string() + "/32"),
        _ => None,
    });
    Gatekeeper::new(&env.service("user-service", 5001, "digital_wallet"), None)
}

/// Whatever a proxy passes on, there is one client; and nobody but a proxy is believed.
fn client(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let headers = [(HeaderName::from_static("x-forwarded-for"), value)];
    let mut parts = parts("/", &headers).expect("the request is sound");
    let stranger = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let found = ClientAddress::from_request_parts(&mut parts, &gatekeeper()).now_or_never();
    found.expect("it does not wait").expect("there is always a client");
    parts.extensions.insert(ConnectInfo(Peer(stranger)));
    let found = ClientAddress::from_request_parts(&mut parts, &gatekeeper()).now_or_never();
    assert_eq!(found.expect("it does not wait").map(|ClientAddress(client)| client), Ok(stranger.ip()));
}

/// No credential that was made up is believed.
fn credentials(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else { return };
    let bearer = HeaderValue::from_bytes(&[b"Bearer ", input].concat());
    let shown =
        [(SERVICE_TOKEN, Ok(value.clone())), (header::AUTHORIZATION, Ok(value)), (header::AUTHORIZATION, bearer)];
    for (name, value) in shown {
        let Ok(value) = value else { continue };
        let caller = gatekeeper().identify(&HeaderMap::from_iter([(name, value)])).caller();
        let is_token = input == SECRET.as_bytes() && caller == Ok(Caller::Service(None));
        // where nothing is shown, nobody in particular calls
        assert!(matches!(caller, Err(_) | Ok(Caller::Anyone)) || is_token, "{input:?} was believed");
    }
}

/// For parsers that wait for their input, though here it is there.
fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| runtime::Builder::new_current_thread().enable_time().build().expect("a thread can wait"));
    &RUNTIME
}

request! {
    /// A body that a route might take.
    #[derive(Debug)]
    struct Payment {
        sender_id: UserId,
        amount: Amount,
        description: Option<String>,
    }
}

/// A body is JSON and has the route's fields, or it is refused with 400.
fn body(input: &[u8]) {
    let request = Request::builder().header(header::CONTENT_TYPE, "application/json").body(input.to_vec().into());
    let request: Request = request.expect("the request is sound");
    match runtime().block_on(Json::<Payment>::from_request(request, &())) {
        Ok(Json(Payment { sender_id, amount, description })) => {
            let value: Value = serde_json::from_slice(input).expect("what was taken is JSON");
            assert_eq!(value["sender_id"], sender_id.get());
            assert_eq!(value["description"].as_str(), description.as_deref());
            // a string keeps its digits, where a number becomes a float
            let given = value["amount"].as_str().map(str::parse);
            assert!(given.is_none_or(|given| given == Ok(amount)));
        }
        Err(refusal) => {
            let body = refusal.body();
            assert_eq!(refusal.status(), 400, "{body}");
            assert!(codes::ALL.iter().any(|code| body["code"] == code.name()), "{body}");
        }
    }
}
