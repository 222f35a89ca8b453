// SPDX-License-Identifier: MIT OR Apache-2.0
//! One connection: who it is, what it may send, and for how long it may say nothing.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::Service as _;

use super::Closing;
use super::counts::Counts;
use crate::control::Client;

/// Time for a handshake, and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between two pings, and for the answer.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Calls at once on one connection.
const MAX_STREAMS: u32 = 128;
/// Bytes of all headers of a request.
const MAX_HEADERS: u32 = 16 << 10;

/// Numbers of connections; those of other transports are below.
static NEXT: AtomicU64 = AtomicU64::new(1 << 32);

/// Who is at the other end; an extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub client: Client,
    /// It came through the Unix socket, where no browser can be.
    pub unix: bool,
}

impl Peer {
    pub(super) fn new(unix: bool) -> Self {
        Peer { client: Client(NEXT.fetch_add(1, Relaxed)), unix }
    }
}

/// What a connection reads and writes.
pub(super) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A wire that knows whether we have ever answered, which we do after a handshake.
struct Answered {
    wire: Box<dyn Wire>,
    answered: Arc<AtomicBool>,
}

impl AsyncRead for Answered {
    fn poll_read(mut self: Pin<&mut Self>, c: &mut Context<'_>, b: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(c, b)
    }
}

impl AsyncWrite for Answered {
    fn poll_write(mut self: Pin<&mut Self>, c: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        self.answered.store(true, Relaxed);
        Pin::new(&mut self.wire).poll_write(c, b)
    }
    fn poll_flush(mut self: Pin<&mut Self>, c: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(c)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, c: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(c)
    }
}

/// HTTP/1.1 and HTTP/2 without TLS, with all limits.
fn http() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    builder
}

/// Serves one connection to its end.
pub(super) async fn run(
    wire: Box<dyn Wire>,
    peer: Peer,
    router: axum::Router,
    counts: Arc<Counts>,
    graceful: Watcher,
    mut ended: Closing,
) {
    let answered = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Answered { wire, answered: answered.clone() });
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let (mut router, counts) = (router.clone(), counts.clone());
        async move {
            let call = counts.call();
            if !peer.unix && !is_local(&request) {
                counts.count_foreign();
                let refusal = "requests from other sites are refused; ask for localhost or 127.0.0.1\n";
                let mut response = Response::new(Body::from(refusal));
                *response.status_mut() = StatusCode::FORBIDDEN;
                return Ok(response);
            }
            request.extensions_mut().insert(peer);
            let answer: Result<_, Infallible> = router.call(request).await;
            answer.map(|a| a.map(|body| call.until_sent(body)))
        }
    });
    let connection = http().serve_connection_with_upgrades(io, service).into_owned();
    tokio::select! {
        result = graceful.watch(connection) => {
            if let Err(error) = result {
                tracing::debug!("connection {}: {error}", peer.client.0);
            }
        }
        () = silent(&answered) => tracing::debug!("connection {}: no handshake", peer.client.0),
        () = ended.wait() => {}
    }
}

/// Returns if the handshake has not come in time.
async fn silent(answered: &AtomicBool) {
    tokio::time::sleep(PATIENCE).await;
    if answered.load(Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// False for what a web page of another site makes a browser send, by its `Host` and `Origin`.
fn is_local<B>(request: &Request<B>) -> bool {
    let text = |name| request.headers().get(name).map(|v| v.to_str().unwrap_or(""));
    let host = request.uri().authority().map(|a| a.as_str()).or(text(header::HOST)).unwrap_or("");
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(""),
        None => host.split(':').next().unwrap_or(""),
    };
    let known = name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
    let origin = text(header::ORIGIN).map(|o| o.split_once("://").map_or("", |(_, host)| host));
    known && origin.is_none_or(|o| o.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_not_local() {
        let ask = |host: &str, origin: Option<&str>| {
            let mut request = Request::builder().uri("/").header("host", host);
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            is_local(&request.body(()).unwrap())
        };
        assert!(ask("127.0.0.1:7701", None));
        assert!(ask("localhost:7701", Some("http://localhost:7701")));
        assert!(ask("[::1]:7701", None));
        assert!(!ask("evil.example:7701", None));
        assert!(!ask("localhost.evil.example", None));
        assert!(!ask("127.0.0.1:7701", Some("http://evil.example")));
        assert!(!ask("127.0.0.1:7701", Some("null")));
        assert!(!ask("127.0.0.1:7701", Some("http://127.0.0.1:3000")));
        assert!(!ask("", None));
    }
}
