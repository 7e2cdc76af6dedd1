//! Which texts are keys: the same rule for every store, so that a close can move from a folder to S3 and back.

use crate::StoreError;

/// Longest key, in bytes: S3's limit.
pub const MAX_KEY_BYTES: usize = 1024;
/// Longest segment, in bytes: what common file systems allow.
pub const MAX_SEGMENT_BYTES: usize = 255;
/// Where half-written files lie in a directory store; no key may start with it.
pub(crate) const SCRATCH: &str = ".apportion-scratch";

/// Accepts relative, `/`-separated keys without empty, `.` or `..` segments, control characters and backslashes.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    match fault(key) {
        Some(why) => Err(StoreError::BadKey { key: key.chars().take(120).collect(), why }),
        None => Ok(()),
    }
}

fn fault(key: &str) -> Option<&'static str> {
    if key.is_empty() {
        return Some("it is empty");
    }
    if key.len() > MAX_KEY_BYTES {
        return Some("it is longer than 1024 bytes");
    }
    if key.contains(|c: char| c.is_control() || c == '\\') {
        return Some("it has a control character or a backslash");
    }
    for segment in key.split('/') {
        match segment {
            "" => return Some("it has an empty segment (a leading, trailing or doubled `/`)"),
            "." | ".." => return Some("it has a `.` or `..` segment"),
            _ if segment.len() > MAX_SEGMENT_BYTES => return Some("a segment is longer than 255 bytes"),
            _ => {}
        }
    }
    if key.split('/').next() == Some(SCRATCH) {
        return Some("it lies where half-written files do");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_but_lawful_keys_pass() {
        for key in ["a", "a/b.csv", "BILLING_PERIOD=2026-09/x", "ü/日本", "a b+c%2F'\"", "-a", "..a/b..", "a/.hidden"] {
            assert!(check_key(key).is_ok(), "{key}");
        }
    }

    #[test]
    fn keys_that_leave_the_root_or_name_no_file_are_refused() {
        for key in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a\0b", "a\nb", ".apportion-scratch/x"] {
            assert!(matches!(check_key(key), Err(StoreError::BadKey { .. })), "{key:?}");
        }
        assert!(check_key(&"x".repeat(256)).is_err());
        assert!(check_key(&"x/".repeat(600)).is_err());
    }
}
