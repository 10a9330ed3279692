//! Compresses JSON: POST /compress?format=gzip&level=6 with a document answers with its bytes
//! compressed; the fields X-Original-Length and X-Compression-Ratio say what it was worth. Formats
//! are gzip (the default), zlib, deflate (the bare stream) and zstd; levels, of all but zstd, are
//! from 1 to 9.

use std::env;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::CompressionLevel;

const MOST_BYTES: u64 = 64 << 20;

struct Request {
    format: String,
    level: u32,
}

impl Request {
    fn parse(query: &str) -> Result<Self, String> {
        let mut request = Request {
            format: "gzip".into(),
            level: 6,
        };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("format", value)) => request.format = value.into(),
                Some(("level", value)) => {
                    request.level = value
                        .parse()
                        .ok()
                        .filter(|level| (1..=9).contains(level))
                        .ok_or("level: must be a number from 1 to 9")?;
                }
                _ => {
                    return Err("the query has format=gzip|zlib|deflate|zstd and level=1..9".into());
                }
            }
        }
        Ok(request)
    }
}

fn all<W: Write>(
    mut encoder: W,
    document: &[u8],
    finish: impl FnOnce(W) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    encoder.write_all(document)?;
    finish(encoder)
}

/// The type of what comes out, and that.
fn compress(request: &Request, document: &[u8]) -> Result<(&'static str, Vec<u8>), String> {
    let level = Compression::new(request.level);
    let (kind, packed) = match request.format.as_str() {
        "gzip" => (
            "gzip",
            all(
                GzEncoder::new(Vec::new(), level),
                document,
                GzEncoder::finish,
            ),
        ),
        "zlib" => (
            "zlib",
            all(
                ZlibEncoder::new(Vec::new(), level),
                document,
                ZlibEncoder::finish,
            ),
        ),
        "deflate" => (
            "octet-stream",
            all(
                DeflateEncoder::new(Vec::new(), level),
                document,
                DeflateEncoder::finish,
            ),
        ),
        "zstd" => (
            "zstd",
            Ok(ruzstd::encoding::compress_to_vec(
                document,
                CompressionLevel::Fastest,
            )),
        ),
        _ => return Err("format: must be gzip, zlib, deflate or zstd".into()),
    };
    packed
        .map(|packed| (kind, packed))
        .map_err(|error| error.to_string())
}

fn answer() -> io::Result<()> {
    let query = env::var("QUERY_STRING").unwrap_or_default();
    let mut document = Vec::new();
    io::stdin()
        .take(MOST_BYTES + 1)
        .read_to_end(&mut document)?;
    let mut out = io::stdout().lock();
    let refuse = |mut out: io::StdoutLock, status: &str, why: &str| {
        writeln!(
            out,
            "Status: {status}\nContent-Type: text/plain; charset=utf-8\n\n{why}"
        )?;
        out.flush()
    };
    if document.len() as u64 > MOST_BYTES {
        return refuse(
            out,
            "413 Content Too Large",
            &format!("a document has at most {MOST_BYTES} bytes"),
        );
    }
    // Read and dropped again: nothing of it is kept.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&document) {
        return refuse(
            out,
            "400 Bad Request",
            &format!("the body is no JSON: {error}"),
        );
    }
    match Request::parse(&query).and_then(|request| compress(&request, &document)) {
        Err(why) => refuse(out, "400 Bad Request", &why),
        Ok((kind, packed)) => {
            let ratio = document.len() as f64 / packed.len() as f64;
            write!(
                out,
                "Content-Type: application/{kind}\nX-Original-Length: {}\nX-Compression-Ratio: {ratio:.2}\n\n",
                document.len()
            )?;
            out.write_all(&packed)?;
            out.flush()
        }
    }
}

fn main() -> ExitCode {
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compress: {error}");
            ExitCode::FAILURE
        }
    }
}
