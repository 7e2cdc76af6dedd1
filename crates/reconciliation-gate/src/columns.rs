//! Encoding and columns of a file of the bill: of one elsewhere only its beginning and its end are fetched.

use crate::Error;
use apportion_output::{FileColumns, HEADER_BYTES, OutputError, columns_of, columns_of_footer, columns_of_start, footer_bytes};
use apportion_store::{Entry, Store, StoreError};

/// What is fetched of a file to see what it is, and to find a Parquet footer that is not unusually long.
const GLANCE_BYTES: u64 = 64 * 1024;

/// Reads the footer or header of one version of a file.
pub(crate) async fn columns(store: &Store, entry: &Entry) -> Result<FileColumns, Error> {
    let bad = |error: OutputError| Error::BadBill(format!("`{}`: {error}", entry.key));
    if let Some(path) = store.local_path(&entry.key) {
        return columns_of(&path).map_err(bad);
    }
    let (key, size) = (&entry.key, entry.size);
    let glance = size.min(GLANCE_BYTES);
    // An empty file has no first byte to ask for.
    let start = if size == 0 { Vec::new() } else { store.part(key, &entry.version, 0, glance).await? };
    if !start.starts_with(b"PAR1") {
        let all = size.min(HEADER_BYTES);
        let start = if all > glance { store.part(key, &entry.version, 0, all).await? } else { start };
        return columns_of_start(key, &start).map_err(bad);
    }
    let mut end = last(store, entry, glance).await?;
    let needed = footer_bytes(key, &end).map_err(bad)?;
    if needed > size {
        return Err(Error::BadBill(format!("`{key}`: its Parquet footer is said to be longer than the file: deliver it again")));
    }
    if needed > glance {
        end = last(store, entry, needed).await?;
    }
    columns_of_footer(key, &end).map_err(bad)
}

/// The last `count` bytes.
async fn last(store: &Store, entry: &Entry, count: u64) -> Result<Vec<u8>, StoreError> {
    store.part(&entry.key, &entry.version, entry.size - count, count).await
}
