//! SVG to PNG. The font is part of the crate, so that the pixels are the same on every machine.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

use crate::error::ReportError;

/// A part of DejaVu Sans. Its licence is in the same directory.
const FONT: &[u8] = include_bytes!("../assets/DejaVuSans.ttf");

const FAMILY: &str = "DejaVu Sans";

/// Widest picture in pixels. A wider one would be a mistake and take gigabytes.
pub const MAX_PNG_WIDTH_PX: u32 = 8192;

/// Draws an SVG `width_px` pixels wide (at most [`MAX_PNG_WIDTH_PX`]), on white where it is
/// transparent.
///
/// # Errors
/// The text is not SVG, or the picture would be empty or too large.
pub fn png(svg: &str, width_px: u32) -> Result<Vec<u8>, ReportError> {
    let error = |e: &dyn std::fmt::Display| ReportError::Png(e.to_string());
    let tree = Tree::from_str(svg, &options()).map_err(|e| error(&e))?;
    let width = width_px.clamp(1, MAX_PNG_WIDTH_PX);
    let scale = width as f32 / tree.size().width();
    let height = (tree.size().height() * scale).ceil();
    if height > MAX_PNG_WIDTH_PX as f32 {
        return Err(ReportError::Png(format!(
            "it would be {height} pixels high"
        )));
    }
    let mut pixels = Pixmap::new(width, height as u32)
        .ok_or_else(|| ReportError::Png("it has no area".to_owned()))?;
    pixels.fill(resvg::tiny_skia::Color::WHITE);
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut pixels.as_mut(),
    );
    pixels.encode_png().map_err(|e| error(&e))
}

/// Reads no file, no system font and no address.
fn options() -> Options<'static> {
    let mut options = Options {
        font_family: FAMILY.to_owned(),
        ..Options::default()
    };
    options.image_href_resolver.resolve_string = Box::new(|_, _| None);
    let fonts = options.fontdb_mut();
    fonts.load_font_data(FONT.to_vec());
    fonts.set_sans_serif_family(FAMILY);
    fonts.set_serif_family(FAMILY);
    fonts.set_monospace_family(FAMILY);
    options
}
