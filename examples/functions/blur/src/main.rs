//! Blurs a picture: POST /blur?sigma=4 with a PNG or a JPEG answers with a PNG. `sigma` is the
//! spread of the Gaussian in pixels, from 0.5 to 50; 3 by default.

use std::env;
use std::io::{self, Cursor, Read, Write};
use std::process::ExitCode;

use image::{ImageFormat, ImageReader, Limits};

const MOST_BYTES: u64 = 32 << 20; // Of the picture as it comes.
const MOST_PIXELS: u32 = 8192; // Of its width and of its height.
const MOST_MEMORY: u64 = 128 << 20; // That decoding it may take.

/// The value of `name` in the query, which needs no unescaping: it is to be a number.
fn argument(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|part| {
        let (key, value) = part.split_once('=')?;
        (key == name).then(|| value.to_string())
    })
}

fn sigma(query: &str) -> Result<f32, String> {
    match argument(query, "sigma") {
        None => Ok(3.0),
        // Not so NaN, which is in no range.
        Some(text) => text
            .parse()
            .ok()
            .filter(|value| (0.5..=50.0).contains(value))
            .ok_or_else(|| "sigma: must be a number from 0.5 to 50".to_string()),
    }
}

/// The blurred picture, or what is wrong with the request.
fn blur(picture: Vec<u8>, sigma: f32) -> Result<Vec<u8>, String> {
    if picture.len() as u64 > MOST_BYTES {
        return Err(format!("the picture has more than {MOST_BYTES} bytes"));
    }
    let unreadable = |error: &dyn std::fmt::Display| format!("the picture cannot be read: {error}");
    let mut reader = ImageReader::new(Cursor::new(picture))
        .with_guessed_format()
        .map_err(|error| unreadable(&error))?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    limits.max_alloc = Some(MOST_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| unreadable(&error))?;
    let mut out = Cursor::new(Vec::new());
    picture
        .fast_blur(sigma)
        .write_to(&mut out, ImageFormat::Png)
        .map_err(|error| format!("no PNG can be made of it: {error}"))?;
    Ok(out.into_inner())
}

fn answer() -> io::Result<()> {
    let query = env::var("QUERY_STRING").unwrap_or_default();
    let mut picture = Vec::new();
    io::stdin().take(MOST_BYTES + 1).read_to_end(&mut picture)?;
    let mut out = io::stdout().lock();
    match sigma(&query).and_then(|sigma| blur(picture, sigma)) {
        Ok(png) => {
            out.write_all(b"Content-Type: image/png\n\n")?;
            out.write_all(&png)?;
        }
        Err(why) => writeln!(
            out,
            "Status: 400 Bad Request\nContent-Type: text/plain; charset=utf-8\n\n{why}"
        )?,
    }
    out.flush()
}

fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blur: {error}");
            ExitCode::FAILURE
        }
    }
}
