//! Starting and stopping.

use std::{io, sync::Arc, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::Server,
    web::{self, Data},
};
use concordat_sql::{Database, SqlError, read::Reader};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    answer,
    config::{Config, ConfigError},
    keys::KeyError,
    node::{Beside, NodeError},
    service::Service,
    tls::{acceptor, remember},
};

/// Threads that answer.
const WORKERS: usize = 2;

/// Connections at a time, of each thread.
const CONNECTIONS: usize = 512;

/// A silent client is let go after this time.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A request's head must arrive within this time.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long answers may take to end, in seconds.
const SHUTDOWN_SECONDS: u64 = 5;

/// How often the folder of keys is looked at.
const KEYS_EVERY: Duration = Duration::from_secs(30);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Keys or certificates are.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The node beside it, or who signs packages.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The database is not there, or not this program's.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A listener.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A listener ended.
    #[error("a listener ended: {0}")]
    Ended(io::Error),
}

/// Serves until `stop` resolves; then takes no more requests, and lets those under way end.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    config: Config,
    passphrase: Vec<u8>,
    database: Database,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    config.check()?;
    let reader = Reader::open(&database, config.connections).await?;
    let beside = Beside::open(&config, &passphrase)?;
    let service = Service::new(config.clone(), passphrase.clone(), database, reader, beside)?;
    let service = Data::from(Arc::new(service));
    let supervisors = supervisors(&config, &passphrase, service.clone())?;
    let operations = operations(&config, service.clone())?;
    let (main, side) = (supervisors.handle(), operations.handle());
    let keys = tokio::spawn(keep_keys(service.clone()));
    let (main_task, side_task) = (tokio::spawn(supervisors), tokio::spawn(operations));
    let ended = tokio::select! {
        () = stop => None,
        ended = main_task => Some(ended),
        ended = side_task => Some(ended),
    };
    service.end();
    keys.abort();
    tokio::join!(main.stop(true), side.stop(false));
    match ended {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(ServeError::Ended(error)),
        Some(Err(failure)) => Err(ServeError::Ended(io::Error::other(failure))),
    }
}

fn supervisors(config: &Config, passphrase: &[u8], service: Data<Service>) -> Result<Server, ServeError> {
    let address = config.listen;
    let server =
        HttpServer::new(move || App::new().app_data(service.clone()).default_service(web::to(answer::entry)))
            .workers(WORKERS)
            .max_connections(CONNECTIONS)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .shutdown_timeout(SHUTDOWN_SECONDS)
            .disable_signals()
            .on_connect(remember)
            .bind_openssl(address, acceptor(config, passphrase)?)
            .map_err(|source| ServeError::Listen { address, source })?;
    Ok(server.run())
}

/// Metrics and health, for this machine: nothing of them says more than that the service runs.
fn operations(config: &Config, service: Data<Service>) -> Result<Server, ServeError> {
    let address = config.operations;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(service.clone())
            .route("/healthz", web::get().to(healthy))
            .route("/metrics", web::get().to(metrics))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(address)
    .map_err(|source| ServeError::Listen { address, source })?;
    Ok(server.run())
}

async fn healthy() -> HttpResponse {
    HttpResponse::Ok().body("ok\n")
}

async fn metrics(service: Data<Service>) -> HttpResponse {
    service.note_log().await;
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(service.metrics.text())
}

/// Reads the keys of tokens again on SIGHUP, and now and then.
async fn keep_keys(service: Data<Service>) {
    let mut hangups = signal(SignalKind::hangup()).ok();
    loop {
        let hangup = async {
            match &mut hangups {
                Some(hangups) => hangups.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::time::sleep(KEYS_EVERY) => {}
            _ = hangup => {}
        }
        service.reload_keys();
    }
}
