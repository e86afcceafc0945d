//! Whether the mail server takes mails at all. While it does not, no mail fails for that: the worker tries one from time to time,
//! and the others wait.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use common::monitoring::show;
use money::{NotificationId, UserId};
use tokio::time::Instant;

use super::under_way::Found;
use crate::mailer::{Fault, SendError};

/// The pause before the first mail that is tried after one that showed that the server takes none; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause where the server cannot be reached.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The longest such pause where the server refuses whatever it gets: mail servers shut out who insists.
const LONGEST_PAUSE_REFUSED: Duration = Duration::from_mins(15);
/// How long a mail that is tried may take before another one is: more than the mail server may for one.
const PROBE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a mail that was taken proves that the server takes ours: what it refuses then, it refuses for the mail's own sake.
const PROOF: Duration = Duration::from_mins(10);
/// Recipients one after the other, with none accepted between them, whose mails were not taken: then it is not about them.
const EVERYBODY: usize = 3;

/// What this instance knows of the mail server. Cheap to clone.
#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    away: Option<Away>,
    accepted_at: Option<Instant>,
    /// Whose mails were not taken since one was accepted.
    refused: BTreeSet<UserId>,
}

/// The server takes no mail.
#[derive(Clone, Copy)]
struct Away {
    pause: Duration,
    until: Instant,
    /// True while a mail is tried that will show whether it still is so.
    is_probed: bool,
}

impl Server {
    /// A server about which nothing is known yet.
    pub fn new() -> Self {
        tell(true);
        Self::default()
    }

    /// How many mails may be tried: none during a pause, one after it, and any number while the server takes them.
    pub fn allowance(&self) -> usize {
        match self.state().away {
            None => usize::MAX,
            Some(away) => usize::from(Instant::now() >= away.until),
        }
    }

    /// Whether no mail may begin, not even one of a batch that was under way when the pause began.
    pub fn is_pausing(&self) -> bool {
        self.state().away.is_some_and(|away| !away.is_probed)
    }

    /// With which of those that are `due` it is best tried whether the server takes mails: with those to recipients whose mails it
    /// has not refused, if there are any. So nobody's refused mails keep everybody's waiting.
    pub fn choose(&self, due: Found) -> Found {
        let state = self.state();
        if state.away.is_none() {
            return due;
        }
        let is_refused = |(_, user): &(NotificationId, UserId)| state.refused.contains(user);
        if due.iter().flatten().all(is_refused) {
            return due;
        }
        due.map(|lane| lane.into_iter().filter(|mail| !is_refused(mail)).collect())
    }

    /// Mails are tried now: if the server was away, no others are until it is known what came of them, or that takes too long.
    pub fn begin(&self) {
        if let Some(away) = &mut self.state().away {
            away.until = Instant::now() + PROBE_PATIENCE;
            away.is_probed = true;
        }
    }

    /// Learns from what became of a mail of the worker's to `recipient`, and returns what that means: [`Fault::Away`] where it
    /// is not about the mail.
    pub fn judge(&self, recipient: UserId, sent: Result<(), SendError>) -> Result<(), SendError> {
        let mut state = self.state();
        let Err(SendError { fault, reason }) = sent else {
            state.accept();
            return Ok(());
        };
        let longest_pause = match fault {
            // whoever gives an address at which there is nobody stops nobody else's mails
            Fault::Unsendable | Fault::Deferred | Fault::NoMailbox => {
                state.end_probe();
                return Err(SendError { fault, reason });
            }
            Fault::Away => LONGEST_PAUSE,
            Fault::Barred => LONGEST_PAUSE_REFUSED,
            Fault::Doubtful if !state.is_proved() => {
                state.refused.insert(recipient);
                LONGEST_PAUSE_REFUSED
            }
            Fault::Doubtful | Fault::Refused | Fault::Unclear | Fault::Unanswered => {
                state.refused.insert(recipient);
                if state.refused.len() < EVERYBODY {
                    state.end_probe();
                    return Err(SendError { fault, reason });
                }
                if matches!(fault, Fault::Unclear | Fault::Unanswered) { LONGEST_PAUSE } else { LONGEST_PAUSE_REFUSED }
            }
        };
        let was_probe = state.away.is_some_and(|away| away.is_probed);
        state.wait(longest_pause, &reason);
        let fault = match fault {
            // what its recipient may have got counts, so that copies of it come to an end
            Fault::Unanswered => fault,
            // and so does the refusal of a mail with which it was tried whether the server takes any: it is not tried for ever
            Fault::Refused | Fault::Doubtful if was_probe => Fault::Deferred,
            _ => Fault::Away,
        };
        Err(SendError { fault, reason })
    }

    /// The same for a mail that a request has sent. It teaches nothing but that the server takes mails: whoever may ask for its
    /// own mails again and again stops nobody else's with that.
    pub fn judge_asked(&self, sent: Result<(), SendError>) -> Result<(), SendError> {
        let mut state = self.state();
        match sent {
            Ok(()) => {
                state.accept();
                Ok(())
            }
            Err(SendError { fault: Fault::Doubtful, reason }) if !state.is_proved() => {
                Err(SendError { fault: Fault::Away, reason })
            }
            failed => failed,
        }
    }

    /// How long a mail waits that was tried while the server takes none: others are tried first.
    pub fn pause(&self) -> Duration {
        self.state().away.map_or(FIRST_PAUSE, |away| away.pause) + FIRST_PAUSE
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the lock is never poisoned")
    }
}

impl State {
    fn is_proved(&self) -> bool {
        self.accepted_at.is_some_and(|then| then.elapsed() < PROOF)
    }

    fn accept(&mut self) {
        if self.away.take().is_some() {
            tracing::info!("the mail server takes mails again");
            tell(true);
        }
        self.refused.clear();
        self.accepted_at = Some(Instant::now());
    }

    /// Another mail may be tried at once.
    fn end_probe(&mut self) {
        if let Some(away) = self.away.as_mut().filter(|away| away.is_probed) {
            (away.is_probed, away.until) = (false, Instant::now());
        }
    }

    /// Begins a pause, unless one lasts: of the mails that were under way together, one counts.
    fn wait(&mut self, longest: Duration, reason: &str) {
        let now = Instant::now();
        let pause = match self.away {
            None => FIRST_PAUSE,
            Some(away) if !away.is_probed && now < away.until => return,
            Some(away) => (2 * away.pause).min(longest),
        };
        if self.away.is_none() {
            tracing::error!(reason, "the mail server takes no mails: they wait, and one is tried from time to time");
            tell(false);
        }
        self.away = Some(Away { pause, until: now + pause, is_probed: false });
    }
}

fn tell(takes_mails: bool) {
    show(
        "mail_server_available",
        "1 if the mail server takes mails, 0 while they wait for it",
        f64::from(u8::from(takes_mails)),
    );
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn user(id: i64) -> UserId {
        id.try_into().unwrap()
    }

    fn fails(server: &Server, recipient: i64, fault: Fault) -> Fault {
        server.judge(user(recipient), Err(SendError::new(fault, "so it is"))).unwrap_err().fault
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_server_is_away_one_mail_is_tried_after_growing_pauses() {
        let server = Server::new();
        assert_eq!(server.allowance(), usize::MAX);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            for recipient in 1..=16 {
                assert_eq!(
                    fails(&server, recipient, Fault::Away),
                    Fault::Away,
                    "one pause for those under way together"
                );
            }
            let begun = Instant::now();
            while server.allowance() == 0 {
                advance(Duration::from_secs(1)).await;
            }
            assert!(server.allowance() == 1 && server.is_pausing());
            server.begin();
            assert!(server.allowance() == 0 && !server.is_pausing(), "one at a time");
            pauses.push(begun.elapsed().as_secs());
        }
        fails(&server, 1, Fault::Deferred);
        assert_eq!(server.allowance(), 1, "that said nothing about the server: another one may be tried");
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        server.judge(user(1), Ok(())).unwrap();
        assert_eq!(server.allowance(), usize::MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_of_everybody_is_a_refusal_of_us() {
        let server = Server::new();
        assert_eq!([1, 1, 2].map(|recipient| fails(&server, recipient, Fault::Refused)), [Fault::Refused; 3]);
        server.judge(user(4), Ok(())).unwrap();
        assert_eq!([1, 2, 1, 2].map(|recipient| fails(&server, recipient, Fault::Refused)), [Fault::Refused; 4]);
        assert_eq!(fails(&server, 3, Fault::Refused), Fault::Away);
        assert_eq!(fails(&server, 1, Fault::Unclear), Fault::Away, "until one is taken");
        server.judge(user(4), Ok(())).unwrap();
        assert_eq!(fails(&server, 3, Fault::Refused), Fault::Refused);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_and_not_answered_counts_also_while_the_server_is_away() {
        let server = Server::new();
        for recipient in 1..=20 {
            assert_eq!(fails(&server, recipient, Fault::Unanswered), Fault::Unanswered);
        }
        assert_eq!(server.allowance(), 0, "it is everybody's");
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_is_about_the_mail_only_where_others_are_taken() {
        let server = Server::new();
        assert_eq!(fails(&server, 1, Fault::Doubtful), Fault::Away);
        server.judge(user(2), Ok(())).unwrap();
        assert_eq!(fails(&server, 1, Fault::Doubtful), Fault::Doubtful);
        advance(PROOF).await;
        assert_eq!(fails(&server, 1, Fault::Doubtful), Fault::Away, "much may have changed since");
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_that_is_deferred_or_cannot_be_sent_says_nothing_about_the_server() {
        let server = Server::new();
        for recipient in 1..=20 {
            for fault in [Fault::Deferred, Fault::Unsendable, Fault::NoMailbox] {
                assert_eq!(fails(&server, recipient, fault), fault);
            }
        }
        assert_eq!(server.allowance(), usize::MAX);
        assert_eq!(fails(&server, 1, Fault::Barred), Fault::Away, "a login that is refused is about nobody's mail");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_begins_no_pause_and_prolongs_none() {
        let server = Server::new();
        let asked = |fault| server.judge_asked(Err(SendError::new(fault, "so it is"))).unwrap_err().fault;
        let faults = [Fault::Away, Fault::Refused, Fault::Unclear, Fault::Barred, Fault::NoMailbox];
        assert_eq!(faults.map(asked), faults);
        assert_eq!(asked(Fault::Doubtful), Fault::Away, "it may be about us");
        assert_eq!(server.allowance(), usize::MAX);
        fails(&server, 1, Fault::Away);
        advance(FIRST_PAUSE).await;
        server.begin();
        let _ = faults.map(asked);
        assert!(server.allowance() == 0 && !server.is_pausing(), "the worker's mail is tried as before");
        server.judge_asked(Ok(())).unwrap();
        assert_eq!(server.allowance(), usize::MAX);
        assert_eq!(asked(Fault::Doubtful), Fault::Doubtful);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_tried_with_a_mail_to_somebody_else_whether_the_server_takes_any() {
        let server = Server::new();
        let due = |users: &[i64]| {
            let lane: Vec<_> = users.iter().map(|id| ((*id).try_into().unwrap(), user(*id))).collect();
            [lane, Vec::new(), Vec::new()]
        };
        assert_eq!(server.choose(due(&[1, 2, 3])), due(&[1, 2, 3]));
        fails(&server, 1, Fault::Doubtful);
        fails(&server, 2, Fault::Doubtful);
        assert_eq!(server.choose(due(&[1, 2, 3])), due(&[3]));
        assert_eq!(server.choose(due(&[1, 2])), due(&[1, 2]), "there is nobody else");
        server.judge(user(3), Ok(())).unwrap();
        assert_eq!(server.choose(due(&[1, 2, 3])), due(&[1, 2, 3]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_mail_that_is_refused_when_the_server_is_tried_counts_as_tried() {
        let server = Server::new();
        assert_eq!([1, 2].map(|recipient| fails(&server, recipient, Fault::Doubtful)), [Fault::Away; 2]);
        advance(FIRST_PAUSE).await;
        server.begin();
        assert_eq!(fails(&server, 1, Fault::Doubtful), Fault::Deferred);
        assert!(server.allowance() == 0 && server.is_pausing(), "it is still away");
        advance(2 * FIRST_PAUSE).await;
        server.begin();
        assert_eq!(fails(&server, 1, Fault::Barred), Fault::Away, "that is about us");
        advance(4 * FIRST_PAUSE).await;
        server.begin();
        assert_eq!(fails(&server, 1, Fault::NoMailbox), Fault::NoMailbox);
        assert_eq!(server.allowance(), 1, "another one may be tried at once");
    }
}
