//! What all charts have: words, colours and a grid.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    frame::{HEIGHT, LEFT, RIGHT, WIDTH},
    scale::Scale,
};
use crate::domain::language::Language;

/// Colours of a chart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Theme {
    /// For light pages.
    Light,
    /// For dark pages.
    Dark,
    /// As whoever looks at it prefers.
    #[default]
    Auto,
}

pub(super) const LIGHT: &str = ".paper{fill:#fff}.ink{fill:#1c2126}.note{fill:#4d555f}.grid{stroke:#d5dade}.axis{stroke:#4d555f}\
                     .line{stroke:#0b5f66}.area{fill:#0b5f66}.in{fill:#0b6e5a}.out{fill:#b3401f}";
pub(super) const DARK: &str = ".paper{fill:#14181c}.ink{fill:#f0f3f5}.note{fill:#b4bdc6}.grid{stroke:#333c44}.axis{stroke:#b4bdc6}\
                    .line{stroke:#5cc8cf}.area{fill:#5cc8cf}.in{fill:#4fc3a1}.out{fill:#ff9673}";

impl Theme {
    /// The style sheet. Paper is always white.
    fn styles(self) -> String {
        let screen = match self {
            Self::Light => LIGHT.to_owned(),
            Self::Dark => DARK.to_owned(),
            Self::Auto => format!("{LIGHT}@media(prefers-color-scheme:dark){{{DARK}}}"),
        };
        let paper = if self == Self::Light { String::new() } else { format!("@media print{{{LIGHT}}}") };
        format!("{screen}{paper}")
    }
}

/// What a chart says beside what it draws. None of it is written by users.
pub struct Words {
    /// What it is, which is written above it, too.
    pub title: String,
    /// All that it shows.
    pub description: String,
    /// The unit, written beside the title.
    pub unit: String,
}

/// A picture of `shapes` with its words and the scale of its amounts.
pub fn picture(words: &Words, scale: &Scale, language: Language, theme: Theme, shapes: &str) -> String {
    let Words { title, description, unit } = words;
    let (tag, styles) = (language.tag(), theme.styles());
    let mut grid = String::new();
    for (y, label) in scale.ticks(language) {
        let class = if label == "0" { "axis" } else { "grid" };
        write!(
            grid,
            "<path class=\"{class}\" d=\"M{LEFT} {y}H{RIGHT}\"/><text class=\"note\" x=\"{}\" y=\"{y}\" dy=\"3.5\" \
             text-anchor=\"end\">{label}</text>",
            LEFT - 5
        )
        .expect("a String takes everything");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-labelledby=\"title desc\" lang=\"{tag}\" \
         width=\"{}\" height=\"{}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" style=\"max-width:100%;height:auto\">\
         <title id=\"title\">{title}</title><desc id=\"desc\">{description}</desc>\
         <style>text{{font:10px system-ui,\"Noto Sans\",\"DejaVu Sans\",sans-serif}}.head{{font-size:11px;font-weight:600}}\
         path{{fill:none;stroke-width:.8}}.line{{stroke-width:2;stroke-linejoin:round}}\
         .area{{fill-opacity:.16}}{styles}</style>\
         <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\
         <g aria-hidden=\"true\"><text class=\"ink head\" x=\"8\" y=\"15\">{title}</text>\
         <text class=\"note\" x=\"8\" y=\"27\">{unit}</text>{grid}{shapes}</g></svg>\n",
        WIDTH * 2,
        HEIGHT * 2
    )
}

/// How the currency is written on a chart.
pub fn unit(currency: &str) -> &str {
    if currency == "IDR" { "Rp" } else { currency }
}
