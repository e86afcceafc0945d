//! What callers write on a payment for themselves: a reference, and metadata. Both can be searched for, exactly.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error, MapAccess, Visitor},
};
use sha2::{Digest, Sha256};

/// The longest reference, in characters.
pub const MAX_REFERENCE: usize = 100;
/// The most entries of metadata.
pub const MAX_ENTRIES: usize = 20;
/// The longest key of metadata, in characters.
pub const MAX_KEY: usize = 40;
/// The most that metadata holds: keys and values together, in bytes of UTF-8.
pub const MAX_METADATA: usize = 4 * 1024;

/// The caller's own name for a payment, an order number say: one line of 1 to 100 characters. It need not be unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(inline, extend("minLength" = 1, "maxLength" = MAX_REFERENCE))]
pub struct Reference(pub String);

impl TryFrom<String> for Reference {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        money::text::parse(&text, 1..=MAX_REFERENCE).map(Self)
    }
}

/// Up to 20 strings by their keys, 4 KiB in all. They are kept as they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

/// What a caller writes on a payment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Labels {
    /// The caller's own name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
    /// Whatever else the caller wants to find it by.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
}

impl Labels {
    /// What a request gives.
    pub fn of(reference: Option<Reference>, metadata: Option<Metadata>) -> Self {
        Self { reference, metadata: metadata.unwrap_or_default() }
    }

    /// True if nothing is written.
    pub fn is_empty(&self) -> bool {
        self.reference.is_none() && self.metadata.is_empty()
    }

    /// What it is found by.
    pub fn lookups(&self) -> impl Iterator<Item = Lookup> {
        self.reference.iter().map(Reference::lookup).chain(self.metadata.lookups())
    }
}

impl Metadata {
    /// As [`Self::to_json`] has written it.
    ///
    /// # Errors
    /// If `text` is anything else.
    pub fn of_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text).map(Self)
    }

    /// True if there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As JSON, which is how it is stored.
    ///
    /// # Panics
    /// Never: strings by their keys can be written.
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).expect("strings by their keys can be written")
    }

    /// What each of its entries is found by.
    fn lookups(&self) -> impl Iterator<Item = Lookup> {
        self.0.iter().map(|(key, value)| Lookup::of(key, value))
    }
}

impl Reference {
    /// What it is found by.
    fn lookup(&self) -> Lookup {
        Lookup::of("", &self.0) // no key of metadata is empty
    }
}

/// What an entry of metadata, or a reference, is found by: equal for equal ones, and of one length however long they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup(pub [u8; Lookup::BYTES]);

impl Lookup {
    /// The length in bytes. No two of a thousand million million entries have the same by chance.
    pub const BYTES: usize = 16;

    fn of(key: &str, value: &str) -> Self {
        let digest = Sha256::new().chain_update(key).chain_update([0]).chain_update(value).finalize();
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&digest[..Self::BYTES]);
        Self(bytes)
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Metadata;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Metadata, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    if entries.insert(key, value).is_some() {
                        return Err(A::Error::custom("must not have a key twice"));
                    }
                }
                check(&entries).map_err(A::Error::custom)?;
                Ok(Metadata(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn check(entries: &BTreeMap<String, String>) -> Result<(), String> {
    if entries.len() > MAX_ENTRIES {
        return Err(format!("must have {MAX_ENTRIES} entries at most"));
    }
    let is_key_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if !entries.keys().all(|key| (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(is_key_byte)) {
        return Err(format!("must have keys of 1 to {MAX_KEY} letters, digits, _, . and -"));
    }
    if entries.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_METADATA {
        return Err(format!("must hold {MAX_METADATA} bytes at most, keys and values together"));
    }
    if entries.values().any(|value| value.chars().any(char::is_control)) {
        return Err("must not contain control characters".into());
    }
    Ok(())
}

impl JsonSchema for Metadata {
    fn schema_name() -> Cow<'static, str> {
        "Metadata".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": MAX_ENTRIES,
            "propertyNames": {"pattern": format!("^[A-Za-z0-9_.-]{{1,{MAX_KEY}}}$")},
            "additionalProperties": {"type": "string", "maxLength": MAX_METADATA},
            "example": {"order": "A-1042"},
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn metadata(value: Value) -> Result<Metadata, String> {
        from_value(value).map_err(|error: serde_json::Error| error.to_string())
    }

    #[test]
    fn metadata_has_limits_and_each_names_itself() {
        let many = |count: usize| (0..count).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>();
        assert!(metadata(many(MAX_ENTRIES).into()).is_ok());
        assert!(metadata(many(MAX_ENTRIES + 1).into()).unwrap_err().contains("20 entries"));
        for key in ["a", &"k".repeat(MAX_KEY), "Order_no.1-b"] {
            assert!(metadata(json!({key: ""})).is_ok(), "{key}");
        }
        for key in ["", &"k".repeat(MAX_KEY + 1), "a b", "a[0]", "é", "a\u{0}"] {
            assert!(metadata(json!({key: "v"})).unwrap_err().contains("must have keys"), "{key}");
        }
        // "é" is two bytes
        assert!(metadata(json!({"k": "é".repeat((MAX_METADATA - 1) / 2)})).is_ok());
        assert!(metadata(json!({"k": "é".repeat(MAX_METADATA / 2)})).unwrap_err().contains("4096 bytes"));
        assert!(metadata(json!({"k": "a\nb"})).unwrap_err().contains("control characters"));
        let twice = serde_json::from_str::<Metadata>(r#"{"k": "a", "k": "a"}"#).unwrap_err().to_string();
        assert!(twice.contains("must not have a key twice"), "{twice}");
        for wrong in [json!({"k": 1}), json!({"k": null}), json!(["a"]), json!("a")] {
            assert!(metadata(wrong.clone()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_found_by_is_the_key_and_the_value() {
        let lookups = |value| metadata(value).unwrap().lookups().collect::<Vec<_>>();
        assert_eq!(lookups(json!({"a": "1", "b": "2"})), lookups(json!({"b": "2", "a": "1"})));
        assert_ne!(lookups(json!({"a": "b"})), lookups(json!({"ab": ""})));
        assert_ne!(lookups(json!({"a": "1"})), lookups(json!({"a": "1 "})));
        let reference = Reference::try_from("1".to_owned()).unwrap();
        assert_ne!(lookups(json!({"a": "1"})), [reference.lookup()]);
    }
}
