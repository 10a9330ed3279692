//! wasmtime's C API as one static library, with the functions that it lacks and wasmoor needs. Their C
//! declarations are in `src/wasm/wasmtime/extra.h`. Nothing here decides anything: policy is C++.

pub use wasmtime_c_api::*;

mod config;
mod drive;
mod egress;
mod http;
mod invoke;
mod limits;
mod load;
mod onthread;
mod request;
mod stdio;
mod tls;
mod waits;
