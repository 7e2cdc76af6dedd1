//! The picture of the last weeks: one bar a day, weekends paler, the day itself dark. No letters: they stand in the mail.

use apportion_core::day::Day;
use apportion_core::money::Money;

const WIDTH: usize = 1304;
const HEIGHT: usize = 240;
/// Colours that show on white and on near black, as indexes of the palette.
const PALETTE: [u8; 12] = [0, 0, 0, 0x3a, 0x8f, 0xa8, 0x8f, 0xb9, 0xc6, 0xe0, 0x8a, 0x1e];
const WEEKDAY: u8 = 1;
const WEEKEND: u8 = 2;
const TODAY: u8 = 3;

/// A PNG with a transparent ground; `None` where there is nothing to draw.
pub fn png(trend: &[(Day, Money)]) -> Result<Option<Vec<u8>>, png::EncodingError> {
    let highest = trend.iter().map(|(_, money)| money.units()).max().unwrap_or(0);
    if highest <= 0 {
        return Ok(None);
    }
    let mut pixels = vec![0u8; WIDTH * HEIGHT];
    let step = WIDTH / trend.len();
    let bar = step.saturating_sub(step / 4).clamp(1, 60);
    for (at, (day, money)) in trend.iter().enumerate() {
        let height = (money.units().max(0) * HEIGHT as i128 / highest) as usize;
        let ink = if at + 1 == trend.len() {
            TODAY
        } else if day.weekday() >= 5 {
            WEEKEND
        } else {
            WEEKDAY
        };
        for row in HEIGHT - height.max(2)..HEIGHT {
            pixels[row * WIDTH + at * step..][..bar].fill(ink);
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(PALETTE.to_vec());
    encoder.set_trns(vec![0u8, 255, 255, 255]);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(Some(bytes))
}
