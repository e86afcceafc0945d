//! The fields of a request, from a JSON object or a query string.
//!
//! Nothing a client sends is silently ignored, and every fault of a request is reported at once: a request type is a
//! [`request!`](crate::request) whose fields are read one by one, each fault is noted, and the rest is read all the same.

mod json;
mod query;

use std::{borrow::Cow, fmt};

use serde::de;

use crate::{ApiError, Code, Result, money::InvalidAmount};

/// Faults that one answer names.
const MAX_FAULTS: usize = 50;
/// Characters of an unknown field's name that are answered.
const MAX_NAME: usize = 100;

/// What can be read from the fields of a request.
pub trait FromFields: Sized {
    /// Takes the fields that belong to it; `None` exactly if one of them has a fault, which `fields` then knows.
    fn from_fields(fields: &mut Fields<'_>) -> Option<Self>;
}

/// Nothing: for requests that take no fields.
impl FromFields for () {
    fn from_fields(_: &mut Fields<'_>) -> Option<Self> {
        Some(())
    }
}

/// Declares a request type: a struct whose fields are those of a JSON object or a query string, by name. `Option` fields
/// may be absent or null, all others are required, and no field that it does not name is taken.
#[macro_export]
macro_rules! request {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_visibility:vis $field:ident: $type:ty,)*
        }
    ) => {
        #[derive(schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        $(#[$meta])*
        $visibility struct $name {
            $($(#[$field_meta])* $field_visibility $field: $type,)*
        }

        impl $crate::fields::FromFields for $name {
            fn from_fields(fields: &mut $crate::fields::Fields<'_>) -> Option<Self> {
                $(let $field = fields.take::<$type>(stringify!($field));)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}

/// The fields that a request gives, and what is wrong with them.
pub struct Fields<'a> {
    entries: Vec<Entry<'a>>,
    faults: Vec<Fault>,
    /// Where the text is no JSON, if it is none: an address within it.
    malformed: Option<usize>,
}

struct Entry<'a> {
    name: Cow<'a, str>,
    value: Given<'a>,
    taken: bool,
}

#[derive(Clone, Copy)]
enum Given<'a> {
    Json(&'a str),
    Text(&'a str),
}

/// What is wrong with one field.
struct Fault {
    field: String,
    code: Code,
    phrase: String,
}

impl<'a> Fields<'a> {
    fn new(entries: impl IntoIterator<Item = (Cow<'a, str>, Given<'a>)>) -> Self {
        let mut fields = Self { entries: Vec::new(), faults: Vec::new(), malformed: None };
        for (name, value) in entries {
            if fields.entries.iter().any(|known| known.name == name) {
                fields.note(&name, Invalid::of(Cause::Duplicate));
            } else {
                fields.entries.push(Entry { name, value, taken: false });
            }
        }
        fields
    }

    /// The field `name`, or `None` and a note of its fault.
    pub fn take<T: de::DeserializeOwned>(&mut self, name: &'static str) -> Option<T> {
        let read = match self.entries.iter_mut().find(|entry| entry.name == name) {
            None => T::deserialize(Absent),
            Some(entry) => {
                entry.taken = true;
                match entry.value {
                    Given::Json(text) => T::deserialize(json::Value(text)),
                    Given::Text(text) => T::deserialize(query::Value(text)),
                }
            }
        };
        read.map_err(|invalid| self.note(name, invalid)).ok()
    }

    /// True if the request gives the field, whatever it holds.
    pub fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| entry.name == name)
    }

    fn note(&mut self, name: &str, invalid: Invalid) {
        let field = invalid.within(name);
        let is_amount = field.path.ends_with("amount");
        let (code, phrase) = match field.cause {
            Cause::Malformed(at) => {
                self.malformed.get_or_insert(at);
                return;
            }
            Cause::Unknown => (Code::UnknownField, "is not known here".to_owned()),
            Cause::Duplicate => (Code::DuplicateField, "is given twice".to_owned()),
            Cause::Missing if is_amount => (Code::InvalidAmount, "is missing".to_owned()),
            Cause::Missing => (Code::MissingField, "is missing".to_owned()),
            Cause::WrongType if is_amount => (Code::InvalidAmount, InvalidAmount::Form.to_string()),
            Cause::Phrase(phrase) if is_amount => (Code::InvalidAmount, phrase),
            Cause::WrongType => (Code::InvalidValue, "has the wrong type".to_owned()),
            Cause::Phrase(phrase) => (Code::InvalidValue, phrase),
        };
        self.faults.push(Fault { field: field.path, code, phrase });
    }

    /// Reads a `T`, which must be all that there is. The error has the code of the first fault, and names them all.
    fn read<T: FromFields>(mut self) -> Result<T, Refused> {
        let value = T::from_fields(&mut self);
        let unknown: Vec<String> = self.entries.iter().filter(|e| !e.taken).map(|e| shortened(&e.name)).collect();
        for name in unknown {
            self.note(&name, Invalid::of(Cause::Unknown));
        }
        if let Some(at) = self.malformed {
            return Err(Refused::Malformed(at));
        }
        match (value, self.faults.first()) {
            (Some(value), None) => Ok(value),
            (_, Some(first)) => {
                let error = ApiError::new(first.code);
                let named = self.faults.into_iter().take(MAX_FAULTS);
                Err(Refused::Faults(named.fold(error, |error, fault| error.field(&fault.field, fault.phrase))))
            }
            (None, None) => Err(Refused::Faults(Code::InvalidBody.into())),
        }
    }
}

/// Why there is no request.
enum Refused {
    Malformed(usize),
    Faults(ApiError),
}

fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}

/// The request that `body`, a JSON object, makes.
pub fn from_json<T: FromFields>(body: &[u8]) -> Result<T> {
    let text = str::from_utf8(body).map_err(|error| json::malformed(body, error.valid_up_to()))?;
    let entries = json::object(text)?;
    let fields = Fields::new(entries.into_iter().map(|(name, value)| (name, Given::Json(value))));
    fields.read().map_err(|refused| match refused {
        Refused::Malformed(at) => json::malformed(body, at.saturating_sub(text.as_ptr() as usize)),
        Refused::Faults(error) => error,
    })
}

/// The request that a query string makes.
pub fn from_query<T: FromFields>(query: &str) -> Result<T> {
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let entries = pairs.iter().map(|(name, value)| (Cow::Borrowed(&**name), Given::Text(value)));
    Fields::new(entries).read().map_err(|refused| match refused {
        Refused::Malformed(_) => Code::InvalidValue.into(),
        Refused::Faults(error) => error,
    })
}

/// What is wrong with a value, and where in it.
#[derive(Debug)]
struct Invalid {
    path: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Missing,
    Unknown,
    Duplicate,
    WrongType,
    /// Words of our own types, which follow the field's name: "must be …".
    Phrase(String),
    /// No JSON after all, at this address: a string with an escape that does not exist.
    Malformed(usize),
}

impl Invalid {
    fn of(cause: Cause) -> Self {
        Self { path: String::new(), cause }
    }

    fn within(self, parent: &str) -> Self {
        let path = match self.path.as_str() {
            "" => parent.to_owned(),
            inner if inner.starts_with('[') => format!("{parent}{inner}"),
            inner => format!("{parent}.{inner}"),
        };
        Self { path, ..self }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.path, self.cause)
    }
}

impl std::error::Error for Invalid {}

impl de::Error for Invalid {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let phrase = message.to_string();
        Self::of(if phrase.starts_with("must ") { Cause::Phrase(phrase) } else { Cause::WrongType })
    }

    fn invalid_type(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self::of(Cause::WrongType)
    }

    fn invalid_value(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self::of(Cause::WrongType)
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::of(Cause::Phrase(match expected {
            [] => return Self::of(Cause::WrongType),
            [only] => format!("must be {only}"),
            [one, other] => format!("must be {one} or {other}"),
            many => format!("must be one of {}", many.join(", ")),
        }))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::of(Cause::Unknown).within(&shortened(field))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(Cause::Missing).within(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(Cause::Duplicate).within(field)
    }
}

/// A field that is not there: `None` for what may be absent.
struct Absent;

impl<'de> de::Deserializer<'de> for Absent {
    type Error = Invalid;

    fn deserialize_any<V: de::Visitor<'de>>(self, _: V) -> Result<V::Value, Invalid> {
        Err(Invalid::of(Cause::Missing))
    }

    fn deserialize_option<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_none()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;
    use crate::{Amount, UserId, ids::IdList};

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
}
