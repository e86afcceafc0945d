//! QR codes as SVG. Pure.

use std::fmt::Write;

use qrcode::{EcLevel, QrCode, types::Color};

/// Light modules around a code (ISO/IEC 18004), without which readers do not find it.
const QUIET_ZONE: usize = 4;
/// Pixels of a module where the picture is shown at its own size.
const MODULE_PIXELS: usize = 8;

/// A QR code (ISO/IEC 18004, error correction M) that says `text`, as a picture with the title `title`, which is text without markup;
/// `None` if the text is too long for one.
pub fn svg(text: &str, title: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let size = width + 2 * QUIET_ZONE;
    let pixels = size * MODULE_PIXELS;
    let mut path = String::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (index % width + QUIET_ZONE, index / width + QUIET_ZONE);
            write!(path, "M{x} {y}h1v1h-1z").expect("a String takes everything");
        }
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"{pixels}\" height=\"{pixels}\" \
         viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\"><title>{title}</title>\
         <path fill=\"#fff\" d=\"M0 0h{size}v{size}H0z\"/><path d=\"{path}\"/></svg>\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_a_title_a_quiet_zone_and_its_modules_in_their_places() {
        let picture = svg("https://wallet.example/payment-requests/0", "Payment request").unwrap();
        assert!(picture.contains("<title>Payment request</title>"));
        let code =
            QrCode::with_error_correction_level("https://wallet.example/payment-requests/0", EcLevel::M).unwrap();
        let size = code.width() + 8;
        assert!(picture.contains(&format!("viewBox=\"0 0 {size} {size}\"")));
        let places = picture.split("<path d=\"").nth(1).unwrap().split('"').next().unwrap();
        let places: Vec<(usize, usize)> = places
            .split("h1v1h-1z")
            .filter_map(|place| place.strip_prefix('M')?.split_once(' '))
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        let dark = code.to_colors().iter().filter(|color| **color == Color::Dark).count();
        assert_eq!(places.len(), dark);
        let within = 4..size - 4;
        assert!(places.iter().all(|(x, y)| within.contains(x) && within.contains(y)));
        // the finder patterns begin in three of its corners
        for corner in [(4, 4), (size - 5, 4), (4, size - 5)] {
            assert!(places.contains(&corner), "{corner:?}");
        }
        assert_eq!(svg(&"x".repeat(10_000), ""), None);
    }
}
