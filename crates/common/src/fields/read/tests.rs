use money::{Amount, UserId, ids::IdList};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::fields::invalid::MAX_NAME;

request! {
    #[derive(Debug)]
    #[expect(dead_code, reason = "mostly its errors matter here")]
    struct Payment {
        receiver_id: UserId,
        amount: Amount,
        kind: Option<Kind>,
        description: Option<String>,
        parts: Option<Vec<Part>>,
    }
}

#[derive(Debug, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Gift,
    Bill,
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "only its errors matter here")]
enum Part {
    Whole { amount: Amount },
    Half { amount: Amount },
}

request! {
    #[derive(Debug)]
    #[expect(dead_code, reason = "only its errors matter here")]
    struct Filter {
        ids: Option<IdList<UserId, 3>>,
        kind: Option<Kind>,
        page: Option<u32>,
    }
}

fn refusal<T: FromFields>(read: Result<T>) -> Value {
    match read {
        Ok(_) => panic!("it was taken"),
        Err(error) => error.body(),
    }
}

const AMOUNT: &str = "must be a number greater than 0 with at most two decimals and 15 digits";

#[test]
fn each_mistake_names_its_field() {
    for (body, code, field, phrase) in [
        (r#"{"receiver_id":1,"amount":1,"x":1}"#, "unknown_field", "x", "is not known here"),
        (r#"{"amount":1}"#, "missing_field", "receiver_id", "is missing"),
        (r#"{"receiver_id":1}"#, "invalid_amount", "amount", "is missing"),
        (r#"{"receiver_id":1,"amount":1,"\u0061mount":2}"#, "duplicate_field", "amount", "is given twice"),
        (r#"{"receiver_id":0,"amount":1}"#, "invalid_value", "receiver_id", "must be a positive whole number"),
        (r#"{"receiver_id":"1","amount":1}"#, "invalid_value", "receiver_id", "has the wrong type"),
        (r#"{"receiver_id":null,"amount":1}"#, "invalid_value", "receiver_id", "has the wrong type"),
        (r#"{"receiver_id":1e400,"amount":1}"#, "invalid_value", "receiver_id", "has the wrong type"),
        (r#"{"receiver_id":1,"amount":1,"kind":"x"}"#, "invalid_value", "kind", "must be gift or bill"),
        (r#"{"receiver_id":1,"amount":1,"kind":{"gift":null}}"#, "invalid_value", "kind", "has the wrong type"),
        (r#"{"receiver_id":1,"amount":1,"description":7}"#, "invalid_value", "description", "has the wrong type"),
        (r#"{"receiver_id":1,"amount":"abc"}"#, "invalid_amount", "amount", AMOUNT),
        (r#"{"receiver_id":1,"amount":null}"#, "invalid_amount", "amount", AMOUNT),
        (
            r#"{"receiver_id":1,"amount":1,"parts":[{"half":{"amount":1}},{"half":[1]}]}"#,
            "invalid_value",
            "parts[1].half",
            "has the wrong type",
        ),
        (
            r#"{"receiver_id":1,"amount":1,"parts":[{"half":{"amount":0}}]}"#,
            "invalid_amount",
            "parts[0].half.amount",
            AMOUNT,
        ),
        (
            r#"{"receiver_id":1,"amount":1,"parts":[{"half":{"amount":1,"x":2}}]}"#,
            "unknown_field",
            "parts[0].half.x",
            "is not known here",
        ),
    ] {
        let refused = refusal(from_json::<Payment>(body.as_bytes()));
        assert_eq!((&refused["code"], &refused["fields"]), (&json!(code), &json!({field: phrase})), "{body}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let refused = refusal(from_json::<Payment>(br#"{"amount":0,"kind":"x","y":1,"x":[],"kind":"gift"}"#));
    assert_eq!(
        refused["fields"],
        json!({"receiver_id": "is missing", "amount": AMOUNT, "kind": "must be gift or bill",
               "x": "is not known here", "y": "is not known here"})
    );
    let refused = refusal(from_query::<Filter>("ids=1,x&kind=y&page=-1&z="));
    assert_eq!(
        refused["fields"],
        json!({"ids": "must be 1 to 3 positive whole numbers with commas between them",
               "kind": "must be gift or bill", "page": "has the wrong type", "z": "is not known here"})
    );
}

#[test]
fn as_many_mistakes_are_named_as_the_limit_says() {
    let many: Vec<String> = (0..2 * MAX_FAULTS).map(|n| format!("{}{n}", "x".repeat(2 * MAX_NAME))).collect();
    let body: serde_json::Map<String, Value> = many.iter().map(|name| (name.clone(), json!(1))).collect();
    let refused = refusal(from_json::<()>(Value::Object(body).to_string().as_bytes()));
    let named = refused["fields"].as_object().unwrap();
    assert!(named.len() <= MAX_FAULTS && named.keys().all(|name| name.len() <= MAX_NAME));
}

#[test]
fn null_means_absent() {
    let body = br#"{"receiver_id":1,"amount":1,"kind":null,"description":null,"parts":null}"#;
    let Payment { kind, description, parts, .. } = from_json(body).unwrap();
    assert!(kind.is_none() && description.is_none() && parts.is_none());
}

#[test]
fn what_is_no_json_object_is_refused_and_what_is_no_json_has_a_position() {
    for body in ["[1, 1]", "[]", "null", "1", "true", r#""amount""#] {
        assert_eq!(refusal(from_json::<Payment>(body.as_bytes()))["code"], "invalid_body", "{body}");
    }
    for (body, line, column) in [
        ("", 1, 1),
        ("{", 1, 1),
        ("{}x", 1, 3),
        ("{}{}", 1, 3),
        ("{\"receiver_id\":1,\n \"amount\" 1}", 2, 11),
        ("3 x", 1, 3),
        (r#"{"receiver_id":1,"amount":1,"description":"\ud800"}"#, 1, 50),
        (r#"{"receiver_id":1,"amount":1} x"#, 1, 30),
    ] {
        let refused = refusal(from_json::<Payment>(body.as_bytes()));
        assert_eq!(refused["code"], "malformed_json", "{body}");
        assert_eq!((&refused["line"], &refused["column"]), (&json!(line), &json!(column)), "{body}");
    }
    let refused = refusal(from_json::<Payment>(b"{\"description\": \"\xff\"}"));
    assert_eq!((&refused["line"], &refused["column"]), (&json!(1), &json!(18)));
}

#[test]
fn a_bounded_number_of_fields_is_read() {
    let query: Vec<String> = (0..2 * MAX_FIELDS).map(|n| format!("x{n}")).collect();
    let entries = query.iter().map(|name| (Cow::Borrowed(name.as_str()), Given::Text("")));
    assert_eq!(Fields::new(entries).entries.len(), MAX_FIELDS);
    assert_eq!(refusal(from_query::<()>(&query.join("&")))["code"], "unknown_field");
    let known_last = format!("{}&page=1", query.join("&"));
    assert_eq!(refusal(from_query::<Filter>(&known_last))["code"], "unknown_field");
}
