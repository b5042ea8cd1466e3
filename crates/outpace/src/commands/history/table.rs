//! The points of all series as a table: one row a measured commit.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use outpace_report::csv_cell;
use outpace_track::Point;
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

/// A cell.
enum Cell {
    Text(Option<String>),
    Number(Option<f64>),
}

/// A column: its name, and its cell of a point.
type Column = (&'static str, fn(&Point) -> Cell);

/// Times in seconds; ratios are times of the first anchor of the series over the commit's.
const COLUMNS: [Column; 16] = [
    ("id", |p| text(&p.id)),
    ("workload", |p| text(&p.workload)),
    ("machine_class", |p| text(&p.machine_class)),
    ("series", |p| text(&p.series)),
    ("anchor", |p| text(&p.anchor)),
    ("commit", |p| text(&p.commit)),
    ("summary", |p| text(&p.summary)),
    ("committed", |p| {
        Cell::Text(p.committed.map(|at| at.to_string()))
    }),
    ("measured", |p| Cell::Text(Some(p.measured.to_string()))),
    ("ratio", |p| Cell::Number(Some(p.value.exp()))),
    ("ratio_at_least", |p| {
        Cell::Number(p.bounds[0].map(f64::exp))
    }),
    ("ratio_at_most", |p| Cell::Number(p.bounds[1].map(f64::exp))),
    ("log_ratio_sd", |p| Cell::Number(Some(p.sd))),
    ("tokens_per_s", |p| Cell::Number(p.tokens_per_s)),
    ("step_time_s", |p| Cell::Number(Some(p.step_time_s))),
    ("same_as", |p| Cell::Text(p.same_as.clone())),
];

fn text(text: &str) -> Cell {
    Cell::Text(Some(text.to_owned()))
}

/// Comma-separated values with a head, as in RFC 4180.
pub(super) fn csv(points: &[Point]) -> String {
    let mut csv = COLUMNS.map(|(name, _)| name).join(",");
    csv.push('\n');
    for point in points {
        for (n, (_, cell)) in COLUMNS.iter().enumerate() {
            if n > 0 {
                csv.push(',');
            }
            match cell(point) {
                // Commit subjects are anybody's text.
                Cell::Text(Some(text)) => csv_cell(&mut csv, &text),
                Cell::Number(Some(number)) => csv.push_str(&number.to_string()),
                Cell::Text(None) | Cell::Number(None) => {}
            }
        }
        csv.push('\n');
    }
    csv
}

/// The same as Parquet, uncompressed.
pub(super) fn parquet(points: &[Point], out: &mut (dyn Write + Send)) -> Result<()> {
    let fields = COLUMNS.iter().map(|(name, cell)| field(name, *cell));
    let fields = fields.collect::<Result<Vec<TypePtr>, _>>()?;
    let schema = Type::group_type_builder("runs")
        .with_fields(fields)
        .build()?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(out, Arc::new(schema), properties)?;
    let mut rows = file.next_row_group()?;
    for (_, cell) in COLUMNS {
        let cells: Vec<Cell> = points.iter().map(cell).collect();
        let mut column = rows
            .next_column()?
            .ok_or_else(|| anyhow::anyhow!("the table has fewer columns than its schema"))?;
        // A value is there or absent: level 1 or 0.
        let levels = |there: fn(&Cell) -> bool| -> Vec<i16> {
            cells.iter().map(|cell| i16::from(there(cell))).collect()
        };
        if is_text(cell) {
            let levels = levels(|cell| matches!(cell, Cell::Text(Some(_))));
            let values: Vec<ByteArray> = cells.iter().filter_map(bytes).collect();
            column
                .typed::<ByteArrayType>()
                .write_batch(&values, Some(&levels), None)?;
        } else {
            let levels = levels(|cell| matches!(cell, Cell::Number(Some(_))));
            let values: Vec<f64> = cells.iter().filter_map(number).collect();
            column
                .typed::<DoubleType>()
                .write_batch(&values, Some(&levels), None)?;
        }
        column.close()?;
    }
    rows.close()?;
    file.close()?;
    Ok(())
}

fn field(name: &str, cell: fn(&Point) -> Cell) -> Result<TypePtr, parquet::errors::ParquetError> {
    let (physical, logical) = match is_text(cell) {
        true => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        false => (Physical::DOUBLE, None),
    };
    let field = Type::primitive_type_builder(name, physical)
        .with_logical_type(logical)
        .with_repetition(Repetition::OPTIONAL)
        .build()?;
    Ok(Arc::new(field))
}

/// The type of a column is the same for every point.
fn is_text(cell: fn(&Point) -> Cell) -> bool {
    matches!(cell(&Point::default()), Cell::Text(_))
}

fn bytes(cell: &Cell) -> Option<ByteArray> {
    match cell {
        Cell::Text(Some(text)) => Some(ByteArray::from(text.as_bytes().to_vec())),
        _ => None,
    }
}

fn number(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number(number) => *number,
        Cell::Text(_) => None,
    }
}
