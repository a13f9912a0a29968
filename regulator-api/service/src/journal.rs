//! The log of reads, from the service's side: one writer, which takes together what comes at the same time.

use concordat_sql::{
    SqlError,
    read::{Entry, ReadLog},
};
use tokio::sync::{mpsc, oneshot};

use crate::problem::{Kind, Problem};

/// Entries that wait to be written.
const WAITING: usize = 1024;

/// Entries that are written together.
const TOGETHER: usize = 256;

type Waiting = (Entry, oneshot::Sender<bool>);

/// Takes entries.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    queue: mpsc::Sender<Waiting>,
}

impl Journal {
    /// Starts the writer, which ends with the last journal.
    pub(crate) fn start(log: ReadLog) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write(log, waiting));
        Self { queue }
    }

    /// Returns once the entry is durable.
    pub(crate) async fn add(&self, entry: Entry) -> Result<(), Problem> {
        let unlogged =
            || Problem::new(Kind::Unlogged, "what cannot be logged is not answered; try again in a while");
        let (done, written) = oneshot::channel();
        self.queue.send((entry, done)).await.map_err(|_| unlogged())?;
        if written.await.unwrap_or(false) { Ok(()) } else { Err(unlogged()) }
    }
}

async fn write(log: ReadLog, mut waiting: mpsc::Receiver<Waiting>) {
    let mut some = Vec::with_capacity(TOGETHER);
    while waiting.recv_many(&mut some, TOGETHER).await > 0 {
        let (entries, done): (Vec<Entry>, Vec<oneshot::Sender<bool>>) = some.drain(..).unzip();
        let written = log.append(entries).await;
        if let Err(error) = &written {
            complain(error);
        }
        for one in done {
            // Whoever asked may be gone.
            let _ = one.send(written.is_ok());
        }
    }
}

fn complain(error: &SqlError) {
    tracing::error!(%error, "reads cannot be logged; none is answered");
}
