//! The values of a query string: text, of which numbers and words are read, and members of an object (`metadata[order]=A-1`).

use serde::{
    de::{Deserializer, IntoDeserializer, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};

use super::invalid::{Cause, Invalid};
use crate::error::Result;

/// A value, as its text.
pub(super) struct Value<'a>(pub &'a str);

macro_rules! parsed {
    ($($method:ident $visit:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
            // `parse` alone would accept a leading `+`
            let number = self.0.parse().ok().filter(|_| !self.0.starts_with('+'));
            visitor.$visit(number.ok_or_else(|| Invalid::of(Cause::WrongType))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_> {
    type Error = Invalid;

    parsed! {
        deserialize_bool visit_bool
        deserialize_i32 visit_i32
        deserialize_i64 visit_i64
        deserialize_u32 visit_u32
        deserialize_u64 visit_u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Invalid> {
        IntoDeserializer::<Invalid>::into_deserializer(self.0).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// The members of an object, each with its text.
pub(super) struct Members<'a>(pub &'a [(&'a str, &'a str)]);

impl<'de> Deserializer<'de> for Members<'_> {
    type Error = Invalid;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_map(MapDeserializer::new(self.0.iter().copied()))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Invalid> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}
