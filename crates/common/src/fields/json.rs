//! The values of a JSON object, read strictly: a struct is an object and never a list of positions, a word is a string and
//! never a map.

use std::{borrow::Cow, fmt, vec};

use serde::{
    Deserialize,
    de::{self, Deserializer, IgnoredAny, IntoDeserializer, Visitor},
    forward_to_deserialize_any,
};
use serde_json::value::RawValue;

use super::invalid::{Cause, Invalid};
use crate::{
    codes,
    error::{ApiError, Result},
};

/// The name under which a raw value asks `serde_json` for its text.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// The members of an object, each with its text.
type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// The members of the object that `text` is.
pub(super) fn object(text: &str) -> Result<Members<'_>> {
    let refused = |error: serde_json::Error| malformed_at(error.line(), error.column());
    serde_json::from_str::<Object<'_>>(text).map(|Object(members)| members).map_err(
        |error| match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) if error.is_data() => codes::INVALID_BODY.into(),
            Ok(_) => refused(error),
            Err(error) => refused(error),
        },
    )
}

/// The refusal of a body that is no JSON, with the place where it ceases to be any: counted in bytes, from 1 on.
pub(super) fn malformed(body: &[u8], offset: usize) -> ApiError {
    let before = &body[..offset.min(body.len())];
    let mut lines = before.split(|byte| *byte == b'\n').rev();
    let column = lines.next().map_or(0, <[u8]>::len) + 1;
    malformed_at(lines.count() + 1, column)
}

fn malformed_at(line: usize, column: usize) -> ApiError {
    ApiError::new(codes::MALFORMED_JSON).detail("line", line.max(1)).detail("column", column.max(1))
}

struct Object<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(name)) = map.next_key()? {
                    members.push((name, map.next_value::<&'de RawValue>()?.get()));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(ObjectVisitor).map(Object)
    }
}

/// A name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value, as its text.
pub(super) struct Value<'a>(pub &'a str);

impl<'de> Value<'de> {
    /// Lets `serde_json` read a value without parts.
    fn leaf<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> serde_json::Result<T>,
    ) -> Result<T, Invalid> {
        read(&mut serde_json::Deserializer::from_str(self.0)).map_err(|error| self.invalid(&error))
    }

    fn invalid(&self, error: &serde_json::Error) -> Invalid {
        // whether a string is one shows only when it is read; any other value was found to be JSON before
        let is_malformed = self.0.starts_with('"') && !error.is_data();
        let at = self.0.as_ptr() as usize + error.column() - usize::from(error.column() > 0);
        Invalid::of(if is_malformed { Cause::Malformed(at) } else { Cause::WrongType })
    }

    fn members(&self) -> Result<Members<'de>, Invalid> {
        if !self.0.starts_with('{') {
            return Err(Invalid::of(Cause::WrongType));
        }
        serde_json::from_str::<Object<'_>>(self.0).map(|Object(members)| members).map_err(|error| self.invalid(&error))
    }

    fn items(&self) -> Result<Vec<&'de RawValue>, Invalid> {
        if !self.0.starts_with('[') {
            return Err(Invalid::of(Cause::WrongType));
        }
        serde_json::from_str(self.0).map_err(|error| self.invalid(&error))
    }
}

macro_rules! leaves {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
            self.leaf(|text| text.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Invalid;

    leaves! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        match self.0.as_bytes().first() {
            Some(b'{') => self.deserialize_map(visitor),
            Some(b'[') => self.deserialize_seq(visitor),
            _ => self.leaf(|text| text.deserialize_any(visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        if self.0 == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Invalid> {
        if name == RAW_VALUE {
            self.leaf(|text| text.deserialize_newtype_struct(name, visitor))
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_seq(Items { left: self.items()?.into_iter(), next: 0 })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_map(Entries { left: self.members()?.into_iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        if !self.0.starts_with('{') {
            let word = String::deserialize(self)?;
            return IntoDeserializer::<Invalid>::into_deserializer(word).deserialize_enum(name, variants, visitor);
        }
        let mut members = self.members()?.into_iter();
        match (members.next(), members.next()) {
            (Some((variant, content)), None) => visitor.visit_enum(Variant { variant, content: Value(content) }),
            _ => Err(Invalid::of(Cause::WrongType)),
        }
    }

    forward_to_deserialize_any! { unit_struct tuple tuple_struct }
}

struct Items<'de> {
    left: vec::IntoIter<&'de RawValue>,
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Invalid;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Invalid> {
        let Some(item) = self.left.next() else { return Ok(None) };
        let place = format!("[{}]", self.next);
        self.next += 1;
        seed.deserialize(Value(item.get())).map(Some).map_err(|invalid| invalid.within(&place))
    }
}

struct Entries<'de> {
    left: vec::IntoIter<(Cow<'de, str>, &'de str)>,
    value: Option<(Cow<'de, str>, &'de str)>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Invalid;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Invalid> {
        let Some((name, value)) = self.left.next() else { return Ok(None) };
        let key = seed.deserialize(IntoDeserializer::<Invalid>::into_deserializer(&*name))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Invalid> {
        let (name, value) = self.value.take().ok_or_else(|| Invalid::of(Cause::WrongType))?;
        seed.deserialize(Value(value)).map_err(|invalid| invalid.within(&name))
    }
}

/// A variant that has more than its word.
struct Variant<'de> {
    variant: Cow<'de, str>,
    content: Value<'de>,
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Invalid;
    type Variant = Content<'de>;

    fn variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'de>), Invalid> {
        let variant = seed.deserialize(IntoDeserializer::<Invalid>::into_deserializer(&*self.variant))?;
        Ok((variant, Content { name: self.variant, value: self.content }))
    }
}

/// What a variant has beside its word.
struct Content<'de> {
    name: Cow<'de, str>,
    value: Value<'de>,
}

impl<'de> de::VariantAccess<'de> for Content<'de> {
    type Error = Invalid;

    fn unit_variant(self) -> Result<(), Invalid> {
        Err(Invalid::of(Cause::WrongType))
    }

    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Invalid> {
        seed.deserialize(self.value).map_err(|invalid| invalid.within(&self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Invalid> {
        Err(Invalid::of(Cause::WrongType))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Invalid> {
        self.value.deserialize_map(visitor).map_err(|invalid| invalid.within(&self.name))
    }
}
