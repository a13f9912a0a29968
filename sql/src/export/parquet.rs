//! Rows as columns: parts in Parquet, each of whole blocks, done before the next begins.
//!
//! Integers are INT64, truth is BOOLEAN, bytes are BYTE_ARRAY; text, documents and whole numbers are BYTE_ARRAY marked as
//! UTF-8. A number of 256 bits has up to 78 digits, more than any decimal type of the programs that read such files: text
//! loses nothing, and where it fits they convert it (`amount::HUGEINT`).

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use parquet::{
    basic::{Compression, ConvertedType, Repetition, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{
        properties::{WriterProperties, WriterPropertiesPtr},
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::{Type as Schema, TypePtr},
};
use sqlx::PgConnection;

use super::{Export, ExportError, Manifest, Meter, Part, Range, Rows, file::Hashed, height_of, rows};
use crate::{
    cell::{Cell, Row},
    tables::{Table, Type},
};

/// Rows and bytes after which a row group ends: what is held in memory.
const GROUP_ROWS: usize = 50_000;
const GROUP_BYTES: usize = 32 << 20;

/// The part that is being written. A kill leaves it behind, and whoever goes on removes it.
const UNFINISHED: &str = "unfinished.partial";

/// Writes the rows of a range into parts, after those that are there.
pub(super) async fn write(
    connection: &mut PgConnection,
    export: &Export,
    manifest: &mut Manifest,
    path: &Path,
    meter: &mut Meter<'_>,
) -> Result<(), ExportError> {
    if manifest.next() > manifest.to {
        return Ok(());
    }
    let unfinished = export.output.join(UNFINISHED);
    let range = Range { from: manifest.next(), to: manifest.to, after: None };
    let statement = rows::statement(export.table, &range);
    let mut rows = Rows::read(connection, export.table, &statement);
    let (mut writer, mut last) = (PartWriter::create(export.table, &unfinished)?, None);
    while let Some(row) = rows.next().await? {
        let height = height_of(&row);
        if let Some(end) = last.filter(|last| writer.rows >= export.part_rows && *last != height) {
            finish(writer, export, manifest, u64::try_from(end).unwrap_or_default())?;
            manifest.write(path)?;
            writer = PartWriter::create(export.table, &unfinished)?;
        }
        writer.add(row)?;
        last = Some(height);
        meter.reached(height, manifest.rows.saturating_add(writer.rows));
    }
    let to = manifest.to;
    finish(writer, export, manifest, to)
}

/// Ends a part, gives it its name, and notes it.
fn finish(writer: PartWriter, export: &Export, manifest: &mut Manifest, to: u64) -> Result<(), ExportError> {
    let (from, rows) = (manifest.next(), writer.rows);
    let file = format!("{}-{from:012}-{to:012}.parquet", export.table.name());
    let (unfinished, bytes, sha256) = writer.finish()?;
    let place = export.output.join(&file);
    std::fs::rename(&unfinished, &place).map_err(ExportError::at(&place))?;
    manifest.add(Part { file, from, to, rows, bytes, sha256 });
    Ok(())
}

/// Writes one file.
struct PartWriter {
    path: PathBuf,
    writer: SerializedFileWriter<Hashed>,
    columns: Vec<Buffer>,
    buffered: (usize, usize),
    rows: u64,
}

impl PartWriter {
    fn create(table: Table, path: &Path) -> Result<Self, ExportError> {
        let failed = ExportError::parquet(path);
        // What a kill has left behind.
        if path.exists() {
            std::fs::remove_file(path).map_err(ExportError::at(path))?;
        }
        let schema = schema(table).map_err(&failed)?;
        let writer =
            SerializedFileWriter::new(Hashed::create(path)?, schema, properties()).map_err(&failed)?;
        let required = table.position().len();
        let columns = table.columns().iter().enumerate();
        let columns = columns.map(|(at, column)| Buffer::new(column.holds, at >= required)).collect();
        Ok(Self { path: path.to_owned(), writer, columns, buffered: (0, 0), rows: 0 })
    }

    fn add(&mut self, row: Row) -> Result<(), ExportError> {
        let (rows, bytes) = &mut self.buffered;
        for (buffer, cell) in self.columns.iter_mut().zip(row) {
            *bytes = bytes.saturating_add(buffer.push(cell));
        }
        *rows = rows.saturating_add(1);
        self.rows = self.rows.saturating_add(1);
        if *rows >= GROUP_ROWS || *bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is held as a row group.
    fn flush(&mut self) -> Result<(), ExportError> {
        let failed = ExportError::parquet(&self.path);
        let mut group = self.writer.next_row_group().map_err(&failed)?;
        for buffer in &mut self.columns {
            let Some(column) = group.next_column().map_err(&failed)? else { break };
            buffer.write(column).map_err(&failed)?;
        }
        group.close().map_err(&failed)?;
        self.buffered = (0, 0);
        Ok(())
    }

    fn finish(mut self) -> Result<(PathBuf, u64, String), ExportError> {
        if self.buffered.0 > 0 {
            self.flush()?;
        }
        let file = self.writer.into_inner().map_err(ExportError::parquet(&self.path))?;
        let (bytes, sha256) = file.finish(&self.path)?;
        Ok((self.path, bytes, sha256))
    }
}

/// Values of a column that wait for their row group.
pub(super) struct Buffer {
    values: Values,
    /// For each row whether there is a value, where there need not be one.
    levels: Option<Vec<i16>>,
}

enum Values {
    Int(Vec<i64>),
    Bool(Vec<bool>),
    Bytes(Vec<ByteArray>),
}

impl Buffer {
    pub(super) const fn new(holds: Type, optional: bool) -> Self {
        let values = match holds {
            Type::Int => Values::Int(Vec::new()),
            Type::Bool => Values::Bool(Vec::new()),
            _ => Values::Bytes(Vec::new()),
        };
        Self { values, levels: if optional { Some(Vec::new()) } else { None } }
    }

    /// Adds a cell; the bytes that it takes. A cell of another type than the column's, which none is, counts as null.
    pub(super) fn push(&mut self, cell: Cell) -> usize {
        let bytes = match (&mut self.values, cell) {
            (Values::Int(values), Cell::Int(value)) => {
                values.push(value);
                Some(8)
            }
            (Values::Bool(values), Cell::Bool(value)) => {
                values.push(value);
                Some(1)
            }
            (Values::Bytes(values), cell) => bytes(cell).map(|bytes| {
                let length = bytes.len();
                values.push(ByteArray::from(bytes));
                length.saturating_add(size_of::<ByteArray>())
            }),
            _ => None,
        };
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(bytes.is_some()));
        }
        bytes.unwrap_or(2)
    }

    pub(super) fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match &self.values {
            Values::Int(values) => column.typed::<Int64Type>().write_batch(values, levels, None)?,
            Values::Bool(values) => column.typed::<BoolType>().write_batch(values, levels, None)?,
            Values::Bytes(values) => column.typed::<ByteArrayType>().write_batch(values, levels, None)?,
        };
        column.close()?;
        match &mut self.values {
            Values::Int(values) => values.clear(),
            Values::Bool(values) => values.clear(),
            Values::Bytes(values) => values.clear(),
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}

fn bytes(cell: Cell) -> Option<Vec<u8>> {
    match cell {
        Cell::Bytes(bytes) => Some(bytes),
        Cell::Number(text) | Cell::Text(text) => Some(text.into_bytes()),
        Cell::Json(value) => Some(value.to_string().into_bytes()),
        _ => None,
    }
}

fn schema(table: Table) -> Result<TypePtr, ParquetError> {
    let required = table.position().len();
    let field = |(at, column): (usize, &crate::tables::Column)| {
        let (physical, converted) = match column.holds {
            Type::Int => (Physical::INT64, ConvertedType::NONE),
            Type::Bool => (Physical::BOOLEAN, ConvertedType::NONE),
            Type::Bytes => (Physical::BYTE_ARRAY, ConvertedType::NONE),
            Type::Number | Type::Text | Type::Json => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        };
        let repetition = if at < required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let builder = Schema::primitive_type_builder(column.name, physical);
        builder.with_converted_type(converted).with_repetition(repetition).build().map(Arc::new)
    };
    let fields: Result<Vec<TypePtr>, ParquetError> = table.columns().iter().enumerate().map(field).collect();
    Ok(Arc::new(Schema::group_type_builder(table.name()).with_fields(fields?).build()?))
}

fn properties() -> WriterPropertiesPtr {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    Arc::new(properties.set_created_by("concordat".to_owned()).build())
}

#[cfg(test)]
mod tests {
    use parquet::{
        file::reader::{FileReader as _, SerializedFileReader},
        record::Field,
    };

    use super::*;

    fn row(height: i64) -> Row {
        vec![
            Cell::Int(height),
            Cell::Int(0),
            Cell::Int(0),
            Cell::Int(0),
            Cell::bytes([0xee; 20]),
            Cell::text("erc20"),
            Cell::bytes([1; 20]),
            Cell::bytes([2; 20]),
            Cell::Number("0".into()),
            Cell::Number(alloy_primitives::U256::MAX.to_string()),
        ]
    }

    #[test]
    fn the_largest_amount_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let mut writer = PartWriter::create(Table::TokenTransfers, &path).unwrap();
        (0..3).for_each(|height| writer.add(row(height)).unwrap());
        let (path, bytes, _) = writer.finish().unwrap();
        assert_eq!(path.metadata().unwrap().len(), bytes);
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3);
        let fields: Vec<(&String, &Field)> = rows[2].get_column_iter().collect();
        assert_eq!(fields[0], (&"height".to_owned(), &Field::Long(2)));
        assert_eq!(fields[9].1, &Field::Str(alloy_primitives::U256::MAX.to_string()));
        assert_eq!(fields[6].1, &Field::Bytes(ByteArray::from(vec![1; 20])));
    }

    #[test]
    fn what_is_missing_is_null() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let mut writer = PartWriter::create(Table::Logs, &path).unwrap();
        let mut row: Row = vec![Cell::Int(1), Cell::Int(0), Cell::Int(0), Cell::bytes([9; 20])];
        row.extend([Cell::bytes([7; 32]), Cell::Null, Cell::Null, Cell::Null, Cell::bytes([])]);
        writer.add(row).unwrap();
        let (path, ..) = writer.finish().unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
        let row = reader.get_row_iter(None).unwrap().next().unwrap().unwrap();
        let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
        assert_eq!((fields[5], fields[8]), (&Field::Null, &Field::Bytes(ByteArray::from(vec![]))));
    }
}
