//! What guests of wasi:http wait in: timers, and sockets of their own requests. And where what blocks is done.

use crate::http::wasmoor_http_host_t;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, Semaphore, oneshot};

/// Of a process that is one server's. Its one thread starts with the first request.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(64)
        .thread_name("wasm-wait")
        .enable_time()
        .enable_io()
        .build()
        .expect("a thread to wait in")
});

/// What blocks, at once, of one handler that has threads of its own.
const ASIDE: usize = 4;

pub(crate) enum Waits {
    OfProcess,
    Own(Own),
}

/// Threads that are made by the thread that polls, and so are in its jail and have its descriptors. The first starts
/// with the first request. All have ended when end() returns.
pub(crate) struct Own {
    host: wasmoor_http_host_t,
    waiter: OnceLock<Result<Waiter, String>>,
    aside: Semaphore,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Waiter {
    handle: Handle,
    over: Arc<Notify>,
}

impl Waits {
    pub fn new(host: &wasmoor_http_host_t) -> Waits {
        if !host.on_thread {
            return Waits::OfProcess;
        }
        Waits::Own(Own {
            host: *host,
            waiter: OnceLock::new(),
            aside: Semaphore::new(ASIDE),
            threads: Mutex::new(Vec::new()),
        })
    }

    pub fn handle(&self) -> Result<&Handle, &String> {
        match self {
            Waits::OfProcess => Ok(RUNTIME.handle()),
            Waits::Own(own) => {
                let waiter = own.waiter.get_or_init(|| own.start().map_err(|why| why.to_string()));
                waiter.as_ref().map(|waiter| &waiter.handle)
            }
        }
    }

    /// What `work` returns, which blocks; nothing if there is no thread for it.
    pub async fn aside<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Option<R> {
        match self {
            Waits::OfProcess => tokio::task::spawn_blocking(work).await.ok(),
            Waits::Own(own) => {
                let _ticket = own.aside.acquire().await.ok()?;
                let (give, take) = oneshot::channel();
                own.begin(move || {
                    let _ = give.send(work());
                })
                .ok()?;
                take.await.ok()
            }
        }
    }

    pub fn end(&self) {
        let Waits::Own(own) = self else { return };
        if let Some(Ok(waiter)) = own.waiter.get() {
            waiter.over.notify_one();
        }
        let threads = std::mem::take(&mut *own.threads.lock().unwrap());
        for one in threads {
            let _ = one.join();
        }
    }
}

impl Own {
    fn begin(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let host = self.host;
        let counted = move || {
            // The whole of it, which may go to other threads.
            let host = host;
            (host.thread)(host.host, true);
            work();
            (host.thread)(host.host, false);
        };
        let mut threads = self.threads.lock().unwrap();
        for at in (0..threads.len()).rev() {
            if threads[at].is_finished() {
                let _ = threads.swap_remove(at).join();
            }
        }
        threads.push(thread::Builder::new().name("wasm-wait".into()).spawn(counted)?);
        Ok(())
    }

    fn start(&self) -> io::Result<Waiter> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let over = Arc::new(Notify::new());
        let told = over.clone();
        self.begin(move || runtime.block_on(told.notified()))?;
        Ok(Waiter { handle, over })
    }
}
