//! The file that a reconciliation is asked for with.

use std::collections::HashMap;

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, ReferenceOr, RequestBody, SchemaObject},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::header::CONTENT_TYPE,
};
use chrono::{Months, NaiveDate};
use common::{
    ApiError, Result,
    csv::{self, CsvFile},
    describe::{self, LONGEST_BODY},
    extract::{plain_bytes, refuses_bodies},
};
use money::{Amount, Money, text, time::Date};
use serde_json::json;

use crate::{codes, domain::reconciliation::Movement};

/// The longest file, in bytes.
const MAX_FILE: usize = 10 * 1024 * 1024;
/// The columns, all of which are needed.
const COLUMNS: [&str; 3] = ["date", "amount", "reference"];
/// The longest reference, in characters: no movement has a longer one.
const MAX_REFERENCE: usize = 255;
/// The years between the oldest line and the newest, at most.
const MAX_YEARS: u32 = 10;
/// The most lines whose faults are answered.
const MAX_FAULTS: usize = 100;

/// A file, as it came.
pub struct File(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for File {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !media_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(csv::MEDIA_TYPE) {
            return Err(ApiError::new(codes::UNSUPPORTED_MEDIA_TYPE).field("Content-Type", "must be text/csv"));
        }
        plain_bytes(request, state).await.map(Self)
    }
}

impl OperationInput for File {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let json_schema = schemars::json_schema!({
            "type": "string",
            "description": "RFC 4180, UTF-8, with a header row of the columns date (a day in the wallet's time zone), amount (negative for a debit) and reference (each once in the file).",
        });
        let example = json!("date,amount,reference\r\n2026-11-25,100000,TOPUP-1\r\n2026-11-26,-2500.50,PAYOUT-7\r\n");
        let schema = SchemaObject { json_schema, external_docs: None, example: None };
        let media_type = MediaType { schema: Some(schema), example: Some(example), ..MediaType::default() };
        let content = [(csv::MEDIA_TYPE.to_owned(), media_type)].into_iter().collect();
        let body = RequestBody { content, required: true, ..RequestBody::default() };
        operation.request_body = Some(ReferenceOr::Item(body));
        operation.extensions.insert(LONGEST_BODY.to_owned(), json!(MAX_FILE));
        refuses_bodies(operation);
        describe::refuses(operation, &[codes::TOO_MANY_MOVEMENTS]);
    }
}

impl File {
    /// Its lines.
    ///
    /// # Errors
    /// If it has none, or some are faulty: each is named as a field, up to [`MAX_FAULTS`] of them.
    pub fn lines(&self) -> Result<Vec<Movement>> {
        let mut file = CsvFile::open(&self.0, &COLUMNS, COLUMNS.len())?;
        let (mut lines, mut known) = (Vec::new(), HashMap::new());
        let mut faults = Vec::new();
        let (mut first, mut last) = (None, None);
        while let Some(row) = file.next_row()? {
            let read = file.fault(&row).map_or_else(|| movement(&file.header, &row.cells), Err);
            let fault = match read {
                Err(fault) => fault,
                Ok(line) => match known.get(&line.reference) {
                    Some(before) => format!("reference is the same as on line {before}"),
                    None => {
                        known.insert(line.reference.clone(), row.line);
                        first = first.min(Some((line.date, row.line))).or(Some((line.date, row.line)));
                        last = last.max(Some((line.date, row.line)));
                        lines.push(line);
                        continue;
                    }
                },
            };
            faults.push((row.line, fault));
            if faults.len() == MAX_FAULTS {
                break;
            }
        }
        if let (Some((first, _)), Some((last, line))) = (first, last)
            && is_too_long(first, last)
            && faults.len() < MAX_FAULTS
        {
            faults.push((line, format!("date must be within {MAX_YEARS} years of the oldest one, {first}")));
        }
        if faults.is_empty() && lines.is_empty() {
            faults.push((2, "must have a line for at least one movement".to_owned()));
        }
        if faults.is_empty() {
            return Ok(lines);
        }
        let invalid = ApiError::new(codes::INVALID_VALUE);
        Err(faults.iter().fold(invalid, |error, (line, fault)| error.field(&csv::place(*line), fault)))
    }
}

fn is_too_long(first: NaiveDate, last: NaiveDate) -> bool {
    first.checked_add_months(Months::new(12 * MAX_YEARS)).is_none_or(|end| last >= end)
}

/// The movement on a line, or all that is wrong with it.
fn movement(header: &[String], cells: &csv::StringRecord) -> Result<Movement, String> {
    let cell = |name: &str| {
        let column = header.iter().position(|known| known == name);
        column.and_then(|column| cells.get(column)).unwrap_or_default().trim()
    };
    let date = serde_json::from_value::<Date>(cell("date").into()).map_err(|error| format!("date {error}"));
    let amount = amount(cell("amount")).map_err(|error| format!("amount {error}"));
    let reference = text::parse(cell("reference"), 1..=MAX_REFERENCE).map_err(|error| format!("reference {error}"));
    match (date, amount, reference) {
        (Ok(Date(date)), Ok(amount), Ok(reference)) => Ok(Movement { reference, date, amount }),
        (date, amount, reference) => {
            let faults = [date.err(), amount.err(), reference.err()];
            Err(faults.into_iter().flatten().collect::<Vec<_>>().join("; "))
        }
    }
}

/// What came in, or went out if there is a minus.
fn amount(text: &str) -> Result<Money, String> {
    let (digits, is_out) = text.strip_prefix('-').map_or((text, false), |digits| (digits, true));
    let amount: Amount = digits.parse().map_err(|error| format!("{error}"))?;
    Ok(if is_out { -amount.money() } else { amount.money() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<Movement>, Vec<(String, String)>> {
        File(text.to_owned().into()).lines().map_err(|error| error.fields().clone().into_iter().collect())
    }

    #[test]
    fn a_statement_of_a_bank_is_read_as_it_is_saved() {
        for text in [
            "date,amount,reference\n2026-11-25,100000,TOPUP-1\n2026-11-26,-2500.50,\"PAYOUT, 7\"\n",
            "\u{feff}reference,date,amount\r\nTOPUP-1,2026-11-25,100000.00\r\n\"PAYOUT, 7\", 2026-11-26 ,-2500.5\r\n\r\n",
        ] {
            let lines = lines(text).unwrap();
            let read: Vec<_> =
                lines.iter().map(|line| format!("{} {} {}", line.reference, line.date, line.amount)).collect();
            assert_eq!(read, ["TOPUP-1 2026-11-25 100000", "PAYOUT, 7 2026-11-26 -2500.5"], "{text}");
        }
    }

    #[test]
    fn the_sample_of_the_guide_is_such_a_file() {
        let sample = std::fs::read_to_string(lab::workspace_root().join("docs/guides/reconciliation.csv")).unwrap();
        assert_eq!(lines(&sample).unwrap().len(), 4);
    }

    #[test]
    fn every_bad_line_is_named_with_all_that_is_wrong() {
        let text = "date,amount,reference\n2026-11-25,1,A\n25.11.2026,\"1,5\",\n2026-11-25,0,B\n2026-11-26,2,A\n2026-11-25,1\n";
        let faults = lines(text).unwrap_err();
        let named: Vec<&str> = faults.iter().map(|(line, _)| &**line).collect();
        assert_eq!(named, ["line 3", "line 4", "line 5", "line 6"]);
        for word in ["date", "amount", "reference"] {
            assert!(faults[0].1.contains(word), "{}", faults[0].1);
        }
        assert_eq!(faults[2].1, "reference is the same as on line 2");
        let many = format!("date,amount,reference\n{}", "x,y,z\n".repeat(MAX_FAULTS + 1));
        assert_eq!(lines(&many).unwrap_err().len(), MAX_FAULTS);
    }

    #[test]
    fn a_file_without_lines_or_over_ten_years_is_refused() {
        assert_eq!(lines("date,amount,reference\n").unwrap_err()[0].0, "line 2");
        assert_eq!(lines("date,amount\n").unwrap_err()[0].0, "line 1");
        let years = |last: &str| format!("date,amount,reference\n{last},1,A\n2016-11-26,1,B\n");
        assert!(lines(&years("2026-11-25")).is_ok());
        assert_eq!(lines(&years("2026-11-26")).unwrap_err()[0].0, "line 2");
    }
}
