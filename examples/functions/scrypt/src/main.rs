//! Derives a key from a password by scrypt (RFC 7914): POST
//! /scrypt?log_n=14&r=8&p=1&length=32&salt=00ff with the password as body answers in JSON, the key
//! in hexadecimal. Without a salt it makes one. Parameters that take over 64 MiB are refused.

use std::env;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use scrypt::Params;

const MOST_PASSWORD: u64 = 4096;
const MOST_MEMORY: u64 = 64 << 20;
const MOST_SALT: usize = 64;

struct Request {
    log_n: u32, // The cost N is 2 to its power.
    r: u32,
    p: u32,
    length: u32,
    salt: Vec<u8>,
}

fn number(name: &str, text: &str, least: u32, most: u32) -> Result<u32, String> {
    text.parse()
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| format!("{name}: must be a number from {least} to {most}"))
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.len() % 2 != 0 || text.len() > 2 * MOST_SALT {
        return None;
    }
    let digits: Option<Vec<u32>> = text.chars().map(|c| c.to_digit(16)).collect();
    Some(
        digits?
            .chunks(2)
            .map(|pair| (pair[0] << 4 | pair[1]) as u8)
            .collect(),
    )
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Request {
    fn parse(query: &str) -> Result<Self, String> {
        let mut request = Request {
            log_n: 14,
            r: 8,
            p: 1,
            length: 32,
            salt: Vec::new(),
        };
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=').unwrap_or((part, "")) {
                ("log_n", text) => request.log_n = number("log_n", text, 1, 20)?,
                ("r", text) => request.r = number("r", text, 1, 32)?,
                ("p", text) => request.p = number("p", text, 1, 16)?,
                ("length", text) => request.length = number("length", text, 16, 128)?,
                ("salt", text) => {
                    request.salt = from_hex(text).ok_or_else(|| {
                        format!("salt: must be at most {MOST_SALT} bytes in hexadecimal")
                    })?;
                }
                _ => return Err("the query has log_n, r, p, length and salt".into()),
            }
        }
        // RFC 7914, section 2: the large vector has N blocks of 128 r bytes.
        if (128 * u64::from(request.r)) << request.log_n > MOST_MEMORY {
            return Err(format!(
                "log_n, r: together they take more than {MOST_MEMORY} bytes"
            ));
        }
        Ok(request)
    }

    fn derive(&self, password: &[u8]) -> Result<Vec<u8>, String> {
        let params =
            Params::new(self.log_n as u8, self.r, self.p).map_err(|error| error.to_string())?;
        let mut key = vec![0; self.length as usize];
        scrypt::scrypt(password, &self.salt, &params, &mut key)
            .map_err(|error| error.to_string())?;
        Ok(key)
    }
}

fn answer(query: &str, password: &[u8]) -> Result<String, String> {
    let mut request = Request::parse(query)?;
    if password.len() as u64 > MOST_PASSWORD {
        return Err(format!("the password has more than {MOST_PASSWORD} bytes"));
    }
    if request.salt.is_empty() {
        request.salt = vec![0; 16];
        getrandom::fill(&mut request.salt).map_err(|error| error.to_string())?;
    }
    let key = request.derive(password)?;
    let Request {
        log_n,
        r,
        p,
        ref salt,
        ..
    } = request;
    let (salt, key) = (to_hex(salt), to_hex(&key));
    Ok(format!(
        r#"{{"log_n": {log_n}, "r": {r}, "p": {p}, "salt": "{salt}", "key": "{key}"}}"#
    ))
}

fn run() -> io::Result<()> {
    let query = env::var("QUERY_STRING").unwrap_or_default();
    let mut password = Vec::new();
    io::stdin()
        .take(MOST_PASSWORD + 1)
        .read_to_end(&mut password)?;
    let mut out = io::stdout().lock();
    match answer(&query, &password) {
        Ok(json) => writeln!(
            out,
            "Content-Type: application/json\nCache-Control: no-store\n\n{json}"
        )?,
        Err(why) => writeln!(
            out,
            "Status: 400 Bad Request\nContent-Type: text/plain; charset=utf-8\n\n{why}"
        )?,
    }
    out.flush()
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scrypt: {error}");
            ExitCode::FAILURE
        }
    }
}
