//! What is not as it must be, for each kind of field, with the exact answer; and that nothing comes of it.

use common::client::http_client;
use lab::{wallet::Service, world::World};
use reqwest::Method;
use serde_json::{Value, json};

/// An answer: its code, the field that it names, and what it says of it.
type Answer = (&'static str, &'static str, &'static str);

const AMOUNT: Answer =
    ("invalid_amount", "amount", "must be a number greater than 0 with at most two decimals and 15 digits");
const DECIMALS: Answer = (
    "invalid_amount",
    "amount",
    "must have at most two decimals: the point is the decimal point, so ten thousand is 10000",
);
const ID: Answer = ("invalid_value", "id", "must be a positive whole number");
const EMAIL: Answer = ("invalid_value", "email", "must be a valid e-mail address of at most 254 characters");
const MALFORMED: Answer = ("malformed_json", "", "");
const INVALID_BODY: Answer = ("invalid_body", "", "");
const BAD_KEY: Answer = ("invalid_idempotency_key", "", "");

/// Where a kind of input goes: in the place of `«»`.
struct Place {
    service: Service,
    method: Method,
    path: &'static str,
    body: &'static str,
    key: &'static str,
}

const fn place(service: Service, method: Method, path: &'static str, body: &'static str) -> Place {
    Place { service, method, path, body, key: "" }
}

fn with_control(answer: &'static str) -> Answer {
    ("invalid_value", answer, "must not contain control characters")
}

/// Puts `input` in the place of `«»`.
fn filled(template: &str, input: &[u8]) -> Vec<u8> {
    match template.split_once("«»") {
        Some((before, after)) => [before.as_bytes(), input, after.as_bytes()].concat(),
        None => template.as_bytes().to_owned(),
    }
}

const fn payment(body: &'static str) -> Place {
    place(Service::Transaction, Method::POST, "/transactions", body)
}

/// Sends what is wrong.
struct Mischief {
    world: World,
    http: reqwest::Client,
}

impl Mischief {
    /// Sends `input` in its place as a service and compares the whole answer.
    async fn is_refused(&self, place: &Place, input: &[u8], (code, field, phrase): Answer) {
        let path = String::from_utf8(filled(place.path, input)).expect("a path is text");
        let url = format!("{}{path}", self.world.wallet.url(place.service));
        let mut request = self.http.request(place.method.clone(), url);
        request = request.header("x-service-token", self.world.wallet.service_token());
        if !place.key.is_empty() {
            request = request.header("idempotency-key", filled(place.key, input));
        }
        if !place.body.is_empty() {
            request = request.header("content-type", "application/json").body(filled(place.body, input));
        }
        let response = request.send().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        let shown =
            format!("{path} {}: {status} {text}", String::from_utf8_lossy(input).chars().take(60).collect::<String>());
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{shown}"));
        let fields = if field.is_empty() { Value::Null } else { json!({field: phrase}) };
        assert_eq!((status, &answer["code"], &answer["fields"]), (400, &json!(code), &fields), "{shown}");
    }
}

async fn amounts(mischief: &Mischief) {
    let top_up = place(Service::User, Method::POST, "/users/1/topup", r#"{"amount": «»}"#);
    for amount in [
        "0",
        "-0",
        "-1",
        "1e400",
        "999999999999999.1",
        "1000000000000000",
        r#""abc""#,
        r#""""#,
        r#""1,000""#,
        r#""1_000""#,
        r#""+1""#,
        r#"" 1""#,
        r#""1 ""#,
        r#""NaN""#,
        r#""Infinity""#,
        r#""0x10""#,
        r#""१""#,
        r#""1e2""#,
        r#""007""#,
        "null",
        "true",
        "[1]",
        r#"{"amount": 1}"#,
    ] {
        mischief.is_refused(&top_up, amount.as_bytes(), AMOUNT).await;
    }
    for amount in ["0.001", "1.005", "1e-3", "10.000", r#""10.000""#, r#""1.500""#, "1.000"] {
        mischief.is_refused(&top_up, amount.as_bytes(), DECIMALS).await;
    }
    for no_json in ["NaN", "Infinity", "+1", ".5", "5.", "1_000", "01", "0x10", "1 2", "'1'"] {
        mischief.is_refused(&top_up, no_json.as_bytes(), MALFORMED).await;
    }
}

async fn ids(mischief: &Mischief) {
    let by_id = place(Service::User, Method::GET, "/users/«»", "");
    for id in ["0", "-1", "+1", "1.0", "1e0", "abc", "9223372036854775808", "%31%00", "%20", "1%20", "null", "१"] {
        mischief.is_refused(&by_id, id.as_bytes(), ID).await;
    }
    let receiver = payment(r#"{"sender_id": 1, "receiver_id": «», "amount": 1}"#);
    for (id, phrase) in [
        ("0", "must be a positive whole number"),
        ("-1", "must be a positive whole number"),
        ("1.5", "has the wrong type"),
        (r#""1""#, "has the wrong type"),
        ("9223372036854775808", "has the wrong type"),
    ] {
        mischief.is_refused(&receiver, id.as_bytes(), ("invalid_value", "receiver_id", phrase)).await;
    }
    let oneself: Answer = ("self_transfer", "receiver_id", "must be another user than the sender");
    mischief.is_refused(&receiver, b"1", oneself).await;
}

async fn pages_and_times(mischief: &Mischief) {
    let limit = place(Service::User, Method::GET, "/users?limit=«»", "");
    for input in ["0", "201", "-1", "x", "", "1.0", "%00", "99999999999"] {
        let answer = ("invalid_value", "limit", "must be a whole number from 1 to 200");
        mischief.is_refused(&limit, input.as_bytes(), answer).await;
    }
    let cursor = place(Service::Transaction, Method::GET, "/transactions?cursor=«»", "");
    for input in ["0", "-1", "x", "", "9223372036854775808", "%ff"] {
        mischief
            .is_refused(&cursor, input.as_bytes(), ("invalid_value", "cursor", "must come from a Link header"))
            .await;
    }
    let page = place(Service::Report, Method::GET, "/reports/user/1?page=«»", "");
    for (input, phrase) in [
        ("0", "must be a whole number from 1 to 1000000"),
        ("1000001", "must be a whole number from 1 to 1000000"),
        ("x", "must be a whole number from 1 to 1000000"),
        ("-1", "must be a whole number from 1 to 1000000"),
    ] {
        mischief.is_refused(&page, input.as_bytes(), ("invalid_value", "page", phrase)).await;
    }
    let from = place(Service::Transaction, Method::GET, "/transactions?from=«»", "");
    for input in [
        "yesterday",
        "2025-11-31",
        "2025-1-1",
        "2025-13-01T00:00:00Z",
        "2025-02-30T00:00:00Z",
        "%2B10000-01-01T00:00:00Z",
        "",
        "0",
        "2016-12-31T23:59:60Z",
    ] {
        mischief
            .is_refused(
                &from,
                input.as_bytes(),
                ("invalid_value", "from", "must be a date like 2025-11-12 or a time like 2025-11-12T10:30:00Z"),
            )
            .await;
    }
    let lost = ("invalid_value", "from", "must have its + written as %2B, as in 2025-11-12T10:30:00%2B07:00");
    mischief.is_refused(&from, b"2025-11-01T00:00:00+07:00", lost).await;
}

async fn texts(mischief: &Mischief) {
    let describe = payment(r#"{"sender_id": 1, "receiver_id": 2, "amount": 1, "description": "«»"}"#);
    for input in [r"a\u0000b", r"a\r\nb", r"\u0085", r"\u007f", r"\t"] {
        mischief.is_refused(&describe, input.as_bytes(), with_control("description")).await;
    }
    for input in ["\u{200b}", "\u{ad}", "\u{2800}", "\u{3164}", "a\u{202e}b"] {
        let invisible = ("invalid_value", "description", "must not contain invisible characters");
        mischief.is_refused(&describe, input.as_bytes(), invisible).await;
    }
    let long = ("invalid_value", "description", "must be 0 to 255 characters long");
    mischief.is_refused(&describe, "é".repeat(256).as_bytes(), long).await;
    for raw in [&b"a\0b"[..], b"a\nb", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", br"\ud800", br"\x41", b"a\"b"] {
        mischief.is_refused(&describe, raw, MALFORMED).await;
    }
}

async fn accounts(mischief: &Mischief) {
    let register = |body| place(Service::User, Method::POST, "/auth/register", body);
    let email = register(r#"{"full_name": "A", "email": "«»", "password": "password123"}"#);
    let too_long = format!("{}@example.com", "a".repeat(243));
    for input in [
        "",
        "a",
        "a@",
        "@example.com",
        "a@b@example.com",
        "a b@example.com",
        "a@example",
        "a@example.com, b@example.com",
        "A <a@example.com>",
        r"a@example.com\r\nBcc: b@example.com",
        r"a\u0000@example.com",
        "a@[127.0.0.1]",
        &too_long,
    ] {
        mischief.is_refused(&email, input.as_bytes(), EMAIL).await;
    }
    let not_plain =
        ("invalid_value", "email", "must have only ASCII letters, digits and .!#$%&'*+/=?^_`{|}~- before its @");
    for input in ["ü@example.com", r#"\"a\"@example.com"#, r#"\"a b\"@example.com"#, r#"\"a@b\"@example.com"#] {
        mischief.is_refused(&email, input.as_bytes(), not_plain).await;
    }
    let password = register(r#"{"full_name": "A", "email": "a@example.com", "password": "«»"}"#);
    let length = ("invalid_value", "password", "must be 8 to 128 characters long");
    for input in ["", "1234567", &"x".repeat(129)] {
        mischief.is_refused(&password, input.as_bytes(), length).await;
    }
    mischief.is_refused(&password, br"password\u0000", with_control("password")).await;
    let name = register(r#"{"full_name": "«»", "email": "a@example.com", "password": "password123"}"#);
    for input in ["", "   ", &"x".repeat(101)] {
        mischief
            .is_refused(&name, input.as_bytes(), ("invalid_value", "full_name", "must be 1 to 100 characters long"))
            .await;
    }
    mischief.is_refused(&name, br"A\r\nBcc: b@example.com", with_control("full_name")).await;
    mischief.is_refused(&name, br"A\nB", with_control("full_name")).await;
    for input in ["\u{3164}", "\u{200b}", "\u{2800}", "\u{ad}", "Ani\u{202e}inA"] {
        let invisible = ("invalid_value", "full_name", "must not contain invisible characters");
        mischief.is_refused(&name, input.as_bytes(), invisible).await;
    }
}

async fn keys_and_bodies(mischief: &Mischief) {
    let keyed = Place { key: "«»", ..place(Service::User, Method::POST, "/users/1/topup", r#"{"amount": 1}"#) };
    for input in ["", " ", "two words", "tab\tbed", "ü", &"x".repeat(256), "\"half", "\"\""] {
        mischief.is_refused(&keyed, input.as_bytes(), BAD_KEY).await;
    }

    let body = place(Service::User, Method::POST, "/users/1/topup", "«»");
    let deep = |open: &str, n: usize| format!(r#"{{"amount": {}"#, open.repeat(n));
    for input in [
        "",
        "{",
        "{}{}",
        r#"{"amount": 1} x"#,
        r#"{"amount" 1}"#,
        "{'amount': 1}",
        r#"{"amount": 1,}"#,
        "\u{feff}{}",
        &deep("[", 10_000),
        &deep(r#"{"a":"#, 10_000),
    ] {
        mischief.is_refused(&body, input.as_bytes(), MALFORMED).await;
    }
    for input in ["null", "1", "true", r#""amount""#, "[5]", "[]"] {
        mischief.is_refused(&body, input.as_bytes(), INVALID_BODY).await;
    }
    for (input, answer) in [
        ("{}", ("invalid_amount", "amount", "is missing")),
        (r#"{"amount": 1, "amount": 2}"#, ("duplicate_field", "amount", "is given twice")),
        (r#"{"amount": 1, "\u0061mount": 2}"#, ("duplicate_field", "amount", "is given twice")),
        (r#"{"amount": 1, "currency": "USD"}"#, ("unknown_field", "currency", "is not known here")),
        (r#"{"amount": 1, "Amount": 1}"#, ("unknown_field", "Amount", "is not known here")),
    ] {
        mischief.is_refused(&body, input.as_bytes(), answer).await;
    }
}

#[tokio::test]
async fn each_kind_of_wrong_input_has_its_answer_and_changes_nothing() {
    let world = World::start().await;
    let ani = world.user(1_000).await;
    assert_eq!(ani.id, 1, "the paths below are hers");
    world.assert_everything_told().await;
    let mischief = Mischief { world, http: http_client() };
    amounts(&mischief).await;
    ids(&mischief).await;
    pages_and_times(&mischief).await;
    texts(&mischief).await;
    accounts(&mischief).await;
    keys_and_bodies(&mischief).await;

    let world = &mischief.world;
    assert_eq!(world.balance(&ani).await, (1_000, 0));
    let users = world.service(Service::User).get("/users").await.expect(200);
    assert_eq!(users.json.as_array().map(Vec::len), Some(1));
    let transactions = world.service(Service::Transaction).get("/transactions").await.expect(200);
    assert_eq!(transactions.json, json!([]));
    world.assert_ledger_holds().await;
}
