//! Athena's result CSV: every value in quotes, NULL an empty field without them.
//!
//! A parser of our own, since the common ones give an empty text for both.

use apportion_engine::Row;

/// Why the text is not a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("row {row}: {what}")]
pub struct CsvError {
    /// The header is row 0.
    pub row: u64,
    pub what: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a field.
    Start,
    /// In a value without quotes.
    Bare,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes: the end of the value, or one half of a quote in it.
    Quote,
    /// After a carriage return, which only a line feed may follow.
    Return,
}

/// Takes the text piece by piece, wherever it is cut, and gives rows.
#[derive(Debug)]
pub struct Parser {
    state: State,
    field: Vec<u8>,
    row: Row,
    rows: u64,
}

impl Default for Parser {
    fn default() -> Self {
        Parser { state: State::Start, field: Vec::new(), row: Row::new(), rows: 0 }
    }
}

impl Parser {
    fn wrong(&self, what: &'static str) -> CsvError {
        CsvError { row: self.rows, what }
    }

    fn end_field(&mut self, quoted: bool) -> Result<(), CsvError> {
        let bytes = std::mem::take(&mut self.field);
        let cell = if bytes.is_empty() && !quoted {
            None
        } else {
            Some(String::from_utf8(bytes).map_err(|_| self.wrong("a value is not UTF-8"))?)
        };
        self.row.push(cell);
        self.state = State::Start;
        Ok(())
    }

    fn end_row(&mut self, rows: &mut Vec<Row>) {
        self.rows += 1;
        let width = self.row.len();
        rows.push(std::mem::replace(&mut self.row, Row::with_capacity(width)));
    }

    /// What ends a field, or begins one. `quoted` says how the field before this byte was written.
    fn boundary(&mut self, byte: u8, quoted: bool, rows: &mut Vec<Row>) -> Result<(), CsvError> {
        match byte {
            b',' => self.end_field(quoted),
            b'\n' => {
                self.end_field(quoted)?;
                self.end_row(rows);
                Ok(())
            }
            b'\r' => {
                self.end_field(quoted)?;
                self.state = State::Return;
                Ok(())
            }
            _ => Err(self.wrong("text after the closing quote of a value")),
        }
    }

    /// Adds the rows that this piece ends.
    pub fn push(&mut self, mut piece: &[u8], rows: &mut Vec<Row>) -> Result<(), CsvError> {
        while let Some((&byte, rest)) = piece.split_first() {
            match self.state {
                State::Quoted => {
                    let end = piece.iter().position(|byte| *byte == b'"').unwrap_or(piece.len());
                    let (text, after) = piece.split_at(end);
                    self.field.extend_from_slice(text);
                    piece = match after.split_first() {
                        Some((_, after)) => {
                            self.state = State::Quote;
                            after
                        }
                        None => after,
                    };
                    continue;
                }
                State::Start if byte == b'"' => self.state = State::Quoted,
                State::Quote if byte == b'"' => {
                    self.field.push(b'"');
                    self.state = State::Quoted;
                }
                State::Start | State::Bare if !matches!(byte, b',' | b'\n' | b'\r') => {
                    self.field.push(byte);
                    self.state = State::Bare;
                }
                State::Start | State::Bare => self.boundary(byte, false, rows)?,
                State::Quote => self.boundary(byte, true, rows)?,
                State::Return if byte == b'\n' => {
                    self.state = State::Start;
                    self.end_row(rows);
                }
                State::Return => return Err(self.wrong("a carriage return without a line feed")),
            }
            piece = rest;
        }
        Ok(())
    }

    /// The end of the text: a last row without a line end counts, a value whose quotes are open does not.
    pub fn finish(&mut self, rows: &mut Vec<Row>) -> Result<(), CsvError> {
        match self.state {
            State::Quoted => return Err(self.wrong("it ends within a value")),
            State::Return => {}
            State::Start if self.row.is_empty() => return Ok(()),
            state => self.end_field(state == State::Quote)?,
        }
        self.state = State::Start;
        self.end_row(rows);
        Ok(())
    }
}

/// Adds one row as Athena writes it.
pub fn write_row<'a>(cells: impl IntoIterator<Item = Option<&'a str>>, out: &mut String) {
    for (index, cell) in cells.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(text) = cell {
            out.push('"');
            for (part, piece) in text.split('"').enumerate() {
                if part > 0 {
                    out.push_str("\"\"");
                }
                out.push_str(piece);
            }
            out.push('"');
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8], piece: usize) -> Result<Vec<Row>, CsvError> {
        let (mut parser, mut rows) = (Parser::default(), Vec::new());
        for piece in text.chunks(piece) {
            parser.push(piece, &mut rows)?;
        }
        parser.finish(&mut rows)?;
        Ok(rows)
    }

    fn cells(cells: &[Option<&str>]) -> Row {
        cells.iter().map(|cell| cell.map(str::to_owned)).collect()
    }

    #[test]
    fn null_and_empty_text_are_told_apart_wherever_the_text_is_cut() {
        let text = "\"a\",\"b\",\"c\"\n\"\",,\"x\"\n,\"\",\n\"say \"\"hi\"\", you\",\"line\nbreak\r\n\",\"ü\"\n".as_bytes();
        let expected = vec![
            cells(&[Some("a"), Some("b"), Some("c")]),
            cells(&[Some(""), None, Some("x")]),
            cells(&[None, Some(""), None]),
            cells(&[Some("say \"hi\", you"), Some("line\nbreak\r\n"), Some("ü")]),
        ];
        for piece in 1..=text.len() {
            assert_eq!(parse(text, piece).as_ref(), Ok(&expected), "in pieces of {piece}");
        }
    }

    #[test]
    fn one_column_of_nulls_is_empty_lines() {
        assert_eq!(parse(b"\"a\"\n\n\"\"\n\n", 3), Ok(vec![cells(&[Some("a")]), cells(&[None]), cells(&[Some("")]), cells(&[None])]));
    }

    #[test]
    fn values_without_quotes_and_a_last_row_without_line_end_are_read() {
        assert_eq!(parse(b"a,\"b\"\r\n1,\"\"", 2), Ok(vec![cells(&[Some("a"), Some("b")]), cells(&[Some("1"), Some("")])]));
        assert_eq!(parse(b"\"a\",\"b\"\n\"1\",", 2), Ok(vec![cells(&[Some("a"), Some("b")]), cells(&[Some("1"), None])]));
    }

    #[test]
    fn what_is_cut_or_no_csv_is_refused() {
        for (text, row, what) in [
            (&b"\"a\"\n\"b"[..], 1, "within a value"),
            (b"\"a\"b\n", 0, "after the closing quote"),
            (b"\"a\"\rb", 0, "carriage return"),
            (b"\"\xff\"\n", 0, "UTF-8"),
        ] {
            let error = parse(text, 1).unwrap_err();
            assert!(error.row == row && error.what.contains(what), "{error:?}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let rows = [cells(&[Some("a\"b"), None, Some("")]), cells(&[Some("\"\""), Some(",\n"), None]), cells(&[None, None, None])];
        let mut text = String::new();
        for row in &rows {
            write_row(row.iter().map(Option::as_deref), &mut text);
        }
        assert!(text.starts_with("\"a\"\"b\",,\"\"\n\"\"\"\"\"\",\",\n\",\n,,\n"), "{text}");
        assert_eq!(parse(text.as_bytes(), 7), Ok(rows.to_vec()));
    }
}
