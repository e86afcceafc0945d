//! In which form something is answered: what `Accept` wants (RFC 9110) and what `format` says.

use schemars::JsonSchema;
use serde::Deserialize;

/// A form of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Format {
    /// `application/json`
    Json,
    /// `text/csv`
    Csv,
    /// `application/pdf`
    Pdf,
}

/// Why there is no form to answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFormat {
    /// `format` names one that `Accept` does not take.
    Contradiction,
    /// `Accept` takes none of them.
    NoneAccepted,
}

impl Format {
    /// Every form, the most welcome first where a caller does not mind.
    const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Pdf];

    /// The form for a request that names `asked`, if it does, and has this `Accept`, if it has one.
    pub fn negotiated(asked: Option<Self>, accept: Option<&str>) -> Result<Self, NoFormat> {
        let accept = accept.filter(|accept| !accept.trim().is_empty());
        let weight = |format: Self| accept.map_or(MOST, |accept| format.weight_in(accept));
        if let Some(asked) = asked {
            return if weight(asked) > 0 { Ok(asked) } else { Err(NoFormat::Contradiction) };
        }
        // of equals the last one is the greatest
        let best = Self::ALL.into_iter().rev().max_by_key(|format| weight(*format));
        best.filter(|format| weight(*format) > 0).ok_or(NoFormat::NoneAccepted)
    }

    /// How much `accept` wants this form: as its most specific range says.
    fn weight_in(self, accept: &str) -> u16 {
        let (whole, kind) = self.media_range();
        let ranges = accept.split(',').filter_map(weighted);
        let fitting = ranges.filter_map(|(range, weight)| {
            let specific = if range == whole {
                2
            } else if range == kind {
                1
            } else if range == "*/*" {
                0
            } else {
                return None;
            };
            Some((specific, weight))
        });
        fitting.max().map_or(0, |(_, weight)| weight)
    }

    fn media_range(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application/json", "application/*"),
            Self::Csv => ("text/csv", "text/*"),
            Self::Pdf => ("application/pdf", "application/*"),
        }
    }

    /// The media type, without parameters.
    pub fn media_type(self) -> &'static str {
        self.media_range().0
    }

    /// What `Content-Type` says.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Pdf => "application/pdf",
        }
    }

    /// What its files are called, after the point.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Pdf => "pdf",
        }
    }
}

/// The weight of what is wanted most, in thousandths.
const MOST: u16 = 1000;

/// A range of a header like `Accept` in lower case, and its weight in thousandths; `None` if it cannot be read.
pub(super) fn weighted(range: &str) -> Option<(String, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    for part in parts {
        if let Some(quality) = part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")) {
            return Some((name, thousandths(quality)?));
        }
    }
    Some((name, MOST))
}

fn thousandths(quality: &str) -> Option<u16> {
    let (whole, decimals) = quality.split_once('.').unwrap_or((quality, ""));
    let is_short = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let weight = match whole {
        "0" if is_short => format!("{decimals:0<3}").parse().ok()?,
        "1" if is_short && decimals.bytes().all(|byte| byte == b'0') => MOST,
        _ => return None,
    };
    Some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_and_format_agree_or_are_refused() {
        use Format::{Csv, Json, Pdf};
        use NoFormat::{Contradiction, NoneAccepted};
        let browser = Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        for (asked, accept, outcome) in [
            (None, None, Ok(Json)),
            (None, Some(""), Ok(Json)),
            (None, Some("*/*"), Ok(Json)),
            (None, Some("text/csv"), Ok(Csv)),
            (None, Some("text/*"), Ok(Csv)),
            (None, Some("application/*"), Ok(Json)),
            (None, Some("Application/PDF; version=1.7"), Ok(Pdf)),
            (None, Some("text/csv;q=0.5, application/pdf;q=0.8"), Ok(Pdf)),
            (None, Some("*/*, application/json;q=0"), Ok(Csv)),
            (None, browser, Ok(Json)),
            (None, Some("image/png"), Err(NoneAccepted)),
            (None, Some("application/json;q=0"), Err(NoneAccepted)),
            (None, Some("application/json;q=2"), Err(NoneAccepted)),
            (Some(Pdf), None, Ok(Pdf)),
            (Some(Pdf), browser, Ok(Pdf)),
            (Some(Pdf), Some("application/pdf"), Ok(Pdf)),
            (Some(Csv), Some("application/pdf"), Err(Contradiction)),
            (Some(Json), Some("image/png"), Err(Contradiction)),
            (Some(Pdf), Some("*/*, application/pdf;q=0.000"), Err(Contradiction)),
        ] {
            assert_eq!(Format::negotiated(asked, accept), outcome, "{asked:?} {accept:?}");
        }
    }
}
