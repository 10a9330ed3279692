//! A component of wasi:http, which need not wait for the whole of a body: POST /stream/upper
//! answers with the body in capital letters, each part as soon as it is there, and GET
//! /stream/ticks?5 with five lines, one every tenth of a second.

use wasip2::clocks::monotonic_clock;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

const PART: u64 = 4096; // Bytes that may be written and flushed at once, says wasi:io.
const TICK: u64 = 100_000_000; // Nanoseconds.
const MOST_TICKS: u32 = 600;

/// Sends the head of the response. Its body is as long as `write` writes into it.
fn respond(
    out: ResponseOutparam,
    status: u16,
    write: impl FnOnce(&OutputStream) -> Result<(), StreamError>,
) {
    let fields = Fields::new();
    // Both can only be refused if they are wrong.
    fields
        .set("content-type", &[b"text/plain; charset=utf-8".to_vec()])
        .unwrap();
    let response = OutgoingResponse::new(fields);
    response.set_status_code(status).unwrap();
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));

    let stream = body.write().unwrap();
    let result = write(&stream);
    drop(stream);
    // A body that is dropped before it is finished is one that breaks off: the client can tell.
    match result {
        Ok(()) => {
            OutgoingBody::finish(body, None).unwrap_or_else(|error| eprintln!("stream: {error:?}"))
        }
        Err(error) => eprintln!("stream: the body breaks off: {error:?}"),
    }
}

fn capitals(body: &InputStream, out: &OutputStream) -> Result<(), StreamError> {
    loop {
        match body.blocking_read(PART) {
            Ok(part) => out.blocking_write_and_flush(&part.to_ascii_uppercase())?,
            Err(StreamError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn ticks(count: u32, out: &OutputStream) -> Result<(), StreamError> {
    for tick in 1..=count {
        monotonic_clock::subscribe_duration(TICK).block();
        out.blocking_write_and_flush(format!("tick {tick}\n").as_bytes())?;
    }
    Ok(())
}

struct Stream;

impl Guest for Stream {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let last = path.rsplit('/').next().unwrap_or_default();
        match (request.method(), last) {
            (Method::Post, "upper") => {
                let body = request.consume().unwrap();
                let stream = body.stream().unwrap();
                respond(out, 200, |out| capitals(&stream, out));
            }
            (Method::Get, "ticks") => match query.parse() {
                Ok(count) if count <= MOST_TICKS => respond(out, 200, |out| ticks(count, out)),
                _ => respond(out, 400, |out| {
                    out.blocking_write_and_flush(b"how many ticks, up to 600?\n")
                }),
            },
            _ => respond(out, 404, |out| {
                out.blocking_write_and_flush(b"POST upper, or GET ticks?5\n")
            }),
        }
    }
}

wasip2::http::proxy::export!(Stream);
