//! TLS of the requests that a guest of wasi:http makes: whom it trusts, and the handshake.

use crate::http::Shared;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wasmtime_wasi_http::Error;

/// OpenSSL's, and so known to every image that trusts other authorities than its distribution does.
const VARIABLE: &str = "SSL_CERT_FILE";
/// Where Debian and Alpine, Red Hat, and SUSE have the authorities that they trust.
const USUAL: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// More than any list of authorities has.
const MOST_BYTES: u64 = 8 << 20;

/// Whom a guest trusts: those of the file that its environment names; else those of its own files; else, where there
/// are none, Mozilla's, which are built in. The file is opened at once, while that is allowed, and read when the
/// first request needs it.
pub(crate) struct Authorities(Result<Option<File>, String>);

impl Authorities {
    pub fn of(environment: &[(String, String)]) -> Authorities {
        let named = environment.iter().find(|(name, _)| name == VARIABLE);
        Authorities(match named {
            Some((_, path)) => open(path)
                .map(Some)
                .map_err(|error| format!("{VARIABLE} is {path}: {error}")),
            None => Ok(USUAL.iter().find_map(|path| open(path).ok())),
        })
    }

    /// For all requests.
    pub fn connector(&self) -> Result<TlsConnector, String> {
        let store = match self.0.as_ref()? {
            Some(file) => read(file).map_err(|error| format!("authorities: {error}"))?,
            None => RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.into(),
            },
        };
        let mut config = ClientConfig::builder()
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// Without waiting for whoever would write to it.
fn open(path: &str) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

fn read(mut file: &File) -> io::Result<RootCertStore> {
    let mut text = Vec::new();
    file.by_ref().take(MOST_BYTES).read_to_end(&mut text)?;
    let mut store = RootCertStore::empty();
    let (taken, _) =
        store.add_parsable_certificates(CertificateDer::pem_slice_iter(&text).flatten());
    match taken {
        0 => Err(io::Error::other("their file has no certificate in PEM")),
        _ => Ok(store),
    }
}

pub(crate) async fn shake_hands(
    shared: &Arc<Shared>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let name = ServerName::try_from(host.to_string()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let maker = shared.clone();
    // Reads files.
    let made = shared.waits.aside(move || maker.connector().clone()).await;
    let connector = match made {
        Some(Ok(connector)) => connector,
        Some(Err(why)) => return Err(Error::InternalError(Some(why))),
        None => return Err(Error::InternalError(None)),
    };
    connector.connect(name, stream).await.map_err(explain)
}

fn explain(error: io::Error) -> Error {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Error::TlsCertificateError
        }
        Some(rustls::Error::AlertReceived(alert)) => Error::TlsAlertReceived {
            alert_id: Some((*alert).into()),
            alert_message: Some(format!("{alert:?}")),
        },
        Some(_) => Error::TlsProtocolError,
        None => Error::ConnectionTerminated,
    }
}
