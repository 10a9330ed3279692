//! One request to a component: a fresh instance, or one that has served before and was kept, polled on the caller's thread. A poll returns when the guest
//! waits, at every tick of the epoch while it computes, and when it has ended. What it waits for wakes the caller by
//! a function of C's. Dropping the request ends the guest wherever it is.

use crate::http::{Shared, State, give_way, wasmoor_http_handler_t};
use crate::limits::wasmoor_limits_t;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body::{Body, Frame};
use http_body_util::Empty;
use std::collections::VecDeque;
use std::ffi::c_void;
use std::pin::Pin;
use std::slice;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use wasmtime::component::Resource;
use wasmtime::{Result, Store, format_err};
use wasmtime_c_api::wasmtime_error_t;
use wasmtime_wasi_http::p2::bindings::Proxy;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};
use wasmtime_wasi_http::{Error, WasiBody, WasiHttpView};

/// An instance between two requests, with all that it remembers. What it has is in nobody's count meanwhile.
#[allow(non_camel_case_types)] // As C has it.
pub struct wasmoor_http_instance_t {
    shared: Arc<Shared>,
    parts: Option<(Store<State>, Proxy)>,
}

impl wasmoor_http_instance_t {
    fn new(mut store: Store<State>, proxy: Proxy, shared: Arc<Shared>) -> Self {
        store.data_mut().limits.leave_pool();
        Self {
            shared,
            parts: Some((store, proxy)),
        }
    }

    /// Nothing if it has more than `limits` allow.
    fn wake_up(mut self, limits: wasmoor_limits_t) -> Option<(Store<State>, Proxy)> {
        let (mut store, proxy) = self.parts.take()?;
        if !store.data_mut().limits.move_under(limits) {
            self.parts = Some((store, proxy));
            return None;
        }
        give_way(&mut store);
        Some((store, proxy))
    }
}

impl Drop for wasmoor_http_instance_t {
    fn drop(&mut self) {
        if let Some(parts) = self.parts.take() {
            drop_among_waits(&self.shared, parts);
        }
    }
}

/// What a guest waits for ends where it was begun.
fn drop_among_waits<T>(shared: &Shared, what: T) {
    let handle = shared.waits.handle();
    let _waits_here = handle.as_ref().ok().map(|handle| handle.enter());
    drop(what);
}

type Guest = Pin<Box<dyn Future<Output = Result<Option<Box<wasmoor_http_instance_t>>>>>>;
type Outcome = std::result::Result<Response<WasiBody>, ErrorCode>;

#[repr(C)]
pub struct wasmoor_http_field_t {
    name: *const u8,
    name_size: usize,
    value: *const u8,
    value_size: usize,
}

/// The head of a request, borrowed for a call. Layout shared with extra.h.
#[repr(C)]
pub struct wasmoor_http_head_t {
    method: *const u8,
    method_size: usize,
    /// A path and query, or "*", or with a scheme and an authority.
    target: *const u8,
    target_size: usize,
    fields: *const wasmoor_http_field_t,
    field_count: usize,
    has_body: bool,
    is_tls: bool,
}

/// Who is to poll the request again. `wake` is called on any thread, but not after the request was deleted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct wasmoor_http_waker_t {
    wake: extern "C" fn(*mut c_void),
    data: *mut c_void,
}
unsafe impl Send for wasmoor_http_waker_t {}

#[allow(non_camel_case_types)]
pub type wasmoor_http_visit_t = extern "C" fn(*mut c_void, *const u8, usize, *const u8, usize);

// What a poll returns, together.
const ANSWERED: u32 = 1; // There is a response, or an error in its place: wasmoor_http_request_head.
const ENDED: u32 = 2; // The guest has returned.
const FAILED: u32 = 4; // It trapped, or could not begin: wasmoor_http_request_error.
const RUNNABLE: u32 = 8; // Poll it again soon; nobody will be woken for that.
const WANTS_BODY: u32 = 16; // It has read all of the request's body that it was given, and wants more.

struct Wakeup {
    woken: bool,
    polling: bool,
    by: Option<wasmoor_http_waker_t>,
}

struct Alarm(Mutex<Wakeup>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.0.lock().unwrap();
        if state.woken {
            return;
        }
        state.woken = true;
        if let (false, Some(by)) = (state.polling, state.by) {
            (by.wake)(by.data);
        }
    }
}

/// The request's body on its way from the caller to the guest.
#[derive(Default)]
struct Inbox {
    chunks: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    ended: bool,
    broken: bool,
    wanted: bool,
    reader: Option<Waker>,
}

struct Incoming(Arc<Mutex<Inbox>>);

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Error>>> {
        let mut inbox = self.0.lock().unwrap();
        if let Some(chunk) = inbox.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        if inbox.broken {
            return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
        }
        if let Some(trailers) = inbox.trailers.take() {
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        if inbox.ended {
            return Poll::Ready(None);
        }
        inbox.wanted = true;
        inbox.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Inbox {
    fn wake(&mut self) -> Option<Waker> {
        self.wanted = false;
        self.reader.take()
    }
}

/// The response on its way back.
#[derive(Default)]
struct Outbox {
    outcome: Option<Outcome>,
}

#[allow(non_camel_case_types)] // As C has it.
pub struct wasmoor_http_request_t {
    shared: Arc<Shared>,
    guest: Option<Guest>,
    kept: Option<Box<wasmoor_http_instance_t>>,
    alarm: Arc<Alarm>,
    waker: Waker,
    inbox: Option<Arc<Mutex<Inbox>>>,
    outbox: Arc<Mutex<Outbox>>,
    outcome: Option<Outcome>,
    chunk: Bytes,
    trailers: Option<HeaderMap>,
    error: Option<wasmtime::Error>,
    ended: u32,
    reused: bool,
}

/// What a request has to do with others before and after it.
struct Reuse {
    instance: Option<Box<wasmoor_http_instance_t>>,
    keep: bool,
}

fn bytes<'a>(data: *const u8, size: usize) -> &'a [u8] {
    if size == 0 {
        return &[];
    }
    unsafe { slice::from_raw_parts(data, size) }
}

fn fields(fields: *const wasmoor_http_field_t, count: usize) -> Result<HeaderMap> {
    let mut map = HeaderMap::with_capacity(count);
    if count == 0 {
        return Ok(map);
    }
    for field in unsafe { slice::from_raw_parts(fields, count) } {
        let name = HeaderName::from_bytes(bytes(field.name, field.name_size))?;
        let value = HeaderValue::from_bytes(bytes(field.value, field.value_size))?;
        map.try_append(name, value)?;
    }
    Ok(map)
}

fn head(head: &wasmoor_http_head_t) -> Result<Request<()>> {
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(bytes(head.method, head.method_size))?;
    *request.uri_mut() = Uri::try_from(bytes(head.target, head.target_size))?;
    *request.headers_mut() = fields(head.fields, head.field_count)?;
    Ok(request)
}

fn begin(
    handler: &wasmoor_http_handler_t,
    of: &wasmoor_http_head_t,
    limits: wasmoor_limits_t,
    by: wasmoor_http_waker_t,
    reuse: Reuse,
) -> Result<wasmoor_http_request_t> {
    let request = head(of)?;
    let kept = reuse.instance.and_then(|one| one.wake_up(limits));
    let (mut store, proxy) = match kept {
        Some((store, proxy)) => (store, Some(proxy)),
        None => (handler.new_store(limits), None),
    };
    let scheme = if of.is_tls {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let inbox = of.has_body.then(Arc::<Mutex<Inbox>>::default);
    let outbox = Arc::<Mutex<Outbox>>::default();
    let mut http = store.data_mut().http();
    let incoming = match &inbox {
        Some(inbox) => {
            http.new_incoming_request(scheme, request.map(|()| Incoming(inbox.clone())))?
        }
        None => http.new_incoming_request(scheme, request.map(|()| Empty::<Bytes>::new()))?,
    };
    let slot = outbox.clone();
    let outparam = http.new_response_outparam_from_callback(move |outcome| {
        slot.lock().unwrap().outcome = Some(outcome);
    })?;
    let reused = proxy.is_some();
    let guest = handle(handler, (store, proxy), incoming, outparam, reuse.keep);
    let alarm = Arc::new(Alarm(Mutex::new(Wakeup {
        woken: false,
        polling: false,
        by: Some(by),
    })));
    Ok(wasmoor_http_request_t {
        shared: handler.shared.clone(),
        guest: Some(Box::pin(guest)),
        kept: None,
        reused,
        waker: Waker::from(alarm.clone()),
        alarm,
        inbox,
        outbox,
        outcome: None,
        chunk: Bytes::new(),
        trailers: None,
        error: None,
        ended: 0,
    })
}

/// The guest's whole life, or this request's part of it. A store that is not kept is dropped at its end, and with it
/// what the guest left open. Nothing is kept of a guest that failed.
fn handle(
    handler: &wasmoor_http_handler_t,
    (mut store, proxy): (Store<State>, Option<Proxy>),
    incoming: Resource<HostIncomingRequest>,
    outparam: Resource<HostResponseOutparam>,
    keep: bool,
) -> impl Future<Output = Result<Option<Box<wasmoor_http_instance_t>>>> + use<> {
    let pre = handler.pre.clone();
    let shared = handler.shared.clone();
    async move {
        let proxy = match proxy {
            Some(proxy) => proxy,
            None => pre.instantiate_async(&mut store).await?,
        };
        let handler = proxy.wasi_http_incoming_handler();
        handler.call_handle(&mut store, incoming, outparam).await?;
        Ok(keep.then(|| Box::new(wasmoor_http_instance_t::new(store, proxy, shared))))
    }
}

impl wasmoor_http_request_t {
    fn poll(&mut self) -> u32 {
        let mut news = self.ended;
        if let Some(guest) = self.guest.as_mut() {
            let mut alarm = self.alarm.0.lock().unwrap();
            alarm.polling = true;
            alarm.woken = false;
            drop(alarm);
            let polled = match self.shared.waits.handle() {
                Ok(handle) => {
                    let _waits_here = handle.enter();
                    let polled = guest.as_mut().poll(&mut Context::from_waker(&self.waker));
                    if polled.is_ready() {
                        self.guest = None;
                    }
                    polled
                }
                // It has not begun.
                Err(why) => {
                    self.guest = None;
                    Poll::Ready(Err(format_err!("no thread to wait in: {why}")))
                }
            };
            let mut alarm = self.alarm.0.lock().unwrap();
            alarm.polling = false;
            let woken = alarm.woken;
            drop(alarm);
            match polled {
                Poll::Pending if woken => news |= RUNNABLE,
                Poll::Pending => {}
                Poll::Ready(result) => {
                    self.ended = if result.is_ok() { ENDED } else { FAILED };
                    news |= self.ended;
                    match result {
                        Ok(kept) => self.kept = kept,
                        Err(error) => self.error = Some(error),
                    }
                }
            }
        }
        if self.outcome.is_none() {
            self.outcome = self.outbox.lock().unwrap().outcome.take();
            if self.outcome.is_some() {
                news |= ANSWERED;
            }
        }
        if self.wants_body() {
            news |= WANTS_BODY;
        }
        news
    }

    fn wants_body(&self) -> bool {
        let inbox = self.inbox.as_ref().filter(|_| self.guest.is_some());
        inbox.is_some_and(|inbox| inbox.lock().unwrap().wanted)
    }

    /// Hands something of the body over and wakes the guest if it waits for it.
    fn give(&mut self, what: impl FnOnce(&mut Inbox)) {
        let Some(inbox) = &self.inbox else { return };
        let mut inbox = inbox.lock().unwrap();
        what(&mut inbox);
        let reader = inbox.wake();
        drop(inbox);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

impl Drop for wasmoor_http_request_t {
    fn drop(&mut self) {
        self.alarm.0.lock().unwrap().by = None;
        if let Some(guest) = self.guest.take() {
            drop_among_waits(&self.shared, guest);
        }
    }
}

/// A request to `handler`, under limits of its own; nothing of the guest has run yet. An error if the head is
/// none that wasi:http can express. `instance`, which is used up, serves it, unless it is null or has more than
/// `limits` allow. `keep`: an instance that has served can be taken from the request.
///
/// # Safety
/// The pointers must be valid as C's usual rules want it. All further calls for this request, deleting it
/// included, must be made by one thread at a time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmoor_http_request_new(
    handler: &wasmoor_http_handler_t,
    head: &wasmoor_http_head_t,
    limits: &wasmoor_limits_t,
    waker: &wasmoor_http_waker_t,
    instance: Option<Box<wasmoor_http_instance_t>>,
    keep: bool,
    out: &mut *mut wasmoor_http_request_t,
) -> Option<Box<wasmtime_error_t>> {
    match begin(handler, head, *limits, *waker, Reuse { instance, keep }) {
        Ok(request) => {
            *out = Box::into_raw(Box::new(request));
            None
        }
        Err(error) => Some(Box::new(wasmtime_error_t::from(error))),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_delete(_: Box<wasmoor_http_request_t>) {}

/// Whether an instance that had served before serves it.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_is_reused(request: &wasmoor_http_request_t) -> bool {
    request.reused
}

/// The instance of a request that has ended, and whose response was read to its end; null if there is none to keep.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_take_instance(
    request: &mut wasmoor_http_request_t,
) -> Option<Box<wasmoor_http_instance_t>> {
    request.kept.take()
}

/// What its memories have, in bytes.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_instance_memory(instance: &wasmoor_http_instance_t) -> u64 {
    let parts = instance.parts.as_ref();
    parts.map_or(0, |(store, _)| store.data().limits.memory_used())
}

#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_instance_delete(_: Box<wasmoor_http_instance_t>) {}

/// Lets the guest run until it waits; what is new, as the constants above.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_poll(request: &mut wasmoor_http_request_t) -> u32 {
    request.poll()
}

/// Why the guest failed; null if it did not, or if it was asked before.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_error(
    request: &mut wasmoor_http_request_t,
) -> Option<Box<wasmtime_error_t>> {
    request
        .error
        .take()
        .map(|error| Box::new(wasmtime_error_t::from(error)))
}

/// A part of the request's body, which is copied.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_write(
    request: &mut wasmoor_http_request_t,
    data: *const u8,
    size: usize,
) {
    let chunk = Bytes::copy_from_slice(bytes(data, size));
    request.give(|inbox| inbox.chunks.push_back(chunk));
}

/// The body has been given whole, with these trailers, or it breaks off. Trailers that cannot be expressed break it
/// off.
///
/// # Safety
/// `trailers` must be `count` fields.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wasmoor_http_request_end(
    request: &mut wasmoor_http_request_t,
    whole: bool,
    trailers: *const wasmoor_http_field_t,
    count: usize,
) {
    let trailers = fields(trailers, count);
    request.give(|inbox| match trailers {
        Ok(trailers) if whole => {
            inbox.trailers = (!trailers.is_empty()).then_some(trailers);
            inbox.ended = true;
        }
        _ => inbox.broken = true,
    });
}

fn visit_all(fields: &HeaderMap, visit: wasmoor_http_visit_t, data: *mut c_void) {
    for (name, value) in fields {
        let (name, value) = (name.as_str(), value.as_bytes());
        visit(data, name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
}

/// The status of the response, whose fields are visited; 0 if the guest answered with an error, whose name is
/// visited as a value.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_head(
    request: &wasmoor_http_request_t,
    visit: wasmoor_http_visit_t,
    data: *mut c_void,
) -> u16 {
    match &request.outcome {
        Some(Ok(response)) => {
            visit_all(response.headers(), visit, data);
            response.status().as_u16()
        }
        Some(Err(code)) => {
            let text = format!("{code:?}");
            visit(data, std::ptr::null(), 0, text.as_ptr(), text.len());
            0
        }
        None => 0,
    }
}

const NOTHING_YET: u32 = 0;
const CHUNK: u32 = 1;
const END: u32 = 2;
const TRAILERS: u32 = 3; // The end, with wasmoor_http_request_trailers.
const BROKEN_OFF: u32 = 4;

fn next_frame(body: &mut WasiBody) -> Poll<Option<std::result::Result<Frame<Bytes>, Error>>> {
    // Nobody is woken: more comes of polling the guest only.
    Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
}

/// The next part of the response's body, which stays valid until the next call for this request.
#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_read(
    request: &mut wasmoor_http_request_t,
    data: &mut *const u8,
    size: &mut usize,
) -> u32 {
    let Some(Ok(response)) = request.outcome.as_mut() else {
        return END;
    };
    let mut next = next_frame(response.body_mut());
    if next.is_pending() && request.guest.is_none() && request.kept.take().is_some() {
        // The guest has left the body open; it ends as that of one that is not kept does.
        next = next_frame(response.body_mut());
    }
    match next {
        Poll::Pending => NOTHING_YET,
        Poll::Ready(None) => END,
        Poll::Ready(Some(Err(_))) => BROKEN_OFF,
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(chunk) => {
                request.chunk = chunk;
                *data = request.chunk.as_ptr();
                *size = request.chunk.len();
                CHUNK
            }
            Err(frame) => {
                request.trailers = frame.into_trailers().ok();
                TRAILERS
            }
        },
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn wasmoor_http_request_trailers(
    request: &wasmoor_http_request_t,
    visit: wasmoor_http_visit_t,
    data: *mut c_void,
) {
    if let Some(trailers) = &request.trailers {
        visit_all(trailers, visit, data);
    }
}
