//! A request from its fields, which are read one by one.

use std::{borrow::Cow, collections::HashSet};

use money::InvalidAmount;
use serde::de;

use super::{
    invalid::{Absent, Cause, Invalid, shortened},
    json, query,
};
use crate::{
    code::Code,
    codes,
    error::{ApiError, Result},
};

/// Faults that one answer names.
const MAX_FAULTS: usize = 50;
/// Fields of a request that are read: more than any request has, so that one with more is refused for those it does not know.
const MAX_FIELDS: usize = 1_000;

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
/// may be absent or null, all others are required, and no field that it does not name is taken. A field whose name is a word
/// of Rust is written `r#final`.
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
                $(let $field = fields.take::<$type>(stringify!($field).trim_start_matches("r#"));)*
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

enum Given<'a> {
    Json(&'a str),
    Text(&'a str),
    /// Of a query: the members of an object, `name[member]=text`.
    Members(Vec<(&'a str, &'a str)>),
}

impl Entry<'_> {
    /// Its name, as the request gives it.
    fn label(&self) -> String {
        match &self.value {
            Given::Members(members) => shortened(&format!("{}[{}]", self.name, members[0].0)),
            Given::Json(_) | Given::Text(_) => shortened(&self.name),
        }
    }
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
        let mut names = HashSet::new();
        for (name, value) in entries.into_iter().take(MAX_FIELDS) {
            if names.insert(name.clone()) {
                fields.entries.push(Entry { name, value, taken: false });
            } else {
                fields.note(&shortened(&name), Invalid::of(Cause::Duplicate));
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
                match &entry.value {
                    Given::Json(text) => T::deserialize(json::Value(text)),
                    Given::Text(text) => T::deserialize(query::Value(text)),
                    Given::Members(members) => T::deserialize(query::Members(members)),
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
        if self.faults.len() == MAX_FAULTS {
            return; // there are enough to refuse the request
        }
        let field = invalid.within(name);
        let is_amount = field.path.ends_with("amount");
        let (code, phrase) = match field.cause {
            Cause::Malformed(at) => {
                self.malformed.get_or_insert(at);
                return;
            }
            Cause::Unknown => (codes::UNKNOWN_FIELD, "is not known here".to_owned()),
            Cause::Duplicate => (codes::DUPLICATE_FIELD, "is given twice".to_owned()),
            Cause::Missing if is_amount => (codes::INVALID_AMOUNT, "is missing".to_owned()),
            Cause::Missing => (codes::MISSING_FIELD, "is missing".to_owned()),
            Cause::WrongType if is_amount => (codes::INVALID_AMOUNT, InvalidAmount::Form.to_string()),
            Cause::Phrase(phrase) if is_amount => (codes::INVALID_AMOUNT, phrase),
            Cause::WrongType => (codes::INVALID_VALUE, "has the wrong type".to_owned()),
            Cause::Phrase(phrase) => (codes::INVALID_VALUE, phrase),
        };
        self.faults.push(Fault { field: field.path, code, phrase });
    }

    /// Reads a `T`, which must be all that there is. The error has the code of the first fault, and names them all.
    fn read<T: FromFields>(mut self) -> Result<T, Refused> {
        let value = T::from_fields(&mut self);
        let unknown = self.entries.iter().filter(|entry| !entry.taken).take(MAX_FAULTS);
        let unknown: Vec<String> = unknown.map(Entry::label).collect();
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
                let faults = self.faults.into_iter();
                Err(Refused::Faults(faults.fold(error, |error, fault| error.field(&fault.field, fault.phrase))))
            }
            (None, None) => Err(Refused::Faults(codes::INVALID_BODY.into())),
        }
    }
}

/// Why there is no request.
enum Refused {
    Malformed(usize),
    Faults(ApiError),
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
    Fields::new(gathered(&pairs)).read().map_err(|refused| match refused {
        Refused::Malformed(_) => codes::INVALID_VALUE.into(),
        Refused::Faults(error) => error,
    })
}

/// The parameters of a query, of which those of one object are together.
fn gathered<'a>(pairs: &'a [(Cow<'a, str>, Cow<'a, str>)]) -> Vec<(Cow<'a, str>, Given<'a>)> {
    let mut entries: Vec<(Cow<'a, str>, Given<'a>)> = Vec::new();
    for (name, text) in pairs {
        let member = name.strip_suffix(']').and_then(|name| name.split_once('['));
        let Some((object, member)) = member else {
            entries.push((Cow::Borrowed(name), Given::Text(text)));
            continue;
        };
        let members = entries.iter_mut().find_map(|(name, given)| match given {
            Given::Members(members) if name == object => Some(members),
            _ => None,
        });
        match members {
            Some(members) => members.push((member, text)),
            None => entries.push((Cow::Borrowed(object), Given::Members(vec![(member, text)]))),
        }
    }
    entries
}

#[cfg(test)]
mod tests;
