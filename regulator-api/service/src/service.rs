//! What all requests share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use concordat_sql::{
    Database, SqlError,
    read::{Account, ReadLog, Reader},
};
use concordat_types::Address;
use tokio::sync::Semaphore;

use crate::{
    config::Config,
    journal::Journal,
    keys::{KeyError, KeyRing},
    metrics::Metrics,
    node::Beside,
    rate::Rates,
};

/// How long metrics wait for the database.
const PATIENCE: Duration = Duration::from_secs(1);

/// Accounts whose rows are kept for the newest block.
const ACCOUNTS: usize = 1000;

/// What all requests share.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) database: Database,
    pub(crate) reader: Reader,
    pub(crate) log: ReadLog,
    pub(crate) journal: Journal,
    pub(crate) rates: Rates,
    pub(crate) metrics: Metrics,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) beside: Beside,
    passphrase: Vec<u8>,
    keys: RwLock<KeyRing>,
    accounts: Mutex<Known>,
    ending: AtomicBool,
}

/// Rows of accounts after one block. They are asked for again with the next.
#[derive(Default)]
struct Known {
    height: i64,
    accounts: BTreeMap<Address, Option<Account>>,
}

impl Service {
    pub(crate) fn new(
        config: Config,
        passphrase: Vec<u8>,
        database: Database,
        reader: Reader,
        beside: Beside,
    ) -> Result<Self, KeyError> {
        let log = ReadLog::open(&database);
        Ok(Self {
            beside,
            keys: RwLock::new(KeyRing::read(&config.token_keys, &passphrase)?),
            journal: Journal::start(log.clone()),
            rates: Rates::new(config.requests_per_second, Instant::now()),
            metrics: Metrics::default(),
            streams: Arc::new(Semaphore::new(config.streams)),
            accounts: Mutex::default(),
            ending: AtomicBool::new(false),
            config,
            database,
            reader,
            log,
            passphrase,
        })
    }

    /// The keys of tokens.
    pub(crate) fn keys(&self) -> RwLockReadGuard<'_, KeyRing> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the keys of tokens again; those before stay where that fails.
    pub(crate) fn reload_keys(&self) {
        let folder = &self.config.token_keys;
        // Opening an encrypted key takes a moment of a processor: not where nothing is new.
        let read = match self.keys().is_old(folder) {
            Ok(false) => return,
            Ok(true) => KeyRing::read(folder, &self.passphrase),
            Err(error) => Err(error),
        };
        match read {
            Ok(keys) => *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys,
            Err(error) => tracing::error!(%error, "the keys of tokens stay as they are"),
        }
    }

    /// An account's row after the newest block.
    pub(crate) async fn account(&self, account: Address, height: i64) -> Result<Option<Account>, SqlError> {
        if let Some(known) = self.known(account, height) {
            return Ok(known);
        }
        let found = self.reader.account(account, height).await?;
        let mut known = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.height != height || known.accounts.len() >= ACCOUNTS {
            *known = Known { height, accounts: BTreeMap::new() };
        }
        known.accounts.insert(account, found.clone());
        Ok(found)
    }

    fn known(&self, account: Address, height: i64) -> Option<Option<Account>> {
        let known = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if known.height == height { known.accounts.get(&account).cloned() } else { None }
    }

    /// Notes for the metrics where the log of reads stands. What cannot be read stays as it was.
    pub(crate) async fn note_log(&self) {
        let known = async { Ok::<_, SqlError>((self.log.head().await?.count, self.log.held().await?)) };
        match tokio::time::timeout(PATIENCE, known).await {
            Ok(Ok((entries, held))) => self.metrics.log_is(entries, held),
            Ok(Err(error)) => tracing::warn!(%error, "the log of reads cannot be counted"),
            Err(_) => tracing::warn!("the log of reads cannot be counted in time"),
        }
    }

    /// Ends streams.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether streams end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Seconds since 1970.
pub(crate) fn now_secs() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
