//! Any text as text that the fonts can print.
//!
//! PDF/A refuses a whole document for one character without a glyph, and a control or a mark of direction could make a page
//! say what its data does not. Such characters print as `⟨U+202E⟩`. Nothing here is markup: escaping for Typst is not needed,
//! because text reaches the template as JSON strings and is never read as source.

use crate::fonts::FontSet;
use serde_json::Value;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_segmentation::UnicodeSegmentation;

/// How much of a text is trusted to the fonts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Everything that a font covers.
    Covered,
    /// Only ASCII: the second attempt, should a font fail on what it claims to cover.
    Ascii,
}

/// Every string inside `value`, made printable.
pub fn make_printable(value: &mut Value, fonts: &FontSet, strictness: Strictness) {
    match value {
        Value::String(text) => {
            if !is_plain(text) {
                *text = printable(text, fonts, strictness);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| make_printable(item, fonts, strictness)),
        Value::Object(fields) => fields.values_mut().for_each(|field| make_printable(field, fonts, strictness)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `text` with `⟨U+XXXX⟩` in place of each code point that cannot or must not be printed.
pub fn printable(text: &str, fonts: &FontSet, strictness: Strictness) -> String {
    let mut out = Printed { text: String::with_capacity(text.len()), last: None, repeats: 0 };
    for cluster in text.graphemes(true) {
        let whole = strictness == Strictness::Covered && cluster_prints(cluster, fonts);
        for character in cluster.chars() {
            let prints = whole
                || (strictness == Strictness::Covered && stands_alone(character) && fonts.covers(std::iter::once(character)))
                || (character.is_ascii() && !character.is_ascii_control());
            out.push(character, prints);
        }
    }
    out.flush();
    out.text
}

/// Text being printed; the same code point again and again prints once, with how often.
struct Printed {
    text: String,
    last: Option<char>,
    repeats: usize,
}

impl Printed {
    fn push(&mut self, character: char, prints: bool) {
        if !prints && self.last == Some(character) {
            self.repeats += 1;
            return;
        }
        self.flush();
        if prints {
            self.text.push(character);
        } else {
            (self.last, self.repeats) = (Some(character), 1);
        }
    }

    fn flush(&mut self) {
        let Some(character) = self.last.take() else { return };
        let shown = if self.repeats > 3 { 1 } else { self.repeats };
        for _ in 0..shown {
            self.text.push_str(&format!("⟨U+{:04X}⟩", character as u32));
        }
        if self.repeats > 3 {
            self.text.push_str(&format!("×{}", self.repeats));
        }
    }
}

fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

/// A cluster prints whole if one font has all of it. Joiners and variation selectors count as part of a cluster that is not
/// Latin (emoji sequences, Persian, Indic scripts); the shaper uses them and leaves no glyph.
fn cluster_prints(cluster: &str, fonts: &FontSet) -> bool {
    let is_complex = cluster.chars().next().is_some_and(|first| first as u32 > 0x58f || first.is_ascii_digit());
    let needs_glyph = |character: &char| !(is_complex && is_joiner(*character));
    let has_letter = cluster.chars().next().is_some_and(|first| !is_mark(first));
    has_letter && cluster.chars().filter(needs_glyph).all(may_print) && fonts.covers(cluster.chars().filter(needs_glyph))
}

fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}')
}

/// Not a control, not invisible, not private: something a reader can see, or a plain space.
fn may_print(character: char) -> bool {
    use GeneralCategory as Category;
    let category = character.general_category();
    let is_invisible = matches!(
        character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}' | '\u{fffc}' | '\u{e0100}'..='\u{e01ef}'
    );
    let is_other = matches!(
        category,
        Category::Control
            | Category::Format
            | Category::Surrogate
            | Category::PrivateUse
            | Category::Unassigned
            | Category::LineSeparator
            | Category::ParagraphSeparator
    );
    !is_invisible && !is_other
}

/// A mark without the letter that its font lacks would print on a dotted circle, or on the wrong letter.
fn stands_alone(character: char) -> bool {
    may_print(character) && !is_mark(character)
}

fn is_mark(character: char) -> bool {
    use GeneralCategory as Category;
    matches!(character.general_category(), Category::NonspacingMark | Category::SpacingMark | Category::EnclosingMark)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str) -> String {
        printable(text, &FontSet::new([]), Strictness::Covered)
    }

    #[test]
    fn what_a_font_covers_stays_as_it_is() {
        for text in [
            "Claims",
            "Größe Ελλάδα Україна",
            "数据平台",
            "データ",
            "데이터",
            "مطالبات",
            "תביעות",
            "อ้างสิทธิ์",
            "दावा",
            "क्षि",
            "é",
            "👩‍💻",
            "❤️",
            "🇺🇸",
            "1️⃣",
        ] {
            assert_eq!(print(text), text);
        }
    }

    #[test]
    fn controls_and_marks_of_direction_print_as_code_points() {
        assert_eq!(print("a\u{0}b\nc\td"), "a⟨U+0000⟩b⟨U+000A⟩c⟨U+0009⟩d");
        assert_eq!(print("safe\u{202e}exe.pdf"), "safe⟨U+202E⟩exe.pdf");
        assert_eq!(print("a\u{200b}b\u{feff}"), "a⟨U+200B⟩b⟨U+FEFF⟩");
        assert_eq!(print("a\u{200d}b"), "a⟨U+200D⟩b");
        assert_eq!(print("\0\0\0x"), "⟨U+0000⟩⟨U+0000⟩⟨U+0000⟩x");
        assert_eq!(print(&"\0".repeat(200)), "⟨U+0000⟩×200");
    }

    #[test]
    fn private_unassigned_and_uncovered_code_points_print_as_code_points() {
        assert_eq!(print("\u{e000}\u{10fffd}\u{378}"), "⟨U+E000⟩⟨U+10FFFD⟩⟨U+0378⟩");
        assert_eq!(print("x\u{13000}"), "x⟨U+13000⟩", "no hieroglyphs in the package");
    }

    #[test]
    fn a_mark_that_the_font_of_its_letter_lacks_is_named() {
        assert_eq!(print("数\u{0e31}"), "数⟨U+0E31⟩");
        assert_eq!(print("\u{301}a"), "⟨U+0301⟩a");
    }

    #[test]
    fn strict_text_is_ascii_and_code_points() {
        assert_eq!(printable("é数a", &FontSet::new([]), Strictness::Ascii), "⟨U+00E9⟩⟨U+6570⟩a");
    }
}
