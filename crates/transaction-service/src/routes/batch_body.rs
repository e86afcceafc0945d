//! What requests for batches look like: JSON, or a CSV from a spreadsheet.

use std::fmt;

use aide::{
    OperationInput,
    generate::GenContext,
    openapi::{MediaType, Operation, ReferenceOr, SchemaObject},
};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::header::CONTENT_TYPE,
};
use common::{
    ApiError, Result,
    caller::Caller,
    csv::{self, CsvFile},
    describe::{self, LONGEST_BODY},
    extract::{Json, json_bytes, plain_bytes},
    fields, request,
};
use money::UserId;
use serde_json::{Value, json, value::RawValue};

use super::body::Create;
use crate::{codes, domain::batch::MAX_ITEMS};

/// The longest body of a batch, in bytes.
pub const MAX_BATCH_BODY: usize = 1024 * 1024;
/// The columns of a CSV, of which the first two are needed.
const COLUMNS: [&str; 4] = ["receiver", "amount", "description", "reference"];
/// Which of them are needed.
const NEEDED: usize = 2;

request! {
    /// The body of `POST /transactions/batch`.
    #[schemars(example = json!({"atomic": false, "transactions": [
        {"sender_id": 1, "receiver_id": 2, "amount": 10_000, "auto_complete": true},
        {"sender_id": 1, "receiver_id": 3, "amount": 5_000, "reference": "PAY-2"},
    ]}))]
    pub struct JsonBatch {
        /// Whether all of them are made or none: no, if it is absent.
        atomic: Option<bool>,
        /// What is to be made, each as for `POST /transactions`.
        #[schemars(with = "Vec<Create>", length(min = 1, max = MAX_ITEMS))]
        transactions: Vec<Box<RawValue>>,
    }
}

request! {
    /// What goes with a CSV.
    pub struct CsvQuery {
        /// Of a CSV: whether all of its payments are made or none; no, if it is absent.
        pub atomic: Option<bool>,
        /// Of a CSV: who pays; a user need not say it.
        pub sender_id: Option<UserId>,
        /// Whether nothing is to change: the answer is the real one, with `dry_run` and what the caller's account would then have, and
        /// without `id`. An `Idempotency-Key` beside it is ignored. No, if it is absent.
        pub dry_run: Option<bool>,
    }
}

/// A body, which is one or the other.
pub enum Given {
    Json(Bytes),
    Csv(Bytes),
}

impl<S: Send + Sync> FromRequest<S> for Given {
    type Rejection = ApiError;
    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case(csv::MEDIA_TYPE) {
            return plain_bytes(request, state).await.map(Self::Csv);
        }
        json_bytes(request, state).await.map(Self::Json)
    }
}

impl OperationInput for Given {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        Json::<JsonBatch>::operation_input(context, operation);
        operation.extensions.insert(LONGEST_BODY.to_owned(), json!(MAX_BATCH_BODY));
        if let Some(ReferenceOr::Item(body)) = &mut operation.request_body {
            let json_schema = schemars::json_schema!({
                "type": "string",
                "description": "RFC 4180, UTF-8, with a header row of the columns receiver (an id or an address), amount, description and reference.",
            });
            let example = json!(
                "receiver,amount,description,reference\r\n2,10000,Salary,PAY-1\r\njane@example.com,5000,,PAY-2\r\n"
            );
            let schema = SchemaObject { json_schema, external_docs: None, example: None };
            let media_type = MediaType { schema: Some(schema), example: Some(example), ..MediaType::default() };
            body.content.insert(csv::MEDIA_TYPE.to_owned(), media_type);
        }
        describe::refuses(operation, &[codes::TOO_MANY_ITEMS, codes::INVALID_AMOUNT]);
    }
}

/// Where an item stands in the request.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// In the list, from 0.
    Item(usize),
    /// On this line of a CSV, of which the header is the first.
    Line(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(item) => write!(f, "transactions[{item}]"),
            Self::Line(line) => f.write_str(&csv::place(*line)),
        }
    }
}

impl Place {
    /// What is wrong with the item here, for an answer about the item alone.
    pub fn alone(self, fault: &ApiError) -> ApiError {
        match self {
            Self::Item(_) => ApiError::new(fault.code()).fields_of(fault, str::to_owned),
            Self::Line(_) => self.name(ApiError::new(fault.code()), fault),
        }
    }

    /// Adds to `error` what is wrong with the item here.
    pub fn name(self, error: ApiError, fault: &ApiError) -> ApiError {
        if fault.fields().is_empty() {
            return error.field(&self.to_string(), fault.code().message());
        }
        error.fields_of(fault, |field| match self {
            Self::Item(_) => format!("{self}.{field}"),
            // `receiver` is either of two fields
            Self::Line(_) if field.starts_with("receiver_") => format!("{self}, receiver"),
            Self::Line(_) if field.starts_with("line ") => field.to_owned(),
            Self::Line(_) => format!("{self}, {field}"),
        })
    }
}

/// A batch, before anybody has looked for the receivers.
pub struct Drafts {
    pub is_atomic: bool,
    /// What is to be made, or what is wrong with it.
    pub items: Vec<(Place, Result<Create>)>,
    /// What was asked for, for the fingerprint.
    pub asked: Value,
}

impl Given {
    /// What `caller` asks for.
    ///
    /// # Errors
    /// If the list as a whole is not as it must be. What is wrong with an item alone stands in its place.
    pub fn drafts(&self, caller: Caller, query: &CsvQuery) -> Result<Drafts> {
        match self {
            Self::Json(body) => from_json(body, query),
            Self::Csv(body) => from_csv(body, caller, query),
        }
    }
}

fn from_json(body: &[u8], query: &CsvQuery) -> Result<Drafts> {
    for (field, is_given) in [("atomic", query.atomic.is_some()), ("sender_id", query.sender_id.is_some())] {
        if is_given {
            return Err(ApiError::invalid(field, "must stand in the body, if that is JSON"));
        }
    }
    let JsonBatch { atomic, transactions } = fields::from_json(body)?;
    must_be_some("transactions", transactions.len())?;
    let is_atomic = atomic.unwrap_or(false);
    let texts: Vec<&str> = transactions.iter().map(|item| item.get()).collect();
    let draft = |(item, text): (usize, &&str)| (Place::Item(item), fields::from_json(text.as_bytes()));
    // as it is written: amounts are no numbers of JavaScript
    let asked = json!({"atomic": is_atomic, "transactions": texts});
    Ok(Drafts { is_atomic, items: texts.iter().enumerate().map(draft).collect(), asked })
}

fn must_be_some(field: &str, items: usize) -> Result<()> {
    if items == 0 {
        return Err(ApiError::invalid(field, "must have at least one payment"));
    }
    if items > MAX_ITEMS {
        return Err(ApiError::new(codes::TOO_MANY_ITEMS).detail("limit", MAX_ITEMS));
    }
    Ok(())
}

fn from_csv(body: &[u8], caller: Caller, query: &CsvQuery) -> Result<Drafts> {
    let missing = || ApiError::new(codes::MISSING_FIELD).field("sender_id", "is missing");
    let sender = query.sender_id.or(caller.only_user()).ok_or_else(missing)?;
    let mut file = CsvFile::open(body, &COLUMNS, NEEDED)?;
    let is_atomic = query.atomic.unwrap_or(false);
    let (mut items, mut rows) = (Vec::new(), Vec::new());
    while let Some(row) = file.next_row()? {
        must_be_some("line 2", items.len() + 1)?;
        let place = Place::Line(row.line);
        let payment = match file.fault(&row) {
            Some(fault) => Err(ApiError::invalid(&place.to_string(), fault)),
            None => payment(sender, &file.header, &row.cells),
        };
        items.push((place, payment));
        rows.push(row.cells.iter().map(str::to_owned).collect::<Vec<_>>());
    }
    must_be_some("line 2", items.len())?;
    let asked = json!({"atomic": is_atomic, "sender_id": sender, "columns": file.header, "rows": rows});
    Ok(Drafts { is_atomic, items, asked })
}

/// The payment that a row is.
fn payment(sender: UserId, header: &[String], cells: &csv::StringRecord) -> Result<Create> {
    let mut fields = json!({"sender_id": sender, "auto_complete": true});
    for (name, text) in header.iter().zip(cells) {
        let (name, value) = match name.as_str() {
            "receiver" => match text.parse::<UserId>() {
                Ok(id) => ("receiver_id", json!(id)),
                Err(_) => ("receiver_email", json!(text)),
            },
            // an empty cell says nothing
            name if text.is_empty() && name != "amount" => (name, Value::Null),
            name => (name, json!(text)),
        };
        fields[name] = value;
    }
    fields::from_json(fields.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Drafts> {
        let query = CsvQuery { atomic: None, sender_id: Some(1.try_into().unwrap()), dry_run: None };
        Given::Csv(text.to_owned().into()).drafts(Caller::Service(None), &query)
    }

    fn faults(text: &str) -> Vec<(String, Vec<String>)> {
        let fault = |(place, draft): (Place, Result<Create>)| {
            let error = place.alone(&draft.err()?);
            Some((error.code().name().to_owned(), error.fields().keys().cloned().collect()))
        };
        csv(text).unwrap().items.into_iter().filter_map(fault).collect()
    }

    #[test]
    fn a_spreadsheet_is_read_as_it_is_saved() {
        for text in [
            "receiver,amount,description,reference\r\n2,10000,\"Salary, \"\"May\"\"\",PAY-1\r\njane@example.com,5000.50,,\r\n",
            "\u{feff}receiver,amount,description,reference\n2,10000,\"Two\nlines\",PAY-1\njane@example.com,1,,\n\n",
            "amount, receiver\n10,2\n5,jane@example.com",
        ] {
            let drafts = csv(text).unwrap();
            assert_eq!(drafts.items.len(), 2, "{text}");
            assert!(drafts.items.iter().all(|(_, draft)| draft.is_ok()), "{text}");
        }
    }

    #[test]
    fn each_wrong_cell_is_named_by_its_line_and_column() {
        let text = "receiver,amount,reference\n2,10,A\n,10,B\n2,\"10,5\",C\n2,-1,\n\"a\nb\",1,D\n2,1\n\n2,,E\n";
        let named = |code: &str, field: &str| (code.to_owned(), vec![field.to_owned()]);
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            assert_eq!(
                faults(&text),
                [
                    named("invalid_value", "line 3, receiver"),
                    named("invalid_amount", "line 4, amount"),
                    named("invalid_amount", "line 5, amount"),
                    named("invalid_value", "line 6, receiver"),
                    named("invalid_value", "line 8"),
                    named("invalid_amount", "line 10, amount"),
                ]
            );
        }
    }

    #[test]
    fn a_file_that_is_none_is_refused_as_a_whole() {
        let refused = |text: &str| {
            let error = csv(text).err().unwrap();
            (error.code().name(), error.fields().keys().next().cloned())
        };
        let invalid = |line: &str| ("invalid_value", Some(line.to_owned()));
        for header in ["receiver\n2\n", "receiver,amount,amount\n", "to,amount\n2,1\n", "", "2,10\n"] {
            assert_eq!(refused(header), invalid("line 1"), "{header:?}");
        }
        assert_eq!(refused("receiver,amount\n"), invalid("line 2"));
        assert_eq!(refused("receiver,amount\n2,\"10\n3,10\n"), invalid("line 1"));
        let most = format!("receiver,amount\n{}", "2,1\n".repeat(MAX_ITEMS));
        assert_eq!(csv(&most).unwrap().items.len(), MAX_ITEMS);
        assert_eq!(refused(&format!("{most}2,1\n")), ("too_many_items", None));
        let query = CsvQuery { atomic: None, sender_id: Some(1.try_into().unwrap()), dry_run: None };
        let latin = Given::Csv(b"receiver,amount\n2,1\nJos\xe9,1\n".as_slice().into());
        let error = latin.drafts(Caller::Service(None), &query).err().unwrap();
        assert!(error.fields().contains_key("line 3"), "{:?}", error.fields());
        let nobody = CsvQuery { atomic: None, sender_id: None, dry_run: None };
        assert!(Given::Csv("receiver,amount\n2,1\n".into()).drafts(Caller::Service(None), &nobody).is_err());
    }
}
