//! The fonts of a statement, of which it holds what it shows.
//!
//! They have Latin, Greek and Cyrillic letters. Other scripts are shown in Latin letters: `北京` as `BeiJing`.

use std::collections::{BTreeMap, HashMap};

use any_ascii::any_ascii_char;
use pdf_writer::{
    Filter, Name, Rect, Ref, Str,
    types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap},
};
use subsetter::GlyphRemapper;
use ttf_parser::Face;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use super::file::{File, compressed};

const REGULAR: &[u8] = include_bytes!("../../../../fonts/NotoSans-Regular.ttf");
const BOLD: &[u8] = include_bytes!("../../../../fonts/NotoSans-Bold.ttf");
/// What stands for a character that is in no script that is known.
const UNKNOWN: &str = "?";
/// Characters of which is kept how they are written: more than the fonts have.
const MAX_KNOWN: usize = 2_000;
/// How PDF numbers glyphs.
const SYSTEM_INFO: SystemInfo<'static> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// How thick letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
}

/// Text as the glyphs of a font.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Glyphs {
    /// Their numbers, two bytes each.
    pub bytes: Vec<u8>,
    /// How wide they are together, in sizes of the font.
    pub width: f32,
}

/// A font, and what was shown with it.
pub struct Font {
    id: Ref,
    data: &'static [u8],
    face: Face<'static>,
    glyphs: GlyphRemapper,
    /// What each character is written with.
    known: HashMap<char, Glyphs>,
    /// Width in thousandths, and the character that a glyph shows.
    shown: BTreeMap<u16, (f32, char)>,
}

impl Weight {
    /// What pages call the font.
    pub fn resource(self) -> Name<'static> {
        match self {
            Self::Regular => Name(b"R"),
            Self::Bold => Name(b"B"),
        }
    }

    /// The font, which will be written as the object `id`.
    pub fn font(self, id: Ref) -> Font {
        let data = match self {
            Self::Regular => REGULAR,
            Self::Bold => BOLD,
        };
        Font {
            id,
            data,
            face: Face::parse(data, 0).expect("the font is part of the program"),
            glyphs: GlyphRemapper::new(),
            known: HashMap::new(),
            shown: BTreeMap::new(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Regular => "STMNTR+NotoSans-Regular",
            Self::Bold => "STMNTB+NotoSans-Bold",
        }
    }
}

/// True for what only shapes the characters beside it, like a virama, a tone mark or a joiner.
fn is_shape(char: char) -> bool {
    char.general_category_group() == GeneralCategoryGroup::Mark || char.general_category() == GeneralCategory::Format
}

impl Font {
    /// The number of its object.
    pub fn id(&self) -> Ref {
        self.id
    }

    /// `text` as glyphs.
    pub fn glyphs(&mut self, text: &str) -> Glyphs {
        let mut all = Glyphs::default();
        for char in text.chars() {
            let known = self.known.get(&char).cloned();
            let glyphs = known.unwrap_or_else(|| {
                let found = self.find(char);
                if self.known.len() < MAX_KNOWN {
                    self.known.insert(char, found.clone());
                }
                found
            });
            all.bytes.extend(glyphs.bytes);
            all.width += glyphs.width;
        }
        all
    }

    fn find(&mut self, char: char) -> Glyphs {
        if char.is_whitespace() {
            return self.own(' ').unwrap_or_default();
        }
        if let Some(own) = self.own(char) {
            return own;
        }
        let latin = match any_ascii_char(char) {
            "" if is_shape(char) => return Glyphs::default(),
            "" => UNKNOWN,
            latin => latin,
        };
        let mut all = Glyphs::default();
        for own in latin.chars().filter_map(|char| self.own(char)) {
            all.bytes.extend(own.bytes);
            all.width += own.width;
        }
        all
    }

    /// The glyph of a character that the font has.
    fn own(&mut self, char: char) -> Option<Glyphs> {
        let glyph = self.face.glyph_index(char)?;
        let units = f32::from(self.face.units_per_em());
        let width = f32::from(self.face.glyph_hor_advance(glyph).unwrap_or_default()) / units;
        let number = self.glyphs.remap(glyph.0);
        self.shown.entry(number).or_insert((width * 1000.0, char));
        Some(Glyphs { bytes: number.to_be_bytes().to_vec(), width })
    }

    /// Writes the font with the glyphs that were shown.
    pub fn write(self, weight: Weight, file: &mut File) {
        let [cid, descriptor, data, to_unicode] = [(); 4].map(|()| file.reserve());
        let name = Name(weight.name().as_bytes());
        file.object(self.id, |chunk| {
            let mut font = chunk.type0_font(self.id);
            font.base_font(name).encoding_predefined(Name(b"Identity-H"));
            font.descendant_font(cid).to_unicode(to_unicode);
        });
        file.object(cid, |chunk| {
            let mut font = chunk.cid_font(cid);
            font.subtype(CidFontType::Type2).base_font(name).system_info(SYSTEM_INFO);
            font.font_descriptor(descriptor).default_width(0.0).cid_to_gid_map_predefined(Name(b"Identity"));
            let mut widths = font.widths();
            for (number, (width, _)) in &self.shown {
                widths.consecutive(*number, [*width]);
            }
        });
        let thousandths = |units: i16| f32::from(units) / f32::from(self.face.units_per_em()) * 1000.0;
        let edges = self.face.global_bounding_box();
        let bounds = Rect::new(
            thousandths(edges.x_min),
            thousandths(edges.y_min),
            thousandths(edges.x_max),
            thousandths(edges.y_max),
        );
        file.object(descriptor, |chunk| {
            let mut font = chunk.font_descriptor(descriptor);
            font.name(name).flags(FontFlags::NON_SYMBOLIC).bbox(bounds).italic_angle(0.0);
            font.ascent(thousandths(self.face.ascender())).descent(thousandths(self.face.descender()));
            font.cap_height(thousandths(self.face.capital_height().unwrap_or_default()));
            font.stem_v(if weight == Weight::Bold { 140.0 } else { 80.0 }).font_file2(data);
        });
        let subset = subsetter::subset(self.data, 0, &self.glyphs).expect("the font is part of the program");
        file.stream(data, &subset);
        let mut map = UnicodeCmap::new(Name(b"Statement"), SYSTEM_INFO);
        for (number, (_, char)) in &self.shown {
            map.pair(*number, *char);
        }
        let map = compressed(&map.finish());
        file.object(to_unicode, |chunk| {
            let mut cmap = chunk.cmap(to_unicode, &map);
            cmap.filter(Filter::FlateDecode);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_that_have_no_letters_of_their_own_vanish() {
        let mut font = Weight::Regular.font(Ref::new(1));
        for (text, shown) in [
            ("नरेन्द्र", "nrendr"),
            ("ก่า", "ka"),
            ("محمّد", "mhmd"),
            ("a\u{fe0f}b\u{e0100}", "ab"),
            ("北京", "BeiJing"),
            ("a\u{e000}b", "a?b"),
        ] {
            assert_eq!(font.glyphs(text), font.glyphs(shown), "{text}");
        }
        assert_ne!(font.glyphs("e\u{301}"), font.glyphs("e"), "a mark that the fonts have is shown");
    }
}
