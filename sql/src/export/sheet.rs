//! Rows of a list as one Parquet file that is given out in pieces: what the service of supervisors sends.
//!
//! The file's end names its row groups. A file that broke off has none, and no program takes it for a whole one.

use std::sync::Arc;

use parquet::{
    basic::{Compression, ConvertedType, Repetition, Type as Physical},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::{Type as Schema, TypePtr},
};
use serde_json::Value;

use super::parquet::Buffer;
use crate::{cell::Cell, read::List, tables::Type};

/// Rows and bytes after which a row group ends: what is held in memory.
const GROUP_ROWS: usize = 20_000;
const GROUP_BYTES: usize = 8 << 20;

/// Why there is no file. None of it is about the rows.
#[derive(Debug, thiserror::Error)]
#[error("cannot write rows as Parquet: {0}")]
pub struct SheetError(#[from] ParquetError);

/// The file.
pub struct Sheet {
    writer: SerializedFileWriter<Vec<u8>>,
    columns: Vec<(&'static str, Type, Buffer)>,
    rows: usize,
    bytes: usize,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sheet").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Sheet {
    /// Begins a file with the list's columns.
    ///
    /// # Errors
    /// [`SheetError`].
    pub fn begin(list: &List) -> Result<Self, SheetError> {
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        let properties = Arc::new(properties.set_created_by("concordat".to_owned()).build());
        let writer = SerializedFileWriter::new(Vec::new(), schema(list)?, properties)?;
        let columns =
            list.typed_columns().map(|(name, holds)| (name, holds, Buffer::new(holds, true))).collect();
        Ok(Self { writer, columns, rows: 0, bytes: 0 })
    }

    /// Adds a row, as the list tells it in JSON.
    ///
    /// # Errors
    /// [`SheetError`].
    pub fn add(&mut self, row: &Value) -> Result<(), SheetError> {
        for (name, holds, buffer) in &mut self.columns {
            let cell = row.get(&**name).map_or(Cell::Null, |value| cell(*holds, value));
            self.bytes = self.bytes.saturating_add(buffer.push(cell));
        }
        self.rows = self.rows.saturating_add(1);
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.end_group()?;
        }
        Ok(())
    }

    /// Takes what can be sent; mostly nothing, as long as a row group is not full.
    ///
    /// # Errors
    /// [`SheetError`].
    pub fn take(&mut self) -> Result<Vec<u8>, SheetError> {
        self.writer.flush().map_err(ParquetError::from)?;
        Ok(std::mem::take(self.writer.inner_mut()))
    }

    /// The rest of the file.
    ///
    /// # Errors
    /// [`SheetError`].
    pub fn finish(mut self) -> Result<Vec<u8>, SheetError> {
        if self.rows > 0 {
            self.end_group()?;
        }
        Ok(self.writer.into_inner()?)
    }

    fn end_group(&mut self) -> Result<(), SheetError> {
        let mut group = self.writer.next_row_group()?;
        for (_, _, buffer) in &mut self.columns {
            let Some(column) = group.next_column()? else { break };
            buffer.write(column)?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

/// A value as its column holds it. Bytes are text here, as in JSON.
fn cell(holds: Type, value: &Value) -> Cell {
    match (holds, value) {
        (_, Value::Null) => Cell::Null,
        (Type::Int, value) => value.as_i64().map_or(Cell::Null, Cell::Int),
        (Type::Bool, value) => value.as_bool().map_or(Cell::Null, Cell::Bool),
        (Type::Json, value) => Cell::Text(value.to_string()),
        (_, Value::String(text)) => Cell::Text(text.clone()),
        (_, value) => Cell::Text(value.to_string()),
    }
}

fn schema(list: &List) -> Result<TypePtr, ParquetError> {
    let field = |(name, holds): (&'static str, Type)| {
        let (physical, converted) = match holds {
            Type::Int => (Physical::INT64, ConvertedType::NONE),
            Type::Bool => (Physical::BOOLEAN, ConvertedType::NONE),
            _ => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        };
        let builder = Schema::primitive_type_builder(name, physical).with_converted_type(converted);
        builder.with_repetition(Repetition::OPTIONAL).build().map(Arc::new)
    };
    let fields: Result<Vec<TypePtr>, ParquetError> = list.typed_columns().map(field).collect();
    Ok(Arc::new(Schema::group_type_builder(list.name).with_fields(fields?).build()?))
}

#[cfg(test)]
mod tests {
    use parquet::{
        file::reader::{FileReader as _, SerializedFileReader},
        record::Field,
    };
    use serde_json::json;

    use super::*;

    fn read(bytes: Vec<u8>) -> Vec<Vec<(String, Field)>> {
        let reader = SerializedFileReader::new(parquet_bytes(bytes)).unwrap();
        let rows = reader.get_row_iter(None).unwrap().map(Result::unwrap);
        rows.map(|row| row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect())
            .collect()
    }

    /// What the reader reads from: a file.
    fn parquet_bytes(bytes: Vec<u8>) -> std::fs::File {
        use std::io::{Seek as _, Write as _};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        file
    }

    #[test]
    fn pieces_make_one_file_with_every_row_in_its_order() {
        let list = List::named("transfers").unwrap();
        let mut sheet = Sheet::begin(list).unwrap();
        let (mut bytes, mut pieces) = (Vec::new(), 0);
        for height in 0..50_000 {
            sheet
                .add(&json!({ "height": height, "amount": "115792089237316195423570985008687907853" }))
                .unwrap();
            let piece = sheet.take().unwrap();
            pieces += usize::from(!piece.is_empty());
            bytes.extend(piece);
        }
        bytes.extend(sheet.finish().unwrap());
        assert!((2..10).contains(&pieces), "{pieces} pieces");
        let rows = read(bytes);
        assert_eq!(rows.len(), 50_000);
        for (at, row) in rows.iter().enumerate() {
            assert!(row.contains(&("height".into(), Field::Long(i64::try_from(at).unwrap()))));
        }
        let amount = Field::Str("115792089237316195423570985008687907853".into());
        assert!(
            rows[7].contains(&("amount".into(), amount)) && rows[7].contains(&("token".into(), Field::Null))
        );
    }

    #[test]
    fn every_list_can_be_a_file_and_none_of_its_columns_is_lost() {
        for list in crate::read::LISTS {
            let row: Value = list
                .typed_columns()
                .map(|(name, holds)| {
                    let value = match holds {
                        Type::Int => json!(7),
                        Type::Bool => json!(true),
                        Type::Json => json!({ "a": [1] }),
                        _ => json!("0xab"),
                    };
                    (name.to_owned(), value)
                })
                .collect::<serde_json::Map<_, _>>()
                .into();
            let mut sheet = Sheet::begin(list).unwrap();
            sheet.add(&row).unwrap();
            let rows = read(sheet.finish().unwrap());
            assert_eq!(rows[0].len(), list.columns().count(), "{}", list.name);
            assert!(rows[0].iter().all(|(_, field)| *field != Field::Null), "{}: {:?}", list.name, rows[0]);
        }
    }

    #[test]
    fn a_file_that_broke_off_is_none() {
        let mut sheet = Sheet::begin(List::named("transfers").unwrap()).unwrap();
        (0..20_000).for_each(|height| sheet.add(&json!({ "height": height })).unwrap());
        let begun = sheet.take().unwrap();
        assert!(begun.len() > 100);
        assert!(SerializedFileReader::new(parquet_bytes(begun)).is_err());
    }
}
