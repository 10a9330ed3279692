//! Components that export wasi:http/incoming-handler: prepared once, then a fresh instance for each request
//! (request.rs). HTTP itself, and every decision, is the caller's; here is what only the engine's own
//! wasi:http can be told in Rust.

use crate::egress::Egress;
use crate::limits::wasmoor_limits_t;
use crate::onthread;
use crate::tls::Authorities;
use crate::waits::Waits;
use std::ffi::{CStr, c_char, c_void};
use std::slice;
use std::sync::{Arc, Mutex, OnceLock};
use tokio::io::AsyncWrite;
use tokio_rustls::TlsConnector;
use wasmtime::component::{Component, HasData, Linker, ResourceTable};
use wasmtime::{Engine, PoolingAllocationConfig, Result, Store};
use wasmtime_c_api::{
    wasi_config_t, wasmtime_component_t, wasmtime_error_t, wasmtime_pooling_allocation_config_t,
};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::p2::bindings::ProxyPre;
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::bindings::wasi::io;

/// What a handler asks of C. Layout shared with extra.h. The functions are called on any thread; `host` and the
/// strings stay valid for as long as the handler and its requests do.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasmoor_http_host_t {
    pub host: *mut c_void,
    /// Whole lines that a guest wrote to its standard output (1) or error (2).
    pub log: extern "C" fn(*mut c_void, i32, *const u8, usize),
    /// May a guest ask this host, at this port?
    pub allow: extern "C" fn(*mut c_void, *const u8, usize, u16) -> bool,
    /// The addresses of a name: 16 bytes each, an IPv4 address mapped into IPv6; how many of at most so many.
    /// Blocks; called on threads that may.
    pub resolve: extern "C" fn(*mut c_void, *const u8, usize, *mut u8, usize) -> usize,
    /// A thread of the handler's begins (true), or ends. Called on it; for a handler that is `on_thread` only.
    pub thread: extern "C" fn(*mut c_void, bool),
    /// The handler's process has others, each on threads in a jail of its own (onthread.rs): files are read on the
    /// thread that polls, and what waits elsewhere does so on threads that this one makes, which are alike.
    pub on_thread: bool,
    /// The handler's process has others.
    pub has_others: bool,
    /// Files are read on the thread that polls, as they are where `on_thread` is.
    pub files_on_thread: bool,
    pub argument_count: usize,
    pub arguments: *const *const c_char,
    pub variable_count: usize,
    pub names: *const *const c_char,
    pub values: *const *const c_char,
}
unsafe impl Send for wasmoor_http_host_t {}
unsafe impl Sync for wasmoor_http_host_t {}

/// Of one handler, for all its requests.
pub(crate) struct Shared {
    pub host: wasmoor_http_host_t,
    pub waits: Waits,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    filesystem: WasiFilesystemCtx,
    authorities: Authorities,
    tls: OnceLock<Result<TlsConnector, String>>,
}

#[allow(non_camel_case_types)] // As C has it.
pub struct wasmoor_http_handler_t {
    pub(crate) pre: ProxyPre<State>,
    pub(crate) shared: Arc<Shared>,
}

/// What a store holds besides the instance.
pub(crate) struct State {
    pub table: ResourceTable,
    pub limits: wasmoor_limits_t,
    http: WasiHttpCtx,
    egress: Egress,
    // Made when the guest first asks for something in it: its random generators alone cost a microsecond.
    wasi: Option<WasiCtx>,
    shared: Arc<Shared>,
}

/// Resources that a guest may have at once: streams, header fields, pollables. And what header fields may be in all, in
/// each of those resources that is one.
const MOST_RESOURCES: usize = 10_000;
const MOST_FIELDS: usize = 128 << 10;
/// The same where others share the process. No limit of the guest's counts that memory: together it is no more than
/// its own may be.
const LEAST_SHARED_RESOURCES: usize = 100;
const MOST_SHARED_RESOURCES: usize = 1_000;
const MOST_SHARED_FIELDS: usize = 32 << 10;

impl State {
    pub fn new(shared: &Arc<Shared>, limits: wasmoor_limits_t) -> State {
        let of_memory = limits.memory_max() / MOST_SHARED_FIELDS as u64;
        let (resources, fields) = match shared.host.has_others {
            true => (
                usize::try_from(of_memory)
                    .unwrap_or(usize::MAX)
                    .clamp(LEAST_SHARED_RESOURCES, MOST_SHARED_RESOURCES),
                MOST_SHARED_FIELDS,
            ),
            false => (MOST_RESOURCES, MOST_FIELDS),
        };
        let mut table = ResourceTable::new();
        table.set_max_capacity(resources);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(fields);
        State {
            table,
            limits,
            http,
            egress: Egress::new(shared.clone()),
            wasi: None,
            shared: shared.clone(),
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.limits.give_back();
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi.get_or_insert_with(|| self.shared.new_wasi()),
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.egress,
        }
    }
}

impl Shared {
    /// For requests with TLS. Blocks when it is first called.
    pub fn connector(&self) -> &Result<TlsConnector, String> {
        self.tls.get_or_init(|| self.authorities.connector())
    }

    fn new_wasi(self: &Arc<Shared>) -> WasiCtx {
        let mut builder = WasiCtxBuilder::new();
        builder
            .args(&self.arguments)
            .envs(&self.environment)
            .stdout(Log::new(self, 1))
            .stderr(Log::new(self, 2));
        let mut context = builder.build();
        *context.filesystem() = self.filesystem.clone();
        context
    }
}

/// A guest's standard output or error: handed on a line at a time, so that requests do not cut each other's
/// lines in two.
#[derive(Clone)]
struct Log(Arc<LogLines>);

struct LogLines {
    shared: Arc<Shared>,
    stream: i32,
    rest: Mutex<Vec<u8>>,
}

/// A line that is longer is handed on in parts.
const LONGEST_LINE: usize = 64 << 10;

impl Log {
    fn new(shared: &Arc<Shared>, stream: i32) -> Log {
        Log(Arc::new(LogLines {
            shared: shared.clone(),
            stream,
            rest: Mutex::new(Vec::new()),
        }))
    }
}

impl LogLines {
    fn put(&self, bytes: &[u8]) {
        let host = &self.shared.host;
        (host.log)(host.host, self.stream, bytes.as_ptr(), bytes.len());
    }

    fn write(&self, bytes: &[u8]) {
        let mut rest = self.rest.lock().unwrap();
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        if whole > 0 && rest.is_empty() {
            self.put(&bytes[..whole]);
        } else if whole > 0 {
            rest.extend_from_slice(&bytes[..whole]);
            self.put(&rest);
            rest.clear();
        }
        rest.extend_from_slice(&bytes[whole..]);
        if rest.len() > LONGEST_LINE {
            self.put(&rest);
            rest.clear();
        }
    }
}

impl Drop for LogLines {
    fn drop(&mut self) {
        let mut rest = std::mem::take(self.rest.get_mut().unwrap());
        if !rest.is_empty() {
            rest.push(b'\n');
            self.put(&rest);
        }
    }
}

impl IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Log {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
    // Asked for by WASI 0.3 only, which is not served.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

#[async_trait::async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

impl OutputStream for Log {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.0.write(&bytes);
        Ok(())
    }
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LONGEST_LINE)
    }
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

fn new_linker(engine: &Engine, files_on_thread: bool) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    if files_on_thread {
        onthread::replace_files(&mut linker)?;
    }
    // The streams of a body need the table alone, and no WasiCtx.
    linker.allow_shadowing(true);
    io::error::add_to_linker::<State, HasTable>(&mut linker, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, HasTable>(&mut linker, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, HasTable>(&mut linker, |state| &mut state.table)?;
    linker.allow_shadowing(false);
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}

fn strings(count: usize, pointers: *const *const c_char) -> Result<Vec<String>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    unsafe { slice::from_raw_parts(pointers, count) }
        .iter()
        .map(|&text| Ok(unsafe { CStr::from_ptr(text) }.to_str()?.to_owned()))
        .collect()
}

fn prepare(
    component: &Component,
    preopens: &mut wasi_config_t,
    host: wasmoor_http_host_t,
) -> Result<wasmoor_http_handler_t> {
    // wasi_config_t is a repr(C) struct of one private field (stdio.rs).
    let preopens = unsafe { &mut *std::ptr::from_mut(preopens).cast::<WasiCtxBuilder>() };
    let names = strings(host.variable_count, host.names)?;
    let values = strings(host.variable_count, host.values)?;
    let environment: Vec<_> = names.into_iter().zip(values).collect();
    let shared = Shared {
        host,
        waits: Waits::new(&host),
        arguments: strings(host.argument_count, host.arguments)?,
        authorities: Authorities::of(&environment),
        tls: OnceLock::new(),
        environment,
        filesystem: preopens.build().filesystem().clone(),
    };
    let linker = new_linker(component.engine(), host.files_on_thread)?;
    Ok(wasmoor_http_handler_t {
        pre: ProxyPre::new(linker.instantiate_pre(component)?)?,
        shared: Arc::new(shared),
    })
}

/// From now on.
pub(crate) fn give_way(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_async_yield_and_update(1);
}

impl wasmoor_http_handler_t {
    /// A store for one request, which gives way to other requests at every tick of the epoch.
    pub(crate) fn new_store(&self, limits: wasmoor_limits_t) -> Store<State> {
        let mut store = Store::new(self.pre.engine(), State::new(&self.shared, limits));
        store.limiter(|state| &mut state.limits);
        give_way(&mut store);
        store
    }
}

fn result<T>(result: Result<T>, out: &mut *mut T) -> Option<Box<wasmtime_error_t>> {
    match result {
        Ok(value) => {
            *out = Box::into_raw(Box::new(value));
            None
        }
        Err(error) => Some(Box::new(wasmtime_error_t::from(error))),
    }
}

/// Prepares `component`, whose engine has epochs, to serve. Of `preopens`, which is used up, only the directories
/// count. Thread-safe afterwards.
///
/// # Safety
/// The pointers in `host` must be valid as C's usual rules want it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmoor_http_handler_new(
    component: &wasmtime_component_t,
    mut preopens: Box<wasi_config_t>,
    host: &wasmoor_http_host_t,
    out: &mut *mut wasmoor_http_handler_t,
) -> Option<Box<wasmtime_error_t>> {
    // wasmtime_component_t is repr(transparent) round a private Component.
    let component = unsafe { &*std::ptr::from_ref(component).cast::<Component>() };
    result(prepare(component, &mut preopens, *host), out)
}

#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_handler_delete(handler: Box<wasmoor_http_handler_t>) {
    // Until then something may ask the host.
    handler.shared.waits.end();
}

/// Freed memory is looked through for the pages that were written (PAGEMAP_SCAN, Linux 6.7), where the kernel
/// can: only those are put back. The process that makes the engine must be the one that runs it.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_pooling_allocation_config_pagemap_scan(
    config: &mut wasmtime_pooling_allocation_config_t,
) {
    // A repr(C) struct of one private field.
    const _: () = assert!(
        size_of::<wasmtime_pooling_allocation_config_t>() == size_of::<PoolingAllocationConfig>()
    );
    let config = unsafe { &mut *std::ptr::from_mut(config).cast::<PoolingAllocationConfig>() };
    config.pagemap_scan(wasmtime::Enabled::Auto);
}
