//! Starting and stopping the listeners.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    guard::{self, GuardContext},
    web::{self, Data, ServiceConfig},
};
use concordat_state::Store;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    Edge, RpcMetrics, Service, Session, TlsEdge, http,
    rate::RateLimiter,
    socket,
    tls::{remember_peer, server_config},
};
use crate::{ConfigError, Limits, ListenerConfig, NodeApi, RpcConfig, comet::Comet, eth::Eth};

/// A silent client is let go after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// A request's head must arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests may take to end once the node stops, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;

/// What the interfaces serve from.
pub struct RpcParts {
    /// The node.
    pub api: Arc<dyn NodeApi>,
    /// Committed data. Its genesis must have been initialised.
    pub store: Store,
    /// What is counted.
    pub metrics: Arc<RpcMetrics>,
    /// Certificate and client rules; `None` where all listeners are plaintext.
    pub tls: Option<TlsEdge>,
}

/// Why the interfaces cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration contradicts itself or is unsafe.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be had.
    #[error("{interface} RPC cannot listen on {address}: {source}")]
    Bind {
        /// Which interface.
        interface: &'static str,
        /// Where it should listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The TLS side cannot be set up.
    #[error("{interface} RPC cannot set up TLS: {source}")]
    Tls {
        /// Which interface.
        interface: &'static str,
        /// What rustls said.
        source: rustls::Error,
    },
}

/// A service whose WebSocket connections keep subscriptions.
pub(crate) trait SubscribableService: Service + Sized {
    /// What a connection remembers.
    type Session: Session;

    /// For a new connection.
    fn session(edge: &Arc<Edge<Self>>) -> Self::Session;
}

/// Running listeners.
#[derive(Debug)]
pub struct RpcServers {
    ethereum: Option<Running>,
    cometbft: Option<Running>,
    closing: watch::Sender<()>,
}

#[derive(Debug)]
struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

impl RpcServers {
    /// Where Ethereum JSON-RPC listens.
    pub fn ethereum(&self) -> Option<SocketAddr> {
        self.ethereum.as_ref().map(|server| server.address)
    }

    /// Where CometBFT RPC listens.
    pub fn cometbft(&self) -> Option<SocketAddr> {
        self.cometbft.as_ref().map(|server| server.address)
    }

    /// Waits until a listener ends by itself, which none should.
    pub async fn failed(&mut self) -> io::Error {
        let (ethereum, cometbft) = (ended(&mut self.ethereum), ended(&mut self.cometbft));
        tokio::select! {
            error = ethereum => error,
            error = cometbft => error,
        }
    }

    /// Takes no more requests, lets those under way end, closes WebSockets.
    pub async fn stop(self) {
        self.closing.send_replace(());
        let (ethereum, cometbft) = (self.ethereum, self.cometbft);
        tokio::join!(stopped(ethereum), stopped(cometbft));
    }
}

async fn ended(server: &mut Option<Running>) -> io::Error {
    let Some(server) = server else { return std::future::pending().await };
    match (&mut server.task).await {
        Ok(Ok(())) => io::Error::other(format!("the RPC listener on {} stopped", server.address)),
        Ok(Err(error)) => error,
        Err(failure) => io::Error::other(failure),
    }
}

async fn stopped(server: Option<Running>) {
    let Some(server) = server else { return };
    server.handle.stop(true).await;
    if !server.task.is_finished() && server.task.await.is_err() {
        tracing::warn!(address = %server.address, "an RPC listener did not stop cleanly");
    }
}

/// Starts the configured interfaces and returns at once. They run on threads of their own. To be called
/// within a tokio runtime.
pub async fn serve(config: RpcConfig, parts: RpcParts) -> Result<RpcServers, ServeError> {
    config.check(parts.tls.is_some())?;
    let RpcConfig { ethereum, cometbft, limits, disabled_methods, workers } = config;
    let (closing, stopping) = watch::channel(());
    let start = Start { parts: &parts, limits: &limits, workers, stopping };
    let ethereum = ethereum.map(|listener| {
        let (api, store) = (Arc::clone(&parts.api), parts.store.clone());
        start.listen(Eth::new(api, store, limits.clone(), disabled_methods), listener, ethereum_routes)
    });
    let cometbft = cometbft.map(|listener| {
        let service = Comet::new(Arc::clone(&parts.api), parts.store.clone(), limits.clone());
        start.listen(service, listener, crate::comet::routes)
    });
    Ok(RpcServers { ethereum: ethereum.transpose()?, cometbft: cometbft.transpose()?, closing })
}

/// What both listeners are started with.
struct Start<'a> {
    parts: &'a RpcParts,
    limits: &'a Limits,
    workers: usize,
    stopping: watch::Receiver<()>,
}

impl Start<'_> {
    fn listen<S: SubscribableService>(
        &self,
        service: S,
        listener: ListenerConfig,
        routes: fn(&mut ServiceConfig),
    ) -> Result<Running, ServeError> {
        let (interface, address, plaintext) = (S::INTERFACE, listener.address, listener.plaintext);
        let tls = self.parts.tls.as_ref().filter(|_| !plaintext);
        let edge = Data::new(Arc::new(Edge {
            service: Arc::new(service),
            limits: self.limits.clone(),
            listener,
            metrics: Arc::clone(&self.parts.metrics),
            rate: RateLimiter::new(self.limits.requests_per_second, self.limits.request_burst),
            authorizer: tls.map(|tls| Arc::clone(&tls.authorizer)),
            closing: self.stopping.clone(),
        }));
        let connected = Arc::clone(edge.get_ref());
        let server = HttpServer::new(move || App::new().app_data(edge.clone()).configure(routes))
            .workers(self.workers)
            .max_connections(self.limits.connections.div_ceil(self.workers))
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .tcp_nodelay(true)
            .disable_signals()
            .on_connect(move |connection, data| remember_peer(&connected, connection, data));
        let server = match tls {
            None => server.bind(address),
            Some(tls) => {
                let config = server_config(tls, Arc::clone(&self.parts.metrics), interface)
                    .map_err(|source| ServeError::Tls { interface, source })?;
                server.bind_rustls_0_23(address, config)
            }
        }
        .map_err(|source| ServeError::Bind { interface, address, source })?;
        let address = server.addrs().first().copied().unwrap_or(address);
        let server = server.run();
        tracing::info!(interface, %address, tls = !plaintext, "RPC listening");
        Ok(Running { address, handle: server.handle(), task: tokio::spawn(server) })
    }
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(context: &GuardContext<'_>) -> bool {
    guard::Guard::check(&guard::Get(), context)
        && context
            .head()
            .headers()
            .get("upgrade")
            .is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn ethereum_routes(config: &mut ServiceConfig) {
    config.service(
        web::resource(["/", "/ws"])
            .route(web::route().guard(guard::fn_guard(is_upgrade)).to(socket::open::<Eth>))
            .route(web::post().to(http::post::<Eth>))
            .route(web::get().to(http::index::<Eth>))
            .route(web::method(actix_web::http::Method::OPTIONS).to(http::preflight::<Eth>)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listener that serves nothing.
    fn idle() -> Running {
        let server = HttpServer::new(App::new).workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        Running { address, handle: server.handle(), task: tokio::spawn(server) }
    }

    #[tokio::test]
    async fn a_listener_that_ends_by_itself_is_a_failure_with_its_address() {
        let (ethereum, cometbft) = (idle(), idle());
        let (address, handle) = (cometbft.address, cometbft.handle.clone());
        let mut servers =
            RpcServers { ethereum: Some(ethereum), cometbft: Some(cometbft), closing: watch::channel(()).0 };
        let stays = tokio::time::timeout(Duration::from_millis(20), servers.failed()).await;
        assert!(stays.is_err(), "both run");
        handle.stop(true).await;
        let failure = servers.failed().await.to_string();
        assert!(failure.contains(&address.to_string()), "{failure}");
        servers.stop().await;
    }
}
