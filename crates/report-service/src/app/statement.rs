//! Statements, however long: the entries are read page by page while the client takes what was written.
//!
//! The totals at the head are of one snapshot. The entries are immutable and ordered, so the pages need none, which a slow client
//! would keep open: they are of the generation that the totals are of, and stop after as many entries as those counted. That each
//! entry goes on from the balance before it, and that the last one ends with the closing balance, is proved while they are written; a
//! statement that does not add up breaks off, as one does whose generation is gone.

use std::{io, time::Duration};

use axum::body::{Body, Bytes};
use chrono::{DateTime, Utc};
use common::{Result, error::error_chain, origin::Origin};
use fault::point;
use futures::{StreamExt, stream};
use money::{Money, UserId, time};
use mysql::DbError;
use tokio::{sync::mpsc, time::timeout};

use super::{sync::Sync, turns::Turn};
use crate::{
    domain::{
        accept::Format,
        entry::{Entry, Whose},
        language::Language,
        period::ClosedPeriod,
        statement::{Head, Issue, Line, Totals, Writer},
        verification::VerificationCode,
    },
    store::{
        entries::{self, Pages},
        statements::{self, Issued},
    },
};

/// How long a client may take nothing before the statement breaks off.
const CLIENT_PATIENCE: Duration = Duration::from_mins(1);
/// Entries that are written at once.
const LINES_AT_ONCE: usize = 100;
/// Pieces that wait for the client.
const PIECES_AHEAD: usize = 2;

/// Why a statement breaks off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the client has gone, or takes nothing")]
    Client,
    #[error("the entries do not add up to the totals")]
    Unequal,
    #[error(transparent)]
    Read(#[from] sqlx::Error),
    #[error(transparent)]
    Write(#[from] DbError),
    #[error("reading failed: {0}")]
    Refused(&'static str),
}

/// What a statement is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub whose: Whose,
    pub period: ClosedPeriod,
    pub format: Format,
    pub language: Language,
    pub currency: String,
}

/// A statement that is being written.
struct Writing {
    sync: Sync,
    writer: Writer,
    head: Head,
    issue: Issue,
    /// What is kept of it: nothing unless it can be verified.
    is_kept: bool,
    pages: Pages,
    balance: Money,
    left: u64,
    /// Held until the client has taken the last piece, or has gone.
    _turn: Turn,
}

impl Sync {
    /// A statement, and before which moment all that was committed in the ledger is in it. It is written while it is read. 503
    /// `overloaded` if too many are.
    pub async fn statement(&self, asked: Asked) -> Result<(Body, DateTime<Utc>)> {
        let Asked { whose, period, .. } = asked;
        let user = whose.user;
        let turn = self.turns.take(user).await?;
        self.must_have_existed(user).await?;
        let name = self.name_of(user).await?;
        let (from, to) = (period.from, period.to);
        let mut snapshot = self.entries(Some(user)).await?;
        let current = snapshot.current;
        let totals = entries::totals(&mut snapshot, current.generation, whose, (from, to)).await?;
        drop(snapshot);
        let totals = Totals {
            opening_balance: totals.opening,
            closing_balance: totals.closing,
            total_in: totals.total_in,
            total_out: totals.total_out,
            entries: totals.count.unsigned_abs(),
        };
        let head = Head { user_id: user, name, currency: asked.currency, period, totals };
        let issue = Issue { language: asked.language, at: time::now(), code: VerificationCode::random() };
        let (writer, begin) = Writer::begin(asked.format, &head, issue.clone());
        let writing = Writing {
            sync: self.clone(),
            writer,
            pages: Pages::new(current.generation, whose, (from, to)),
            balance: totals.opening_balance,
            left: totals.entries,
            is_kept: asked.format == Format::Pdf,
            head,
            issue,
            _turn: turn,
        };
        Ok((writing.body(begin), current.true_at))
    }

    /// What `user` is called in full; as others see it if user-service is away.
    async fn name_of(&self, user: UserId) -> Result<String> {
        match self.users.full_name(user).await {
            Ok(Some(name)) => Ok(name),
            Ok(None) => self.display_name(user).await,
            Err(error) => {
                tracing::warn!(error = error_chain(&error), "answering with the name that is known");
                self.display_name(user).await
            }
        }
    }

    /// What others see that `user` is called.
    pub(super) async fn display_name(&self, user: UserId) -> Result<String> {
        Ok(self.names([user]).await?.remove(&user).unwrap_or_default())
    }

    /// Entries with all that is answered of them.
    async fn lines(&self, mut entries: Vec<Entry>) -> Result<Vec<Line>> {
        self.write_texts(&mut entries).await?;
        let names = self.names(entries.iter().filter_map(|entry| entry.counterparty_id)).await?;
        let line =
            |entry: Entry| Line { counterparty: entry.counterparty_id.and_then(|id| names.get(&id)).cloned(), entry };
        Ok(entries.into_iter().map(line).collect())
    }
}

impl Writing {
    /// The body, which is written by a task of its own as fast as the client takes it.
    fn body(self, begin: Vec<u8>) -> Body {
        let (pieces, taken) = mpsc::channel(PIECES_AHEAD);
        let writing = async move {
            let broken = match send(&pieces, begin).await {
                Ok(()) => self.write(&pieces).await.err(),
                Err(broken) => Some(broken),
            };
            match broken {
                None => return,
                Some(Broken::Client) => tracing::debug!("nobody takes the rest of a statement"),
                Some(broken) => tracing::warn!(error = error_chain(&broken), "a statement breaks off"),
            }
            // without its end, no client takes the answer for a whole one
            let end = Err(io::Error::from(io::ErrorKind::BrokenPipe));
            timeout(CLIENT_PATIENCE, pieces.send(end)).await.ok();
        };
        // what it asks of other services belongs to this request
        tokio::spawn(Origin::current().scope(writing));
        let pieces = stream::unfold(taken, |mut taken| async { Some((taken.recv().await?, taken)) });
        Body::from_stream(pieces.boxed())
    }

    async fn write(mut self, pieces: &Pieces) -> Result<(), Broken> {
        while self.left > 0 {
            let lines = self.next().await?;
            for lines in lines.chunks(LINES_AT_ONCE) {
                send(pieces, self.writer.lines(lines)).await?;
            }
        }
        if self.balance != self.head.totals.closing_balance {
            return Err(Broken::Unequal);
        }
        if self.is_kept {
            self.keep().await?;
        }
        send(pieces, self.writer.end()).await
    }

    /// The next lines, of which each goes on from the balance before it.
    async fn next(&mut self) -> Result<Vec<Line>, Broken> {
        let user = self.head.user_id;
        let mut page = {
            // other reads of the user come first, and the client has the patience that it is given itself
            let conn = self.sync.reads.acquire_within(Some(user), CLIENT_PATIENCE).await;
            let mut conn = conn.map_err(|error| Broken::Refused(error.code().name()))?;
            self.pages.next(&mut conn).await?
        };
        // what was made since the totals were counted is not in them
        page.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        if page.is_empty() {
            return Err(Broken::Unequal);
        }
        for entry in &page {
            self.balance = self.balance + entry.amount;
            if self.balance != entry.balance_after {
                return Err(Broken::Unequal);
            }
        }
        self.left -= page.len() as u64;
        self.sync.lines(page).await.map_err(|error| Broken::Refused(error.code().name()))
    }

    /// Keeps what anybody may be told of the statement: before it ends, so that whoever has it whole can verify it.
    async fn keep(&self) -> Result<(), DbError> {
        let Head { user_id, period, totals, .. } = &self.head;
        let issued = Issued::new(*user_id, (period.from, period.to), *totals, self.issue.at);
        mysql::retry(|_| async {
            let mut tx = mysql::begin(&self.sync.pool, point!("statement")).await?;
            statements::insert(tx.conn().await?, &self.issue.code, &issued).await?;
            tx.commit().await
        })
        .await
    }
}

type Pieces = mpsc::Sender<io::Result<Bytes>>;

/// Hands a piece to the client, who may take its time.
async fn send(pieces: &Pieces, piece: Vec<u8>) -> Result<(), Broken> {
    if piece.is_empty() {
        return Ok(());
    }
    let sent = timeout(CLIENT_PATIENCE, pieces.send(Ok(piece.into()))).await;
    sent.ok().and_then(Result::ok).ok_or(Broken::Client)
}

#[cfg(test)]
mod tests;
