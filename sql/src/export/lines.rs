//! Rows as lines: NDJSON and CSV.
//!
//! Bytes are `0x` and hexadecimal digits, whole numbers that may not fit into 64 bits are decimal text: nothing is lost in
//! programs that take every number for a float. In CSV nothing stands for null, and `""` for empty text.

use std::{fmt::Write as _, io::Write as _};

use serde_json::{Map, Value};
use sqlx::PgConnection;

use super::{Export, ExportError, Format, Manifest, Meter, Part, Range, Rows, file, height_of, rows};
use crate::{
    cell::{Cell, Row},
    tables::{Column, Table, Type},
};

/// Writes the rows of a range into one file, after those that are there.
pub(super) async fn write(
    connection: &mut PgConnection,
    export: &Export,
    manifest: &mut Manifest,
    meter: &mut Meter<'_>,
) -> Result<(), ExportError> {
    let failed = ExportError::at(&export.output);
    let header = (export.format == Format::Csv).then(|| csv_header(export.table.columns()));
    let (mut file, mut count, after) = begin(export, header.as_deref())?;
    let range = Range { from: manifest.from, to: manifest.to, after };
    let statement = rows::statement(export.table, &range);
    let mut rows = Rows::read(connection, export.table, &statement);
    while let Some(row) = rows.next().await? {
        let line = match export.format {
            Format::Csv => csv_line(&row),
            _ => json_line(export.table.columns(), &row),
        };
        file.write_all(line.as_bytes()).map_err(&failed)?;
        count = count.saturating_add(1);
        meter.reached(height_of(&row), count);
    }
    let (bytes, sha256) = file.finish(&export.output)?;
    let name = export.output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    manifest.add(Part { file: name, from: manifest.from, to: manifest.to, rows: count, bytes, sha256 });
    Ok(())
}

/// The file, how many rows it has, and the position of the last one.
fn begin(
    export: &Export,
    header: Option<&str>,
) -> Result<(file::Hashed, u64, Option<Vec<i64>>), ExportError> {
    let path = &export.output;
    if !export.resume || !path.exists() {
        let mut file = file::Hashed::create(path)?;
        file.write_all(header.unwrap_or_default().as_bytes()).map_err(ExportError::at(path))?;
        return Ok((file, 0, None));
    }
    let file::Torn { mut file, lines, last } = file::reopen(path)?;
    let Some(header) = header else {
        return Ok((file, lines, position(export, lines, &last)?));
    };
    if lines == 0 {
        file.write_all(header.as_bytes()).map_err(ExportError::at(path))?;
    }
    let rows = lines.saturating_sub(1);
    Ok((file, rows, position(export, rows, &last)?))
}

/// Where the last row stands, by its line.
fn position(export: &Export, rows: u64, line: &[u8]) -> Result<Option<Vec<i64>>, ExportError> {
    if rows == 0 {
        return Ok(None);
    }
    let names = export.table.position();
    let found: Option<Vec<i64>> = match export.format {
        Format::Csv => std::str::from_utf8(line).ok().and_then(|line| {
            let fields = line.trim_end().split(',').take(names.len());
            fields.map(|field| field.parse().ok()).collect()
        }),
        _ => serde_json::from_slice::<Value>(line)
            .ok()
            .and_then(|value| names.iter().map(|name| value.get(*name)?.as_i64()).collect()),
    };
    let found = found.filter(|found| found.len() == names.len());
    found.map(Some).ok_or_else(|| ExportError::differs(&export.output, "its last whole line has no position"))
}

/// The first line of a CSV file.
fn csv_header(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    names.join(",") + "\n"
}

/// A row as a line of a CSV file.
fn csv_line(row: &Row) -> String {
    let mut line = String::with_capacity(256);
    for (place, cell) in row.iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        // Writing to a string cannot fail.
        let _ = match cell {
            Cell::Null => Ok(()),
            Cell::Int(number) => write!(line, "{number}"),
            Cell::Bool(value) => write!(line, "{value}"),
            Cell::Number(digits) => write!(line, "{digits}"),
            Cell::Bytes(bytes) => write!(line, "0x{}", hex::encode(bytes)),
            Cell::Text(text) => field(text, &mut line),
            Cell::Json(value) => field(&value.to_string(), &mut line),
        };
    }
    line.push('\n');
    line
}

fn field(text: &str, line: &mut String) -> std::fmt::Result {
    if !text.is_empty() && !text.contains(['"', ',', '\n', '\r']) {
        return write!(line, "{text}");
    }
    write!(line, "\"{}\"", text.replace('"', "\"\""))
}

/// A cell as JSON.
fn json_value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Int(number) => (*number).into(),
        Cell::Bool(value) => (*value).into(),
        Cell::Number(text) | Cell::Text(text) => text.as_str().into(),
        Cell::Bytes(bytes) => format!("0x{}", hex::encode(bytes)).into(),
        Cell::Json(value) => value.clone(),
    }
}

/// A row as a document, its fields in the order of columns.
fn json_line(columns: &[Column], row: &Row) -> String {
    let mut line = String::with_capacity(512);
    for (place, (column, cell)) in columns.iter().zip(row).enumerate() {
        line.push_str(if place == 0 { "{\"" } else { ",\"" });
        line.push_str(column.name);
        line.push_str("\":");
        // Writing to a string cannot fail.
        let _ = write!(line, "{}", json_value(cell));
    }
    line.push_str("}\n");
    line
}

/// Rows as one JSON document that is read line by line as well: an array with a row a line.
pub fn json_document(table: Table, rows: &[Row]) -> String {
    let lines: Vec<String> = rows.iter().map(|row| json_line(table.columns(), row)).collect();
    match lines.is_empty() {
        true => "[]\n".to_owned(),
        false => {
            format!("[\n{}\n]\n", lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join(",\n"))
        }
    }
}

/// Rows as a CSV file.
pub fn csv_document(table: Table, rows: &[Row]) -> String {
    std::iter::once(csv_header(table.columns())).chain(rows.iter().map(csv_line)).collect()
}

/// Reads [`json_document`]; what is not as that writes it is named.
///
/// # Errors
/// The row and the column.
pub fn read_json_document(table: Table, text: &str) -> Result<Vec<Row>, String> {
    let documents: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let cell = |place: usize, document: &Map<String, Value>, column: &Column| {
        let value = document.get(column.name).and_then(|value| read_value(column.holds, value));
        value.ok_or_else(|| format!("row {place} has no such {}", column.name))
    };
    let row = |(place, document): (usize, &Map<String, Value>)| {
        table.columns().iter().map(|column| cell(place, document, column)).collect::<Result<Row, String>>()
    };
    (0..).zip(&documents).map(row).collect()
}

/// Reads what [`json_value`] writes; `None` for what no cell of the type is.
fn read_value(holds: Type, value: &Value) -> Option<Cell> {
    Some(match (holds, value) {
        (_, Value::Null) => Cell::Null,
        (Type::Int, value) => Cell::Int(value.as_i64()?),
        (Type::Bool, value) => Cell::Bool(value.as_bool()?),
        (Type::Number, value) => Cell::Number(value.as_str()?.to_owned()),
        (Type::Text, value) => Cell::Text(value.as_str()?.to_owned()),
        (Type::Bytes, value) => Cell::Bytes(hex::decode(value.as_str()?.strip_prefix("0x")?).ok()?),
        (Type::Json, value) => Cell::Json(value.clone()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row() -> Row {
        vec![
            Cell::Int(5),
            Cell::Int(0),
            Cell::Int(2),
            Cell::bytes([0xab, 1]),
            Cell::text("erc20"),
            Cell::text("say \"a,b\""),
            Cell::json(json!({ "value": "12" })),
        ]
    }

    #[test]
    fn lines_are_golden() {
        assert_eq!(
            csv_header(Table::DecodedEvents.columns()),
            "height,tx_index,log_index,address,standard,name,arguments\n"
        );
        assert_eq!(
            csv_line(&row()),
            "5,0,2,0xab01,erc20,\"say \"\"a,b\"\"\",\"{\"\"value\"\":\"\"12\"\"}\"\n"
        );
        assert_eq!(
            json_line(Table::DecodedEvents.columns(), &row()),
            "{\"height\":5,\"tx_index\":0,\"log_index\":2,\"address\":\"0xab01\",\"standard\":\"erc20\",\
             \"name\":\"say \\\"a,b\\\"\",\"arguments\":{\"value\":\"12\"}}\n"
        );
        assert_eq!(csv_line(&vec![Cell::Null, Cell::text(""), Cell::Bool(true)]), ",\"\",true\n");
    }

    #[test]
    fn a_document_of_rows_comes_back_and_what_is_none_is_named() {
        let rows = vec![row(), row()];
        let text = json_document(Table::DecodedEvents, &rows);
        assert_eq!(read_json_document(Table::DecodedEvents, &text).unwrap(), rows);
        assert_eq!(json_document(Table::DecodedEvents, &[]), "[]\n");
        let refused =
            read_json_document(Table::DecodedEvents, &text.replacen("0xab01", "ab01", 1)).unwrap_err();
        assert_eq!(refused, "row 0 has no such address");
        assert!(read_json_document(Table::Logs, &text).is_err());
    }

    #[test]
    fn a_whole_line_tells_where_its_row_stands() {
        let mut export = Export {
            table: Table::DecodedEvents,
            format: Format::Csv,
            from: None,
            to: None,
            output: "lines".into(),
            resume: true,
            part_rows: 1,
        };
        assert_eq!(position(&export, 1, csv_line(&row()).as_bytes()).unwrap(), Some(vec![5, 0, 2]));
        assert!(position(&export, 1, b"x,y,z\n").is_err());
        assert_eq!(position(&export, 0, b"").unwrap(), None);
        export.format = Format::Ndjson;
        let line = json_line(Table::DecodedEvents.columns(), &row());
        assert_eq!(position(&export, 1, line.as_bytes()).unwrap(), Some(vec![5, 0, 2]));
        assert!(position(&export, 1, b"{}\n").is_err());
    }
}
