//! SHA-256 and the format of `sha256sum`.

use crate::OutputError;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// SHA-256 as 64 lower-case hex digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 over name and content of the fonts that travel in the renderer's package, in its order: what a page is printed with beside the
/// template. A test of the renderer holds it to the fonts.
pub const PACKAGE_FONTS: &str = "aa15bd8aad6f7e3ae0a331166beec021af5d268ba1119cecbb6bc77ee60ae053";

/// SHA-256 over a template's files, by path, and the package's fonts: part of the id of a close.
pub fn template_digest(files: &BTreeMap<String, Vec<u8>>) -> String {
    let own = files.iter().map(|(name, bytes)| (format!("template/{name}"), bytes.as_slice()));
    named_digest(own.chain([("fonts".to_owned(), PACKAGE_FONTS.as_bytes())]))
}

/// SHA-256 over names and contents, each after its length, so that no two lists read alike.
pub fn named_digest<'a>(files: impl IntoIterator<Item = (String, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    hex(&hash.finalize())
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What `sha256sum` prints for `(relative path, sha256)`, sorted by path; `sha256sum -c` checks it.
///
/// A name with a backslash or a line break is escaped as GNU coreutils does: a backslash before the line and in the name.
pub fn sums_file(files: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = files.iter().collect();
    sorted.sort();
    let mut text = String::new();
    for (path, sha256) in sorted {
        let escaped = path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        let mark = if escaped == *path { "" } else { "\\" };
        let _ = writeln!(text, "{mark}{sha256}  {escaped}");
    }
    text
}

/// The inverse of [`sums_file`].
pub fn parse_sums(text: &str) -> Result<Vec<(String, String)>, OutputError> {
    const FILE: &str = "SHA256SUMS";
    let mut files = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = || OutputError::Row {
            file: FILE,
            line: index as u64 + 1,
            what: "expected 64 hex digits, two spaces and a path".to_owned(),
        };
        let (escaped, line) = line.strip_prefix('\\').map_or((false, line), |rest| (true, rest));
        let (sha256, path) = line.split_once("  ").ok_or_else(wrong)?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if sha256.len() != 64 || !sha256.bytes().all(is_hex) || path.is_empty() {
            return Err(wrong());
        }
        let path = if escaped { unescape(path).ok_or_else(wrong)? } else { path.to_owned() };
        files.push((path, sha256.to_owned()));
    }
    Ok(files)
}

fn unescape(path: &str) -> Option<String> {
    let mut plain = String::new();
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_what_sha256sum_prints() {
        // `printf abc > a; : > 'b c'; : > 'x\y'; sha256sum a 'b c' 'x\y'`, GNU coreutils 9.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b"abc"), abc);
        assert_eq!(sha256_hex(b""), nothing);
        let files = [("x\\y", nothing), ("b c", nothing), ("a", abc)].map(|(path, sum)| (path.to_owned(), sum.to_owned()));
        let text = sums_file(&files);
        assert_eq!(text, format!("{abc}  a\n{nothing}  b c\n\\{nothing}  x\\\\y\n"));
        let mut read = parse_sums(&text).unwrap();
        read.sort_by(|a, b| b.0.cmp(&a.0));
        assert_eq!(read, files);
    }

    #[test]
    fn a_damaged_sums_file_names_its_line() {
        for text in ["zz  a\n", "ba78\n", &format!("{}  \n", "0".repeat(64)), &format!("{} a\n", "0".repeat(64))] {
            let message = parse_sums(text).unwrap_err().to_string();
            assert!(message.starts_with("SHA256SUMS, line 1: "), "{message}");
        }
    }
}
