//! Which characters names may have, and when two names are too much alike to stand beside each other.

use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};

/// Longest unit id, in characters.
pub const LONGEST_ID: usize = 100;
/// Longest name, in characters.
pub const LONGEST_NAME: usize = 200;

/// Why a text cannot be a unit's id; `None` if it can.
pub fn unit_id_fault(text: &str) -> Option<String> {
    if text.starts_with("pool:") || text.starts_with("__") {
        return Some("starts with `pool:` or `__`, which have a meaning of their own".to_owned());
    }
    plain_fault(text, LONGEST_ID).or_else(|| script_fault(text, false))
}

/// Why a text cannot be a unit's, pool's or business unit's name; `None` if it can.
pub fn name_fault(text: &str) -> Option<String> {
    plain_fault(text, LONGEST_NAME).or_else(|| script_fault(text, true))
}

/// What no name may be. The message carries code points, since such characters do not show.
pub fn plain_fault(text: &str, longest: usize) -> Option<String> {
    if text.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    if let Some(fault) = hidden_fault(text) {
        return Some(fault);
    }
    if text.trim() != text {
        return Some("starts or ends with a blank".to_owned());
    }
    let length = text.chars().count();
    if length > longest {
        return Some(format!("has {length} characters, more than {longest}"));
    }
    None
}

/// Control characters, line breaks, and characters that reorder or hide text.
pub fn hidden_fault(text: &str) -> Option<String> {
    let hidden = text.chars().find(|character| {
        character.is_control()
            || matches!(character,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })?;
    let what = match hidden {
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => "a line break",
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            "a character that reorders text"
        }
        other if other.is_control() => "a control character",
        _ => "an invisible character",
    };
    Some(format!("holds {what} ({})", code_point(hidden)))
}

/// Letters of two scripts in one word: the usual way to fake a name. `words` splits first, so that a name may hold words of
/// two scripts.
pub fn script_fault(text: &str, words: bool) -> Option<String> {
    let separator = |character: char| words && !character.is_alphanumeric();
    text.split(separator).find_map(|word| {
        let mut seen: Vec<(Script, char)> = Vec::new();
        for character in word.chars() {
            let script = character.script();
            if !matches!(script, Script::Common | Script::Inherited | Script::Unknown)
                && !seen.iter().any(|(known, _)| *known == script)
            {
                seen.push((script, character));
            }
        }
        let writes_together = |set: &[Script]| seen.iter().all(|(script, _)| set.contains(script));
        // The combinations that one language writes together (UTS #39, "Highly Restrictive").
        let fine = seen.len() < 2
            || writes_together(&[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana])
            || writes_together(&[Script::Latin, Script::Han, Script::Bopomofo])
            || writes_together(&[Script::Latin, Script::Han, Script::Hangul]);
        if fine {
            return None;
        }
        let shown: Vec<String> =
            seen.iter().map(|(script, character)| format!("{} ({})", script.full_name(), code_point(*character))).collect();
        Some(format!("mixes letters of several scripts: {}", shown.join(", ")))
    })
}

/// Cyrillic and Greek letters, in small form, that look like a Latin one in some case.
const LOOK_ALIKE: [(&str, &str); 2] = [("авекмнорстухіјѕһԛԝԁ", "abekmhopctyxijshqwd"), ("αβεζηικμνορτυχ", "abezhikmnoptyx")];

fn latin(character: char) -> char {
    let found = LOOK_ALIKE.iter().find_map(|(letters, meant)| {
        let (_, latin) = letters.chars().zip(meant.chars()).find(|(letter, _)| *letter == character)?;
        Some(latin)
    });
    found.unwrap_or(character)
}

/// The form in which two names are compared: compatibility composition, no case, look-alike letters as Latin, one `-` for
/// whatever is neither letter nor digit.
pub fn collision_form(text: &str) -> String {
    // Upper then lower, character by character: a simple case fold (ß and ẞ become ss, both sigmas become one).
    let lower = text.nfkc().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    let folded: String = lower.nfkc().map(latin).collect();
    let slug: Vec<&str> = folded.split(|character: char| !character.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
    if slug.is_empty() { folded } else { slug.join("-") }
}

/// An identifier that a person invents: pool, rule, dimension, driver.
pub fn is_identifier(text: &str, more: &[char]) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_ascii_lowercase() || first.is_ascii_digit() && !more.is_empty())
        && text.len() <= 60
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || more.contains(&c))
}

pub fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_person_cannot_tell_apart_have_one_form() {
        for (a, b) in [
            ("CC-1010", "cc 1010"),
            ("CC-1010", "ＣＣ＿１０１０"),
            ("Straße", "STRASSE"),
            ("e\u{301}quipe", "Équipe"),
            ("ΟΔΟΣ", "οδος"),
            ("PAY", "РАУ"),
            ("ﬁnance", "finance"),
        ] {
            assert_eq!(collision_form(a), collision_form(b), "{a} {b}");
        }
        for (a, b) in [("CC-1010", "CC-101"), ("équipe", "equipe"), ("a-b", "ab"), ("…", "!")] {
            assert_ne!(collision_form(a), collision_form(b), "{a} {b}");
        }
    }

    #[test]
    fn words_of_two_scripts_are_fine_in_a_name_and_not_in_an_id() {
        assert_eq!(name_fault("Отдел Claims"), None);
        assert!(unit_id_fault("Отдел-Claims").is_some());
        assert_eq!(unit_id_fault("東京カスタマーIT"), None);
        assert_eq!(script_fault("Кадры", true), None);
    }

    #[test]
    fn hidden_characters_are_shown_as_code_points() {
        assert_eq!(name_fault("a\u{200d}b").as_deref(), Some("holds an invisible character (U+200D)"));
        assert_eq!(name_fault("a\tb").as_deref(), Some("holds a control character (U+0009)"));
        assert_eq!(name_fault(&"x".repeat(201)).as_deref(), Some("has 201 characters, more than 200"));
    }
}
