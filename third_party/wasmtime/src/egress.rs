//! Requests that a guest of wasi:http makes itself. Whom it may ask is the caller's decision, and so are names;
//! the rest is HTTP/1.1, with TLS or without, over a connection for each.

use crate::http::Shared;
use crate::tls;
use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Sleep, timeout};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// Of each kind of waiting, where the guest sets no other.
const PATIENCE: Duration = Duration::from_secs(60);
/// Requests that one guest may have under way.
const MOST_REQUESTS: usize = 32;
const MOST_ADDRESSES: usize = 16;
/// What a guest's body may run ahead of who reads it: so many writes of so many bytes.
const CHUNKS: usize = 7;
const CHUNK_BYTES: usize = 16 << 10;

pub(crate) struct Egress {
    shared: Arc<Shared>,
    under_way: Arc<AtomicUsize>,
}

impl Egress {
    pub fn new(shared: Arc<Shared>) -> Egress {
        Egress {
            shared,
            under_way: Arc::default(),
        }
    }
}

type Connection = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = (Response<WasiBody>, Connection);

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: Connection,
    ) -> Box<dyn Future<Output = Result<Answer, Error>> + Send> {
        let ticket = Ticket::take(&self.under_way);
        let shared = self.shared.clone();
        Box::new(async move {
            let ticket = ticket.ok_or(Error::ConnectionLimitReached)?;
            send(&shared, request, options.unwrap_or_default(), ticket).await
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        CHUNKS
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}

/// One of the requests that a guest may have under way.
struct Ticket(Arc<AtomicUsize>);

impl Ticket {
    fn take(under_way: &Arc<AtomicUsize>) -> Option<Ticket> {
        let ticket = Ticket(under_way.clone());
        (under_way.fetch_add(1, Ordering::Relaxed) < MOST_REQUESTS).then_some(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn send(
    shared: &Arc<Shared>,
    mut request: Request<WasiBody>,
    options: RequestOptions,
    ticket: Ticket,
) -> Result<Answer, Error> {
    let with_tls = request.uri().scheme() == Some(&Scheme::HTTPS);
    let (host, port) = destination(request.uri(), if with_tls { 443 } else { 80 })?;
    let connection = &shared.host;
    if !(connection.allow)(connection.host, host.as_ptr(), host.len(), port) {
        return Err(Error::HttpRequestDenied);
    }
    // A server is asked for a path alone; the rest of the address is in the field Host (RFC 9112, 3.2.1).
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or(PathAndQuery::from_static("/")));

    let connect = timeout(
        options.connect_timeout.unwrap_or(PATIENCE),
        open_stream(shared, &host, port, with_tls),
    );
    let stream = connect.await.map_err(|_| Error::ConnectionTimeout)??;
    let (mut sender, mut connection) = http1::handshake(TokioIo::new(stream)).await?;
    let patience = options.first_byte_timeout.unwrap_or(PATIENCE);
    let answer = timeout(patience, async {
        let mut answer = std::pin::pin!(sender.send_request(request));
        let mut open = true;
        // The answer comes out of the connection's own work.
        std::future::poll_fn(|context| {
            if open && Pin::new(&mut connection).poll(context).is_ready() {
                open = false;
            }
            answer.as_mut().poll(context)
        })
        .await
        .map(|answer| (answer, open))
    });
    let (answer, open) = answer.await.map_err(|_| Error::ConnectionReadTimeout)??;
    let patience = options.between_bytes_timeout.unwrap_or(PATIENCE);
    let body = |incoming| {
        BodyExt::boxed_unsync(Patient {
            incoming,
            patience,
            over: Box::pin(tokio::time::sleep(patience)),
            _ticket: ticket,
        })
    };
    let rest = async move {
        if open {
            connection.await?;
        }
        Ok(())
    };
    Ok((answer.map(body), Box::new(rest)))
}

fn destination(uri: &Uri, usual_port: u16) -> Result<(String, u16), Error> {
    let host = uri.host().filter(|host| !host.is_empty());
    let host = host.ok_or(Error::HttpRequestUriInvalid)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((
        host.to_ascii_lowercase(),
        uri.port_u16().unwrap_or(usual_port),
    ))
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn open_stream(
    shared: &Arc<Shared>,
    host: &str,
    port: u16,
    with_tls: bool,
) -> Result<Box<dyn Stream>, Error> {
    let stream = connect(shared, host, port).await?;
    if with_tls {
        return Ok(Box::new(tls::shake_hands(shared, host, stream).await?));
    }
    Ok(Box::new(stream))
}

async fn connect(shared: &Arc<Shared>, host: &str, port: u16) -> Result<TcpStream, Error> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => resolve(shared.clone(), host.to_string()).await?,
    };
    let mut last = Error::DestinationNotFound;
    for address in addresses {
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                last = Error::ConnectionRefused;
            }
            Err(error) => last = Error::Connect(error),
        }
    }
    Err(last)
}

async fn resolve(shared: Arc<Shared>, host: String) -> Result<Vec<IpAddr>, Error> {
    let asking = shared.clone();
    let found = shared.waits.aside(move || {
        let shared = asking;
        let mut room = [0u8; 16 * MOST_ADDRESSES];
        let ask = &shared.host;
        let count = (ask.resolve)(
            ask.host,
            host.as_ptr(),
            host.len(),
            room.as_mut_ptr(),
            MOST_ADDRESSES,
        );
        let addresses = room.chunks_exact(16).take(count.min(MOST_ADDRESSES));
        addresses
            .map(|bytes| Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()).to_canonical())
            .collect::<Vec<_>>()
    });
    match found.await {
        Some(addresses) if !addresses.is_empty() => Ok(addresses),
        _ => Err(Error::DnsError {
            rcode: Some("no such name".to_string()),
            info_code: None,
        }),
    }
}

/// The body of an answer, which must not pause for longer than the guest's patience.
struct Patient {
    incoming: Incoming,
    patience: Duration,
    over: Pin<Box<Sleep>>,
    _ticket: Ticket,
}

impl Body for Patient {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let next = tokio::time::Instant::now() + self.patience;
                self.over.as_mut().reset(next);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.over.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Error::ConnectionReadTimeout))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
