//! The fonts that travel in the package, and what they can print.
//!
//! No font of the machine is ever looked at. The order here is the order in which a character looks for its font.

use typst::foundations::Bytes;
use typst::text::{Coverage, Font};

macro_rules! package_fonts {
    ($($file:literal),* $(,)?) => {
        /// File name and content of each font of the package.
        pub(crate) const PACKAGE: &[(&str, &[u8])] =
            &[$(($file, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/fonts/", $file)))),*];
    };
}

package_fonts![
    "SourceSans3-Regular.ttf",
    "SourceSans3-SemiBold.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansArabic-Regular.ttf",
    "NotoSansHebrew-Regular.ttf",
    "NotoSansThai-Regular.ttf",
    "NotoSansDevanagari-Regular.ttf",
    "NotoSansBengali-Regular.ttf",
    "NotoSansGurmukhi-Regular.ttf",
    "NotoSansGujarati-Regular.ttf",
    "NotoSansTamil-Regular.ttf",
    "NotoSansTelugu-Regular.ttf",
    "NotoSansKannada-Regular.ttf",
    "NotoSansMalayalam-Regular.ttf",
    "NotoSansSinhala-Regular.ttf",
    "NotoSansArmenian-Regular.ttf",
    "NotoSansGeorgian-Regular.ttf",
    "NotoSansEthiopic-Regular.ttf",
    "NotoSansKhmer-Regular.ttf",
    "NotoSansLao-Regular.ttf",
    "NotoSansMyanmar-Regular.ttf",
    "DroidSansFallback.ttf",
    "NotoEmoji-Regular.ttf",
    "NotoSansMath-Regular.ttf",
    "NotoSansSymbols-Regular.ttf",
    "NotoSansSymbols2-Regular.ttf",
    "SourceCodePro-Regular.ttf",
];

/// Fonts in the order in which a character looks for one, with what each covers.
#[derive(Debug, Clone)]
pub struct FontSet {
    pub(crate) fonts: Vec<Font>,
    coverage: Vec<Coverage>,
}

impl FontSet {
    /// The fonts of the package after `first`, which a template brings along. Bytes that are no font add nothing.
    pub(crate) fn new(first: impl IntoIterator<Item = Bytes>) -> FontSet {
        let package = PACKAGE.iter().map(|(_, bytes)| Bytes::new(*bytes));
        let fonts: Vec<Font> = first.into_iter().chain(package).flat_map(Font::iter).collect();
        let coverage = fonts.iter().map(|font| font.info().coverage.clone()).collect();
        FontSet { fonts, coverage }
    }

    /// Family names, each once, in order.
    pub(crate) fn families(&self) -> Vec<String> {
        let mut families: Vec<String> = Vec::new();
        for font in &self.fonts {
            if !families.contains(&font.info().family) {
                families.push(font.info().family.clone());
            }
        }
        families
    }

    /// Whether one single font prints all of these characters: a mark must come from the font of its letter.
    pub(crate) fn covers(&self, characters: impl Iterator<Item = char> + Clone) -> bool {
        self.coverage.iter().any(|coverage| characters.clone().all(|character| coverage.contains(character as u32)))
    }
}
