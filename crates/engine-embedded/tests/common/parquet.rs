//! Writes small Parquet bills of any column types.

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Field, Schema};
use parquet::arrow::ArrowWriter;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let fields: Vec<Field> = columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A CUR 2.0 file of one line an id, in row groups as given. `header` names the columns; all but the id are alike in every line.
pub fn write_groups(path: &Path, header: &str, groups: &[&[&str]]) {
    let names: Vec<&str> = header.split(',').collect();
    let column = |name: &str, ids: &[&str]| -> ArrayRef {
        let text = match name {
            "identity_line_item_id" => return Arc::new(StringArray::from(ids.to_vec())),
            "line_item_unblended_cost" => return Arc::new(Float64Array::from(vec![1.5; ids.len()])),
            "bill_billing_period_start_date" => "2026-09-01T00:00:00Z",
            "line_item_line_item_type" => "Usage",
            "line_item_currency_code" => "USD",
            _ => "1",
        };
        Arc::new(StringArray::from(vec![text; ids.len()]))
    };
    let fields = |array: &[(&str, ArrayRef)]| -> Vec<Field> {
        array.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect()
    };
    let columns = |ids: &[&str]| -> Vec<(&str, ArrayRef)> { names.iter().map(|name| (*name, column(name, ids))).collect() };
    let schema = Arc::new(Schema::new(fields(&columns(&["x"]))));
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), Arc::clone(&schema), None).unwrap();
    for ids in groups {
        let arrays = columns(ids).into_iter().map(|(_, array)| array).collect();
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap()).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}
