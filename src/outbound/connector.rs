//! Makes connections: resolve, check every address, dial those very addresses, and speak TLS.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::addresses::may_be_dialled;
use super::link::Link;
use super::stream::Stream;
use super::unreachable::Unreachable;

/// How long a name may take to be resolved.
const RESOLVE: Duration = Duration::from_secs(5);
/// How long all addresses together may take to be connected to.
const DIAL: Duration = Duration::from_secs(5);
/// How long all of it may take, TLS too, unless somebody has less patience.
const CONNECT: Duration = Duration::from_secs(10);

/// Turns a host and a port into addresses; it may take its time, on a thread for such work.
pub type Resolver = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Makes connections, and knows where they may go and whom they trust. Clones share everything.
#[derive(Clone)]
pub struct Connector {
    private: Arc<[IpNet]>,
    tls: TlsConnector,
    resolver: Resolver,
    patience: Duration,
}

impl Connector {
    /// Connections to public addresses and to those in `private`, to servers with a certificate of a
    /// public authority or one of `authorities`.
    ///
    /// # Errors
    /// When a certificate of an authority cannot be used.
    pub fn new(
        private: &[IpNet],
        authorities: &[CertificateDer<'static>],
    ) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for authority in authorities {
            roots.add(authority.clone())?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let mut config = config
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let resolver: Resolver =
            Arc::new(|host, port| (host, port).to_socket_addrs().map(Iterator::collect));
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { private: private.into(), tls, resolver, patience: CONNECT })
    }

    /// This connector with another way to resolve names.
    #[must_use]
    pub fn with_resolver(self, resolver: Resolver) -> Self {
        Self { resolver, ..self }
    }

    /// This connector for whoever waits no longer than this for a connection.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    async fn connect(self, uri: Uri) -> Result<Stream, Unreachable> {
        let (host, port, tls) = target(&uri)?;
        let addresses = self.resolve(&host, port).await?;
        let tcp = dial(&addresses, &host, DIAL.min(self.patience)).await?;
        // A request goes out in few pieces, and none of them should wait for another.
        let _ = tcp.set_nodelay(true);
        if !tls {
            return Ok(Stream::Plain(tcp));
        }
        let name = ServerName::try_from(host.clone()).map_err(|_| Unreachable::NoHost)?;
        let shaken = self.tls.connect(name, tcp).await;
        let stream = shaken.map_err(|why| Unreachable::Tls { host, why })?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// The addresses of a host, of which each may be dialled.
    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_name) => self.look_up(host, port).await?,
        };
        let bad = addresses.iter().find(|found| !may_be_dialled(found.ip(), &self.private));
        match bad {
            Some(bad) => Err(Unreachable::NotAllowed { host: host.to_owned(), address: bad.ip() }),
            None => Ok(addresses),
        }
    }

    async fn look_up(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
        let (resolver, name) = (self.resolver.clone(), host.to_owned());
        let asked = tokio::task::spawn_blocking(move || resolver(&name, port));
        let failed = |why| Unreachable::Name { host: host.to_owned(), why };
        match timeout(RESOLVE, asked).await {
            Ok(Ok(found)) => found.map_err(failed),
            Ok(Err(_cut_off)) => Err(failed(io::Error::other("the resolver was cut off"))),
            Err(_late) => Err(failed(io::ErrorKind::TimedOut.into())),
        }
    }
}

/// The host, the port, and whether TLS is spoken there.
fn target(uri: &Uri) -> Result<(String, u16, bool), Unreachable> {
    let host = uri.host().ok_or(Unreachable::NoHost)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let (usual, tls) = match uri.scheme_str() {
        Some("https") => (443, true),
        Some("http") => (80, false),
        _ => return Err(Unreachable::NoHost),
    };
    Ok((host, uri.port_u16().unwrap_or(usual), tls))
}

/// A connection to the first address that takes one, of which each gets a share of the time.
async fn dial(
    addresses: &[SocketAddr],
    host: &str,
    patience: Duration,
) -> Result<TcpStream, Unreachable> {
    let share = patience / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let none = io::Error::new(io::ErrorKind::NotFound, "it has no address");
    let mut failed = Unreachable::Name { host: host.to_owned(), why: none };
    for &address in addresses {
        let dialled = timeout(share, TcpStream::connect(address)).await;
        match dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(stream),
            Err(why) => failed = Unreachable::Refused { address, why },
        }
    }
    Err(failed)
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Link<Stream>>;
    type Error = Unreachable;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unreachable>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unreachable>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (host, patience) = (uri.host().unwrap_or_default().to_owned(), self.patience);
        let connecting = timeout(patience, self.clone().connect(uri));
        Box::pin(async move {
            let late = |_| Err(Unreachable::Late { host, patience });
            connecting.await.unwrap_or_else(late).map(|stream| TokioIo::new(Link::new(stream)))
        })
    }
}
