//! What is drawn on a page, in points from its lower left corner.

use pdf_writer::{Content, Ref, Str};

use super::fonts::{Font, Glyphs, Weight};

/// A colour: red, green and blue, each from 0 to 1.
pub type Color = [f32; 3];

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub weight: Weight,
    /// In points.
    pub size: f32,
    pub color: Color,
}

/// The fonts of a file.
pub struct Fonts {
    pub regular: Font,
    pub bold: Font,
}

impl Fonts {
    /// Fonts that will be written as these objects.
    pub fn new(regular: Ref, bold: Ref) -> Self {
        Self { regular: Weight::Regular.font(regular), bold: Weight::Bold.font(bold) }
    }

    /// `text` as glyphs.
    pub fn glyphs(&mut self, weight: Weight, text: &str) -> Glyphs {
        match weight {
            Weight::Regular => self.regular.glyphs(text),
            Weight::Bold => self.bold.glyphs(text),
        }
    }

    fn width(&mut self, style: Style, text: &str) -> f32 {
        self.glyphs(style.weight, text).width * style.size
    }

    /// `text` in lines of at most `width` points: broken between words, and within those that are longer than a line.
    pub fn wrap(&mut self, style: Style, width: f32, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let joined = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if self.width(style, &joined) <= width {
                line = joined;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for char in word.chars() {
                line.push(char);
                if self.width(style, &line) > width && line.chars().nth(1).is_some() {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, char.to_string()));
                }
            }
        }
        if !line.is_empty() {
            lines.push(line);
        }
        lines
    }

    /// The same in so many lines at most: the last one then ends with an ellipsis.
    pub fn wrap_within(&mut self, style: Style, width: f32, most: usize, text: &str) -> Vec<String> {
        let mut lines = self.wrap(style, width, text);
        if lines.len() > most {
            lines.truncate(most);
            if let Some(last) = lines.last_mut() {
                last.push(REST);
                while self.width(style, last) > width && last.chars().nth(1).is_some() {
                    last.pop();
                    last.pop();
                    last.push(REST);
                }
            }
        }
        lines
    }
}

/// What stands for the rest of a text that is too long.
const REST: char = '…';

/// Draws.
pub struct Canvas {
    content: Content,
}

impl Canvas {
    pub fn new() -> Self {
        Self { content: Content::new() }
    }

    /// Text that begins at `x`, and where it ends.
    pub fn text(&mut self, fonts: &mut Fonts, style: Style, [x, y]: [f32; 2], text: &str) -> f32 {
        let glyphs = fonts.glyphs(style.weight, text);
        self.show(style, [x, y], &glyphs);
        x + glyphs.width * style.size
    }

    /// Text that ends at `x`; smaller than its style says if it would be wider than `width`.
    pub fn right(&mut self, fonts: &mut Fonts, style: Style, [x, y]: [f32; 2], width: f32, text: &str) {
        let glyphs = fonts.glyphs(style.weight, text);
        let style = fitting(style, &glyphs, width);
        self.show(style, [x - glyphs.width * style.size, y], &glyphs);
    }

    /// Text that begins at `x`; smaller than its style says if it would be wider than `width`.
    pub fn fit(&mut self, fonts: &mut Fonts, style: Style, [x, y]: [f32; 2], width: f32, text: &str) {
        let glyphs = fonts.glyphs(style.weight, text);
        self.show(fitting(style, &glyphs, width), [x, y], &glyphs);
    }

    fn show(&mut self, style: Style, [x, y]: [f32; 2], glyphs: &Glyphs) {
        let [red, green, blue] = style.color;
        self.content.begin_text().set_fill_rgb(red, green, blue).set_font(style.weight.resource(), style.size);
        self.content.next_line(x, y).show(Str(&glyphs.bytes)).end_text();
    }

    /// A horizontal line.
    pub fn rule(&mut self, [from, to]: [f32; 2], y: f32, thickness: f32, [red, green, blue]: Color) {
        self.content.set_stroke_rgb(red, green, blue).set_line_width(thickness);
        self.content.move_to(from, y).line_to(to, y).stroke();
    }

    /// A filled rectangle.
    pub fn fill(&mut self, [x, y]: [f32; 2], [width, height]: [f32; 2], [red, green, blue]: Color) {
        self.content.set_fill_rgb(red, green, blue).rect(x, y, width, height).fill_nonzero();
    }

    /// What the page's resources call `name`, with its origin at a place.
    pub fn place(&mut self, name: pdf_writer::Name<'_>, [x, y]: [f32; 2]) {
        self.content.save_state().transform([1.0, 0.0, 0.0, 1.0, x, y]).x_object(name).restore_state();
    }

    /// The operators.
    pub fn finish(self) -> Vec<u8> {
        self.content.finish().into_vec()
    }
}

fn fitting(style: Style, glyphs: &Glyphs, width: f32) -> Style {
    Style { size: style.size.min(width / glyphs.width.max(f32::MIN_POSITIVE)), ..style }
}
