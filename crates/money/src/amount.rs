//! Money: exact decimals from the text of a request to `DECIMAL(19,2)`, or `DECIMAL(28,2)` for balances and sums, and back,
//! never a float.

use std::{borrow::Cow, fmt, iter::Sum, ops, str::FromStr};

use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;

/// Decimals of the currency's smallest unit that the ledger keeps.
pub const MAX_DECIMALS: u32 = 2;
/// Digits that an amount in a request may have, so that a client that reads JSON numbers as doubles reads it exactly.
pub const MAX_DIGITS: u32 = 15;
/// The smallest amount that no caller can ask for, nor have a part of.
const BEYOND: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0);
/// The balance up to which an account takes top-ups and credits. Payments of others may raise it further: a limit that they
/// could reach would show them the balance, and let them fill the account.
pub const MAX_BALANCE: Money = Money(Decimal::from_parts(0x89E7_FFFF, 0x8AC7_2304, 0, false, 2));
/// The largest balance that can be stored: the most that `DECIMAL(28,2)` holds, and with two decimals the most digits that
/// are exact in memory. The largest payment fits in 10^11 times.
pub const MAX_STORED: Money = Money(Decimal::from_parts(0x0FFF_FFFF, 0x3E25_0261, 0x204F_CE5E, false, 2));

/// A sum of money of either sign with at most two decimals: a balance, a ledger entry, a total.
///
/// As JSON it is a number with exactly the digits that it needs (`100000`, `50000.5`). Answer it from a struct: a
/// `serde_json::Value`, which `json!` makes, would hold it as a float.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(pub(crate) Decimal);

/// An amount that moves: greater than 0, at most two decimals. One that a caller asks for has at most 15 digits; a part or a rest of such
/// a one, which is worked out, may have two more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(Money);

/// Text that is no [`Amount`], and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAmount {
    /// It is no number, or not one within the bounds.
    #[error("must be a number greater than 0 with at most two decimals and 15 digits")]
    Form,
    /// More decimals are written than the currency has: half the world reads `10.000` as ten thousand.
    #[error("must have at most two decimals: the point is the decimal point, so ten thousand is 10000")]
    Decimals,
}

#[cfg(feature = "sql")]
crate::sql::column!(Money(Decimal), Amount(Money));

impl Money {
    /// No money.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// True below zero.
    pub fn is_negative(self) -> bool {
        self < Self::ZERO
    }

    /// True if it is a whole number of the currency's smallest unit.
    pub fn is_in_units(self) -> bool {
        self.0.normalize().scale() <= MAX_DECIMALS
    }

    /// For people: `Rp 10,000` for IDR, the currency's code before the number (`USD 10.50`) for any other.
    pub fn display(self, currency: &str) -> String {
        let text = self.0.normalize().abs().to_string();
        let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
        let mut grouped = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if !decimals.is_empty() {
            grouped = format!("{grouped}.{decimals:0<2}");
        }
        let sign = if self.is_negative() { "-" } else { "" };
        let unit = if currency == "IDR" { "Rp" } else { currency };
        format!("{sign}{unit} {grouped}")
    }
}

impl Amount {
    /// The amount as money.
    pub const fn money(self) -> Money {
        self.0
    }
}

impl FromStr for Amount {
    type Err = InvalidAmount;

    /// Plain digits with at most one point: no sign, exponent, leading zeros, blanks or thousands separators.
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        Self::from_written(written(text)?)
    }
}

impl Amount {
    /// Reads a JSON number, which may have an exponent: `1e2` is 100.
    fn from_number(text: &str) -> Result<Self, InvalidAmount> {
        let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return text.parse() };
        Self::from_written(shifted(written(mantissa)?, exponent).ok_or(InvalidAmount::Form)?)
    }

    /// The decimals count as they are written.
    fn from_written(value: Decimal) -> Result<Self, InvalidAmount> {
        if value.scale() > MAX_DECIMALS {
            return Err(InvalidAmount::Decimals);
        }
        let digits = value.normalize().mantissa().checked_ilog10().map_or(0, |log| log + 1);
        if digits > MAX_DIGITS { Err(InvalidAmount::Form) } else { Self::try_from(value) }
    }

    /// Reads, for `deserialize_with`, an amount that another service may have worked out.
    ///
    /// # Errors
    ///
    /// If it is none.
    pub fn worked_out<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Money::deserialize(deserializer)?.try_into().map_err(D::Error::custom)
    }
}

/// A decimal exactly as it is written, with as many decimals.
fn written(text: &str) -> Result<Decimal, InvalidAmount> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_canonical = whole == "0" || !whole.starts_with('0');
    let is_small = text.len() <= 40; // rust_decimal rounds silently past 28 places
    if !(is_small && is_canonical && digits(whole) && digits(fraction)) {
        return Err(InvalidAmount::Form);
    }
    Decimal::from_str_exact(text).map_err(|_| InvalidAmount::Form)
}

/// `value` times ten to the power of `exponent`, exactly or not at all.
fn shifted(mut value: Decimal, exponent: &str) -> Option<Decimal> {
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = i64::from(value.scale()) - exponent.parse::<i64>().ok()?;
    if scale >= 0 {
        value.set_scale(scale.try_into().ok()?).ok()?;
        return Some(value);
    }
    value.set_scale(0).ok()?;
    value.checked_mul(Decimal::from(10_i64.checked_pow((-scale).try_into().ok()?)?))
}

impl TryFrom<Decimal> for Amount {
    type Error = InvalidAmount;
    fn try_from(value: Decimal) -> Result<Self, InvalidAmount> {
        let value = value.normalize();
        if value > Decimal::ZERO && value.scale() <= MAX_DECIMALS && value < BEYOND {
            Ok(Self(Money(value)))
        } else {
            Err(InvalidAmount::Form)
        }
    }
}

impl TryFrom<Money> for Amount {
    type Error = InvalidAmount;
    fn try_from(money: Money) -> Result<Self, InvalidAmount> {
        Self::try_from(money.0)
    }
}

impl From<Amount> for Money {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl From<i64> for Money {
    fn from(units: i64) -> Self {
        Self(units.into())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.normalize().fmt(f)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ops::Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl ops::Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl ops::Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, ops::Add::add)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // A raw value carries the digits as they are; `serialize_f64` would round them.
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Describes a type in place.
macro_rules! described {
    ($name:ident as $schema:tt) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

described!(Money as {"type": "number"});
described!(Amount as {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 999_999_999_999_999_i64},
        {"type": "string", "pattern": "^(0|[1-9][0-9]{0,14})(\\.[0-9]{1,2})?$"},
    ],
});

/// The text of a JSON string without escapes; `None` for any other value.
fn unquoted(json: &str) -> Option<&str> {
    json.strip_prefix('"').and_then(|text| text.strip_suffix('"'))
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        unquoted(raw.get()).map_or_else(|| Self::from_number(raw.get()), str::parse).map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Decimal::from_str_exact(unquoted(raw.get()).unwrap_or(raw.get())).map(Self).map_err(D::Error::custom)
    }
}

/// A bound of a filter by amount, in a query: an amount, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmountBound(pub Money);

described!(AmountBound as {"type": "string", "pattern": "^(0|[1-9][0-9]{0,14})(\\.[0-9]{1,2})?$"});

impl<'de> Deserialize<'de> for AmountBound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = written(&text).map_err(D::Error::custom)?;
        if value.is_zero() && value.scale() <= MAX_DECIMALS {
            return Ok(Self(Money::ZERO));
        }
        Amount::from_written(value).map(|amount| Self(amount.money())).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
