//! Figures as a person reads them.

use super::measure::float;

/// A whole number with commas between thousands.
pub fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate or a latency without more digits than it deserves.
pub fn short(value: f64) -> String {
    if value >= 100.0 {
        whole(value)
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

pub fn unknown() -> String {
    "–".to_owned()
}

pub fn memory(bytes: Option<u64>) -> String {
    let mebibytes = bytes.map(|bytes| float(bytes) / 1024.0 / 1024.0);
    mebibytes.map_or_else(unknown, |mebibytes| format!("{} MiB", short(mebibytes)))
}
