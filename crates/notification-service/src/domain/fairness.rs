//! Fairness: no user's mails hold up another's.
//!
//! Each notification gets a lane when it is stored, by how many mails the user whose action caused it has caused of late,
//! and its recipient's mailbox has got of late. The worker takes what is due lane by lane, so whoever gets a mail now and
//! then does not wait behind those who cause thousands. What a user causes beyond its allowance is due later and later, at
//! the pace of the allowance: delayed, never dropped.
//!
//! A meter says how much it was: each mail moves it on by its share of a minute, and the clock catches up with it (the
//! generic cell rate algorithm of ITU-T I.371). So a meter is one moment, and a batch of mails moves it once. What bounds a
//! user is kept in the database, for all instances together; what only gives mailboxes their turns, in memory, because writing
//! it would cost as much as half of the notifications.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use money::UserId;

use super::notices::Notice;

/// The time for which allowances are.
const MINUTE: Duration = Duration::from_mins(1);
/// Mails of a meter that are in the first lane.
const FIRST_LANE: u32 = 10;
/// How much more than one user may cause a mailbox takes, from all of them together.
const MAILBOX_TIMES: u32 = 10;
/// Mailboxes that are remembered before those are forgotten that the clock has caught up with.
const MAX_MAILBOXES: usize = 100_000;
/// Lanes, in the order in which they are mailed.
pub const LANES: usize = 3;
/// What each lower lane has of a batch, so that none waits for ever: one part in so many.
const SHARE: usize = 10;

/// Whose mails are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Those that a user's actions cause, to whomever they go.
    Caused(UserId),
    /// Those that warn a user of what became of its account: whoever took it over cannot delay them by causing others.
    Warnings(UserId),
    /// Those that tell a user that money went out of its account: many small debits delay other debits alone.
    Debits(UserId),
    /// Those that others cause to be sent to a user.
    Mailbox(UserId),
}

impl Meter {
    /// The meter that alone decides when a notice may be mailed.
    pub fn of(notice: &Notice) -> Option<Self> {
        match (&notice.address, notice.caused_by) {
            (Some(_), _) if notice.of_debit => Some(Self::Debits(notice.user_id)),
            (Some(_), _) => Some(Self::Warnings(notice.user_id)),
            (None, cause) => cause.map(Self::Caused),
        }
    }

    /// The meter of the mailbox, where somebody else fills it.
    pub fn of_mailbox(notice: &Notice) -> Option<Self> {
        let is_of_others = notice.address.is_none() && notice.caused_by != Some(notice.user_id);
        is_of_others.then_some(Self::Mailbox(notice.user_id))
    }

    /// The meter of `user` that the database knows by this name, if there is such a one.
    pub fn named(name: &str, user: UserId) -> Option<Self> {
        [Self::Caused(user), Self::Warnings(user), Self::Debits(user)]
            .into_iter()
            .find(|meter| meter.name() == Some(name))
    }

    /// The name by which the database knows it, if it does.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Caused(_) => Some("caused"),
            Self::Warnings(_) => Some("warnings"),
            Self::Debits(_) => Some("debits"),
            Self::Mailbox(_) => None,
        }
    }

    /// Whose it is.
    pub fn user(self) -> UserId {
        match self {
            Self::Caused(user) | Self::Warnings(user) | Self::Debits(user) | Self::Mailbox(user) => user,
        }
    }
}

/// When a notification is mailed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// The lane, from 0 on.
    pub lane: usize,
    /// How long it is not to be mailed yet.
    pub delay: Duration,
}

impl Place {
    /// The later of two places.
    #[must_use]
    pub fn or_later(self, other: Self) -> Self {
        Self { lane: self.lane.max(other.lane), delay: self.delay.max(other.delay) }
    }
}

/// How many mails a minute one user's actions may cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance(pub NonZeroU32);

impl Allowance {
    /// How far one mail moves a meter on.
    pub fn share(self, meter: Meter) -> Duration {
        let times = if matches!(meter, Meter::Mailbox(_)) { MAILBOX_TIMES } else { 1 };
        MINUTE / self.0.get().saturating_mul(times)
    }

    /// The place of a mail that has moved `meter` to `ahead` of the clock.
    fn place(self, meter: Meter, ahead: Duration) -> Place {
        let delay = ahead.saturating_sub(MINUTE);
        let share = self.share(meter);
        let passed =
            [share * FIRST_LANE, share * self.0.get(), MINUTE].into_iter().filter(|most| ahead > *most).count();
        Place { lane: passed.min(LANES - 1), delay }
    }

    /// Moves `meter` on by one mail and returns that mail's place.
    fn next(self, meter: Meter, meters: &mut Meters) -> Place {
        let ahead = meters.ahead.entry(meter).or_default();
        *ahead += self.share(meter);
        *meters.mails.entry(meter).or_default() += 1;
        self.place(meter, *ahead)
    }

    /// The place of the next notice. What is delayed anyway fills no mailbox yet: nobody can close another's by causing more
    /// than it may.
    pub fn place_of(self, notice: &Notice, meters: &mut Meters) -> Place {
        let place = Meter::of(notice).map_or_else(Place::default, |meter| self.next(meter, meters));
        match Meter::of_mailbox(notice) {
            Some(mailbox) if place.delay.is_zero() => place.or_later(self.next(mailbox, meters)),
            _ => place,
        }
    }

    /// How long `user` has to wait before it may cause one more mail at once, if it has to.
    pub fn wait(self, user: UserId, meters: &mut Meters) -> Option<Duration> {
        let wait = self.next(Meter::Caused(user), meters).delay;
        (!wait.is_zero()).then_some(wait)
    }
}

/// How much of late, and where this is known.
#[derive(Clone, Default)]
pub struct Fairness {
    /// `MAIL_USER_RATE`; without it nothing is counted.
    pub allowance: Option<Allowance>,
    mailboxes: Arc<Mutex<HashMap<UserId, Instant>>>,
}

impl Fairness {
    /// With this allowance, and no mail so far.
    pub fn new(allowance: Option<Allowance>) -> Self {
        Self { allowance, ..Self::default() }
    }

    /// How far the mailboxes that `notices` go to are ahead.
    pub fn mailboxes(&self, notices: &[&Notice]) -> HashMap<Meter, Duration> {
        let (now, mailboxes) = (Instant::now(), self.mailboxes.lock().expect("the lock is never poisoned"));
        let meters = notices.iter().filter_map(|notice| Meter::of_mailbox(notice));
        let ahead = |meter: Meter| Some((meter, mailboxes.get(&meter.user())?.saturating_duration_since(now)));
        meters.filter_map(ahead).collect()
    }

    /// Remembers what has been stored.
    pub fn remember(&self, meters: &Meters) {
        let Some(allowance) = self.allowance else { return };
        let (now, mut mailboxes) = (Instant::now(), self.mailboxes.lock().expect("the lock is never poisoned"));
        for (meter, mails) in &meters.mails {
            if let Meter::Mailbox(user) = *meter {
                let until = mailboxes.entry(user).or_insert(now);
                *until = (*until).max(now) + allowance.share(*meter) * *mails;
            }
        }
        if mailboxes.len() > MAX_MAILBOXES {
            mailboxes.retain(|_, until| *until > now);
        }
    }
}

/// Meters as they are, and what moves them.
#[derive(Debug, Default)]
pub struct Meters {
    /// How far each is ahead of the clock.
    pub ahead: HashMap<Meter, Duration>,
    /// How many mails have moved each, in an order in which all lock them.
    pub mails: BTreeMap<Meter, u32>,
}

/// Those of `due` that are among the first `each` of their recipients, who have `taken` so many already.
pub fn within<T>(
    due: impl IntoIterator<Item = (T, UserId)>,
    each: usize,
    taken: &mut HashMap<UserId, usize>,
) -> Vec<(T, UserId)> {
    let may_go = |(_, user): &(T, UserId)| {
        let count = taken.entry(*user).or_default();
        *count += 1;
        *count <= each
    };
    due.into_iter().filter(may_go).collect()
}

/// Chooses at most `limit` of what is due lane by lane, at most `each` for one recipient together with those that are
/// `under_way`. Each lower lane has a share.
pub fn choose<T: Copy>(
    due: [Vec<(T, UserId)>; LANES],
    limit: usize,
    each: usize,
    under_way: &HashMap<UserId, usize>,
) -> Vec<(T, UserId)> {
    let mut taken = under_way.clone();
    let due = due.map(|lane| within(lane, each, &mut taken));
    let mut chosen = Vec::new();
    for (n, lane) in due.iter().enumerate() {
        let for_others: usize = due[n + 1..].iter().map(|later| later.len().min(limit / SHARE)).sum();
        let room = limit.saturating_sub(chosen.len() + for_others);
        chosen.extend(lane.iter().take(room));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: i64) -> UserId {
        n.try_into().unwrap()
    }

    fn allowance(n: u32) -> Allowance {
        Allowance(NonZeroU32::new(n).unwrap())
    }

    fn notice(recipient: i64) -> Notice {
        Notice::new("1".into(), user(recipient), "Hello".into())
    }

    #[test]
    fn the_first_mails_go_first_more_go_later_and_what_is_beyond_the_allowance_goes_at_its_pace() {
        let mut meters = Meters::default();
        let expected = |n: u64| match n {
            1..=10 => Place { lane: 0, delay: Duration::ZERO },
            11..=60 => Place { lane: 1, delay: Duration::ZERO },
            _ => Place { lane: 2, delay: Duration::from_secs(n - 60) },
        };
        for n in 1..=63 {
            assert_eq!(allowance(60).place_of(&notice(7).caused_by(user(7)), &mut meters), expected(n), "number {n}");
        }
        assert_eq!(meters.mails, BTreeMap::from([(Meter::Caused(user(7)), 63)]));
        // to whomever they go; and nobody else waits for them
        assert_eq!(allowance(60).place_of(&notice(8).caused_by(user(7)), &mut meters), expected(64));
        assert_eq!(allowance(60).place_of(&notice(7).caused_by(user(9)), &mut meters), Place::default());
        assert_eq!(meters.mails.get(&Meter::Mailbox(user(8))), None, "what is delayed fills no mailbox");
    }

    #[test]
    fn a_mailbox_takes_ten_times_as_much_before_it_delays_anything() {
        let mut meters = Meters::default();
        let places: Vec<Place> = (0..602).map(|_| allowance(60).place_of(&notice(7), &mut meters)).collect();
        let lanes = [9, 10, 59, 60, 601].map(|n: usize| places[n].lane);
        assert_eq!(lanes, [0, 1, 1, 2, 2]);
        let delays = [599, 600, 601].map(|n: usize| places[n].delay.as_millis());
        assert_eq!(delays, [0, 100, 200]);
    }

    #[test]
    fn a_small_allowance_is_kept_too() {
        let mut meters = Meters::default();
        let places = [(); 2].map(|()| allowance(1).place_of(&notice(7).caused_by(user(7)), &mut meters));
        assert_eq!(places, [Place::default(), Place { lane: 2, delay: MINUTE }]);
        assert_eq!(allowance(1).wait(user(7), &mut meters), Some(2 * MINUTE));
        assert_eq!(allowance(1).wait(user(8), &mut meters), None);
    }

    #[test]
    fn who_causes_a_mail_whom_it_warns_and_whose_mailbox_it_fills() {
        let notice = || notice(1);
        let meters = |notice: &Notice| (Meter::of(notice), Meter::of_mailbox(notice));
        assert_eq!(meters(&notice()), (None, Some(Meter::Mailbox(user(1)))));
        assert_eq!(meters(&notice().caused_by(user(1))), (Some(Meter::Caused(user(1))), None));
        assert_eq!(meters(&notice().caused_by(user(2))), (Some(Meter::Caused(user(2))), Some(Meter::Mailbox(user(1)))));
        let warning = Notice { address: Some("a@example.com".into()), ..notice().caused_by(user(1)) };
        assert_eq!(meters(&warning), (Some(Meter::Warnings(user(1))), None));
        let debit = Notice { of_debit: true, ..warning };
        assert_eq!(meters(&debit), (Some(Meter::Debits(user(1))), None));
        for meter in [Meter::Caused(user(1)), Meter::Warnings(user(1)), Meter::Debits(user(1))] {
            assert_eq!(meter.name().and_then(|name| Meter::named(name, user(1))), Some(meter));
        }
    }

    #[test]
    fn a_mailbox_is_remembered_until_the_clock_has_caught_up() {
        let fairness = Fairness::new(Some(allowance(60)));
        let (mail, own) = (notice(1).caused_by(user(2)), notice(1).caused_by(user(1)));
        let (mailbox, share) = (Meter::Mailbox(user(1)), Duration::from_millis(100));
        assert_eq!(fairness.mailboxes(&[&mail]), HashMap::new());
        for n in 1..=2 {
            let mails = BTreeMap::from([(mailbox, 30), (Meter::Caused(user(2)), 30)]);
            fairness.remember(&Meters { mails, ..Meters::default() });
            let ahead = fairness.mailboxes(&[&mail, &own])[&mailbox];
            assert!(ahead <= 30 * n * share && ahead + Duration::from_secs(2) > 30 * n * share, "{ahead:?}");
        }
        assert_eq!(fairness.mailboxes(&[&own]), HashMap::new(), "what a user causes itself is counted elsewhere");
    }

    /// Numbers of one user each, beginning with `from`.
    fn lane(from: i64, count: i64) -> Vec<(i64, UserId)> {
        (from..from + count).map(|n| (n, user(n))).collect()
    }

    #[test]
    fn the_first_lane_goes_first_and_the_others_keep_a_share() {
        let none = HashMap::new();
        let chosen = |due, limit| choose(due, limit, usize::MAX, &none).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
        let full = chosen([lane(1, 30), lane(101, 30), lane(201, 30)], 20);
        assert_eq!(full, [(1..=16).collect::<Vec<_>>(), vec![101, 102, 201, 202]].concat());
        assert_eq!(chosen([lane(1, 1), lane(101, 1), lane(201, 30)], 5), [1, 101, 201, 202, 203]);
        assert_eq!(chosen([lane(1, 30), lane(101, 30), Vec::new()], 3), [1, 2, 3]);
        assert_eq!(chosen([Vec::new(), Vec::new(), lane(201, 30)], 2), [201, 202]);
    }

    #[test]
    fn no_recipient_has_more_than_its_part() {
        let due = || {
            [vec![(1, user(1)), (2, user(1)), (3, user(1)), (4, user(2))], vec![(5, user(2)), (6, user(2))], Vec::new()]
        };
        let chosen =
            |under_way: &HashMap<_, _>| choose(due(), 10, 2, under_way).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
        assert_eq!(chosen(&HashMap::new()), [1, 2, 4, 5]);
        assert_eq!(chosen(&HashMap::from([(user(1), 2), (user(2), 1)])), [4]);
    }
}
