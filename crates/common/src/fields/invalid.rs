//! What is wrong with a value.

use std::fmt;

use serde::de;

/// Characters of an unknown field's name that are answered.
pub(super) const MAX_NAME: usize = 100;

/// What is wrong with a value, and where in it.
#[derive(Debug)]
pub(super) struct Invalid {
    pub(super) path: String,
    pub(super) cause: Cause,
}

#[derive(Debug)]
pub(super) enum Cause {
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
    pub(super) fn of(cause: Cause) -> Self {
        Self { path: String::new(), cause }
    }

    pub(super) fn within(self, parent: &str) -> Self {
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
pub(super) struct Absent;

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

/// A name that a client gives, as far as it is answered.
pub(super) fn shortened(name: &str) -> String {
    name.chars().take(MAX_NAME).collect()
}
