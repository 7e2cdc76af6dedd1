//! The result object of an execution, read from S3 as a stream.
//!
//! A body that breaks off is gone on with from the byte reached, of the same object by its ETag: the rows given are those of one object
//! to its last byte, or the stream ends in an error.

use crate::csv::Parser;
use crate::failure;
use crate::pause::Pauses;
use apportion_engine::{EngineError, FailureClass, Row, RowStream};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::StreamExt;
use std::collections::VecDeque;

/// How often in a row a broken body is asked for again without a byte of progress.
const RESUMES: u32 = 5;

fn internal(message: String) -> EngineError {
    EngineError::Failed { class: FailureClass::Internal, message }
}

/// Bucket and key of `s3://bucket/key`.
pub(crate) fn place(location: &str) -> Option<(&str, &str)> {
    let (bucket, key) = location.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty() && !key.is_empty()).then_some((bucket, key))
}

/// The bytes of one object, whatever the network does.
struct Object {
    s3: aws_sdk_s3::Client,
    location: String,
    body: ByteStream,
    entity: String,
    length: u64,
    read: u64,
    /// Attempts in a row that brought nothing.
    resumes: u32,
}

impl Object {
    async fn open(s3: &aws_sdk_s3::Client, location: &str) -> Result<Object, EngineError> {
        let output = get(s3, location, None).await?;
        let length = output.content_length.and_then(|length| u64::try_from(length).ok());
        let (Some(length), Some(entity)) = (length, output.e_tag) else {
            return Err(internal(format!("{location}: S3 gives neither length nor ETag, so the result cannot be proven whole")));
        };
        Ok(Object { s3: s3.clone(), location: location.to_owned(), body: output.body, entity, length, read: 0, resumes: 0 })
    }

    /// The next piece; `None` after the last byte of the length that S3 named.
    async fn piece(&mut self) -> Result<Option<Bytes>, EngineError> {
        loop {
            let broken = match self.body.next().await {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => {
                    self.read += piece.len() as u64;
                    if self.read > self.length {
                        return Err(internal(format!("{}: longer than the {} bytes announced", self.location, self.length)));
                    }
                    self.resumes = 0;
                    return Ok(Some(piece));
                }
                None if self.read == self.length => return Ok(None),
                None => format!("{} of {} bytes came", self.read, self.length),
                Some(Err(error)) => error.to_string(),
            };
            self.resume(&broken).await?;
        }
    }

    async fn resume(&mut self, broken: &str) -> Result<(), EngineError> {
        if self.resumes == RESUMES {
            return Err(internal(format!("{}: read {} times, and it broke off each time: {broken}", self.location, RESUMES + 1)));
        }
        Pauses::of_calls().pause(self.resumes).await;
        self.resumes += 1;
        tracing::warn!(location = self.location, read = self.read, length = self.length, broken, "the result broke off; reading on");
        if self.read < self.length {
            self.body = get(&self.s3, &self.location, Some((self.read, &self.entity))).await?.body;
        }
        Ok(())
    }
}

/// The object from its beginning, or from a byte on if it is still the one with that ETag.
async fn get(s3: &aws_sdk_s3::Client, location: &str, from: Option<(u64, &str)>) -> Result<GetObjectOutput, EngineError> {
    let (bucket, key) = place(location).ok_or_else(|| internal(format!("`{location}` is no object of S3: s3://bucket/key")))?;
    let mut request = s3.get_object().bucket(bucket).key(key);
    if let Some((first, entity)) = from {
        request = request.range(format!("bytes={first}-")).if_match(entity);
    }
    let output = request.send().await.map_err(|error| failure::of_object(location, &error))?;
    let expected = from.map(|(first, _)| format!("bytes {first}-"));
    let range = output.content_range();
    if expected.is_some_and(|expected| !range.is_some_and(|range| range.starts_with(&expected))) {
        return Err(internal(format!("{location}: S3 answered {range:?} where the rest of the object was asked for")));
    }
    Ok(output)
}

/// Rows on their way from the object.
struct Rows {
    object: Object,
    parser: Parser,
    ready: VecDeque<Row>,
    ended: bool,
    width: usize,
    given: u64,
    /// What Athena says how many there are.
    expected: Option<u64>,
}

impl Rows {
    fn wrong(&self, what: impl std::fmt::Display) -> EngineError {
        internal(format!("the result {} is not whole: {what}", self.object.location))
    }

    /// The next row, the header being the first.
    async fn next(&mut self) -> Result<Option<Row>, EngineError> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            if self.ended {
                return Ok(None);
            }
            let mut rows = Vec::new();
            let parsed = match self.object.piece().await? {
                Some(piece) => self.parser.push(&piece, &mut rows),
                None => {
                    self.ended = true;
                    self.parser.finish(&mut rows)
                }
            };
            parsed.map_err(|error| self.wrong(error))?;
            self.ready.extend(rows);
        }
    }

    /// The next data row, checked.
    async fn checked(&mut self) -> Result<Option<Row>, EngineError> {
        match self.next().await? {
            Some(row) if row.len() != self.width => {
                Err(self.wrong(format!("row {} has {} cells, the header {}", self.given + 1, row.len(), self.width)))
            }
            Some(row) => {
                self.given += 1;
                Ok(Some(row))
            }
            None => match self.expected {
                Some(expected) if expected != self.given => {
                    Err(self.wrong(format!("it has {} rows, and Athena gave {expected}", self.given)))
                }
                _ => Ok(None),
            },
        }
    }
}

/// Opens a result. `expected` is the number of rows that the engine gave, if known: another number is an error at the end of the stream.
pub(crate) async fn open(s3: &aws_sdk_s3::Client, location: &str, expected: Option<u64>) -> Result<RowStream, EngineError> {
    let object = Object::open(s3, location).await?;
    let (parser, ready) = (Parser::default(), VecDeque::new());
    let mut rows = Rows { object, parser, ready, ended: false, width: 0, given: 0, expected };
    let header = rows.next().await?.ok_or_else(|| rows.wrong("it is empty"))?;
    rows.width = header.len();
    let header = header.into_iter().map(Option::unwrap_or_default).collect();
    let stream = futures::stream::unfold(Some(rows), |rows| async move {
        let mut rows = rows?;
        match rows.checked().await {
            Ok(Some(row)) => Some((Ok(row), Some(rows))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(RowStream { header, rows: stream.boxed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_bucket_and_key() {
        assert_eq!(place("s3://results/a/b c.csv"), Some(("results", "a/b c.csv")));
        for text in ["s3://results", "s3://results/", "s3:///a", "file:///a/b", ""] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
