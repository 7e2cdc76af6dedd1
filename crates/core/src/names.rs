//! Names as identifiers and as parts of paths.

/// A file-system-safe and collision-free name for an identifier that came from a person or a bill.
///
/// Letters, digits, `-`, `_` and `.` of ASCII stay (a leading `.` does not); anything else, or more than 80 characters, gives
/// the safe part and sixteen hex digits of `digest(identifier)`. `digest` is passed in because core computes no hashes.
pub fn path_segment(identifier: &str, digest: impl Fn(&str) -> String) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain = !identifier.is_empty()
        && identifier.len() <= 80
        && identifier.chars().all(is_safe)
        && !identifier.starts_with('.')
        && !identifier.contains("--");
    if plain {
        return identifier.to_owned();
    }
    let kept: String = identifier.chars().filter(|c| is_safe(*c)).take(40).collect();
    let kept = kept.trim_matches(['.', '-']).replace("--", "-");
    let hash: String = digest(identifier).chars().take(16).collect();
    if kept.is_empty() { format!("x--{hash}") } else { format!("{kept}--{hash}") }
}
