//! CSV as spreadsheets save it: RFC 4180 in UTF-8, with or without a byte order mark, with a header row.

pub use csv::StringRecord;
use csv::{Position, Reader, ReaderBuilder};

use crate::{ApiError, Result};

/// The media type.
pub const MEDIA_TYPE: &str = "text/csv";

/// A file that has a header.
pub struct CsvFile<'a> {
    /// The columns that the header names, in its order.
    pub header: Vec<String>,
    reader: Reader<&'a [u8]>,
    lines: Lines<'a>,
}

/// A row.
pub struct Row {
    /// The line on which it begins; the header is on the first.
    pub line: u64,
    /// Its cells: as many as the header has, or the row is faulty.
    pub cells: StringRecord,
}

impl<'a> CsvFile<'a> {
    /// The file in `body`, whose header names some of `columns`, each once, and the first `needed` of them.
    ///
    /// # Errors
    /// If it is no such file; the line that is wrong is named as a field.
    pub fn open(body: &'a [u8], columns: &[&str], needed: usize) -> Result<Self> {
        let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
        let text = str::from_utf8(body).map_err(|error| {
            let line = body[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
            ApiError::invalid(&place(line as u64), "must be UTF-8")
        })?;
        // one that is left open would take in all that follows
        if text.matches('"').count() % 2 == 1 {
            return Err(ApiError::invalid(&place(1), "must have as many quotation marks that close as open"));
        }
        let mut reader = ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
        let header = header(reader.headers().map_err(ApiError::internal)?, columns, needed)?;
        Ok(Self { header, reader, lines: Lines { text, counted: 0, line: 1 } })
    }

    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// Never for what a file holds: it was opened.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let mut cells = StringRecord::new();
        if !self.reader.read_record(&mut cells).map_err(ApiError::internal)? {
            return Ok(None);
        }
        let line = self.lines.at(cells.position().map_or(0, Position::byte));
        Ok(Some(Row { line, cells }))
    }

    /// What is wrong with a row that has another number of cells than the header.
    pub fn fault(&self, row: &Row) -> Option<String> {
        let columns = self.header.len();
        (row.cells.len() != columns).then(|| format!("must have {columns} columns, as the header"))
    }
}

/// How an error names a line.
pub fn place(line: u64) -> String {
    format!("line {line}")
}

/// The columns that a header names.
fn header(header: &StringRecord, columns: &[&str], needed: usize) -> Result<Vec<String>> {
    let header: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
    let is_known = |name: &String| columns.contains(&name.as_str());
    let is_once = |name: &&str| header.iter().filter(|known| known == name).count() == 1;
    let mut must_be = columns[..needed].iter();
    if !header.iter().all(is_known) || !header.iter().all(|name| is_once(&name.as_str())) || !must_be.all(is_once) {
        let also = if needed < columns.len() { format!("; the first {needed} are needed") } else { String::new() };
        let phrase = format!("must name the columns {}, each once{also}", columns.join(", "));
        return Err(ApiError::invalid(&place(1), phrase));
    }
    Ok(header)
}

/// Counts lines, from 1 on. The reader counts `\r\n` as the end of a line only where it goes on.
struct Lines<'a> {
    text: &'a str,
    /// What has been counted, in bytes.
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first row that begins at `byte`, or behind the ends of lines there; it is behind the one before.
    fn at(&mut self, byte: u64) -> u64 {
        let rest = usize::try_from(byte).ok().and_then(|byte| self.text.get(byte..)).unwrap_or_default();
        let begin = self.text.len() - rest.trim_start_matches(['\r', '\n']).len();
        self.line += self.text[self.counted..begin].matches('\n').count() as u64;
        self.counted = begin;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_their_lines_and_whether_they_have_all_columns() {
        for end in ["\n", "\r\n"] {
            let text = format!("\u{feff}a, b{end}1,\"x{end}y\"{end}{end}2,z{end}3{end}");
            let mut file = CsvFile::open(text.as_bytes(), &["a", "b", "c"], 2).unwrap();
            assert_eq!(file.header, ["a", "b"]);
            let mut rows = Vec::new();
            while let Some(row) = file.next_row().unwrap() {
                rows.push((row.line, row.cells.len(), file.fault(&row).is_some()));
            }
            assert_eq!(rows, [(2, 2, false), (5, 2, false), (6, 1, true)], "{end:?}");
        }
    }
}
