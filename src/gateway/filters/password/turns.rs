//! Whose password is checked next, when more are to be checked than can be at once.
//!
//! # Design notes
//!
//! A guess costs an attacker nothing, and a check tens of milliseconds of a processor. So each client waits behind its own
//! guesses: next is the client that had the fewest turns of late, and of those with the same number who came first. Somebody
//! who signs in waits for the check that is under way and no other, whatever one attacker sends. A turn that ends with the
//! right password does not count, so that many people behind one address are no attacker.
//!
//! Few wait in all, and fewer of each client. Where the line is full, the last of the client with the most turns makes room
//! for one with fewer. Guesses from many addresses are many clients; against them only the bounds stand, and that what was
//! right is remembered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::core::request::origin::Origin;

/// How many may wait.
const WAITING: usize = 64;

/// How many of one client may. A browser asks for six things at once, each with the same password.
pub(super) const WAITING_OF_A_CLIENT: usize = 8;

/// How long anybody waits. Longer than a full line of usual hashes takes on one processor.
const PATIENCE: Duration = Duration::from_secs(10);

/// After this time without a turn, a client's turns are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// How many clients' turns are known.
const KNOWN: usize = 4_096;

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many wait.
    All,
    /// Too many of this client do.
    Client,
}

/// Gives turns. Locked for passwords that are not remembered only, each of which costs far more.
pub(super) struct Turns {
    line: Mutex<Line>,
}

struct Line {
    /// How many more may be checked at once.
    free: usize,
    next: u64,
    waiting: Vec<Waiting>,
    turns: HashMap<Origin, (u32, Instant)>,
}

struct Waiting {
    number: u64,
    client: Origin,
    give: oneshot::Sender<Turn>,
}

/// The right to have a password checked now; the next has it when it is dropped.
pub(super) struct Turn {
    turns: Arc<Turns>,
    client: Origin,
}

impl Turns {
    /// Checks this number at once.
    pub(super) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self {
            line: Mutex::new(Line {
                free: at_once,
                next: 0,
                waiting: Vec::new(),
                turns: HashMap::new(),
            }),
        })
    }

    /// A turn for a client, when it comes.
    pub(super) async fn take(self: &Arc<Self>, client: Origin) -> Result<Turn, Full> {
        let given = self.join(client)?;
        self.give();
        match timeout(PATIENCE, given).await {
            Ok(Ok(turn)) => Ok(turn),
            // Somebody with fewer turns needed the place, or it took too long.
            Ok(Err(_)) | Err(_) => Err(Full::All),
        }
    }

    fn join(&self, client: Origin) -> Result<oneshot::Receiver<Turn>, Full> {
        let mut line = self.line();
        line.waiting.retain(|waiting| !waiting.give.is_closed());
        let own = line.waiting.iter().filter(|it| it.client == client).count();
        if own >= WAITING_OF_A_CLIENT {
            return Err(Full::Client);
        }
        if line.waiting.len() >= WAITING && !line.make_room(client) {
            return Err(Full::All);
        }

        let (give, given) = oneshot::channel();
        let number = line.next;
        line.next += 1;
        line.waiting.push(Waiting {
            number,
            client,
            give,
        });
        Ok(given)
    }

    /// Gives what turns there are.
    fn give(self: &Arc<Self>) {
        // Dropped after the lock: a turn that is not taken is given to the next.
        let mut refused = Vec::new();
        let mut line = self.line();
        while line.free > 0
            && let Some(next) = line.next()
        {
            line.free -= 1;
            line.count(next.client);
            let turn = Turn {
                turns: self.clone(),
                client: next.client,
            };
            refused.extend(next.give.send(turn).err());
        }
        drop(line);
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line
            .lock()
            .expect("nothing panics while it holds the line")
    }
}

impl Line {
    /// Takes out who is next.
    fn next(&mut self) -> Option<Waiting> {
        let order = |waiting: &Waiting| (self.turns(waiting.client), waiting.number);
        let all = self.waiting.iter().enumerate();
        let (at, _) = all.min_by_key(|(_, waiting)| order(waiting))?;
        Some(self.waiting.remove(at))
    }

    /// Turns one away who had more turns than this client; false where there is none.
    fn make_room(&mut self, client: Origin) -> bool {
        let order = |waiting: &Waiting| (self.turns(waiting.client), waiting.number);
        let all = self.waiting.iter().enumerate();
        let last = all.max_by_key(|(_, waiting)| order(waiting));
        let last = last.filter(|(_, it)| self.turns(it.client) > self.turns(client));
        let at = last.map(|(at, _)| at);
        at.map(|at| self.waiting.remove(at)).is_some()
    }

    /// How many turns a client had of late.
    fn turns(&self, client: Origin) -> u32 {
        let known = self.turns.get(&client);
        known.map_or(0, |(count, last)| match last.elapsed() < FORGOTTEN {
            true => *count,
            false => 0,
        })
    }

    fn count(&mut self, client: Origin) {
        let count = self.turns(client).saturating_add(1);
        if self.turns.len() >= KNOWN {
            self.turns.retain(|_, (_, last)| last.elapsed() < FORGOTTEN);
        }
        // As many clients in a minute are all new again.
        if self.turns.len() >= KNOWN {
            self.turns.clear();
        }
        self.turns.insert(client, (count, Instant::now()));
    }
}

impl Turn {
    /// The password was right: the turn does not count.
    pub(super) fn was_right(&self) {
        if let Some((count, _)) = self.turns.line().turns.get_mut(&self.client) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.line().free += 1;
        self.turns.give();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use futures_util::FutureExt as _;

    use super::*;

    fn client(number: u16) -> Origin {
        let [high, low] = number.to_be_bytes();
        IpAddr::from([10, 0, high, low]).into()
    }

    #[tokio::test(start_paused = true)]
    async fn who_had_the_fewest_turns_is_next() {
        let turns = Turns::new(1);
        let attacker = client(1);
        let mut under_way = turns.take(attacker).await.expect("the line is empty");
        let mut guesses: Vec<_> = (0..WAITING_OF_A_CLIENT)
            .map(|_| Box::pin(turns.take(attacker)))
            .collect();
        for guess in &mut guesses {
            assert!(guess.as_mut().now_or_never().is_none());
        }
        let more = turns.take(attacker).await;
        assert_eq!(more.err(), Some(Full::Client));

        for number in 2..5 {
            let mut user = Box::pin(turns.take(client(number)));
            assert!(user.as_mut().now_or_never().is_none());
            drop(under_way);
            under_way = user.now_or_never().expect("it is next").expect("a turn");
        }
        // One that was wrong counts, one that was right does not.
        let mut right = Box::pin(turns.take(client(3)));
        let mut wrong = Box::pin(turns.take(client(2)));
        assert!(wrong.as_mut().now_or_never().is_none());
        assert!(right.as_mut().now_or_never().is_none());
        under_way.was_right();
        let mut again = Box::pin(turns.take(client(4)));
        assert!(again.as_mut().now_or_never().is_none());
        drop(under_way);
        let under_way = again.now_or_never().expect("it is next").expect("a turn");
        drop((guesses, right));
        drop(under_way);
        assert!(wrong.now_or_never().expect("it is next").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_line_makes_room_for_those_with_fewer_turns() {
        let turns = Turns::new(1);
        let under_way = turns.take(client(1)).await.expect("the line is empty");
        let mut guess = Box::pin(turns.take(client(1)));
        assert!(guess.as_mut().now_or_never().is_none());
        let mut others: Vec<_> = (2..65).map(|it| Box::pin(turns.take(client(it)))).collect();
        for other in &mut others {
            assert!(other.as_mut().now_or_never().is_none());
        }
        let mut user = Box::pin(turns.take(client(100)));
        assert!(user.as_mut().now_or_never().is_none());
        let refused = guess.now_or_never().expect("it made room");
        assert_eq!(refused.err(), Some(Full::All));
        // Of those that are left none had more.
        let late = turns.take(client(101)).await;
        assert_eq!(late.err(), Some(Full::All));

        let waited = Instant::now();
        assert_eq!(user.await.err(), Some(Full::All));
        assert_eq!(waited.elapsed(), PATIENCE);
        drop((others, under_way));
        assert!(turns.take(client(1)).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_forgotten_after_a_minute() {
        let turns = Turns::new(1);
        for number in 0..=u16::try_from(KNOWN).expect("a small number") {
            drop(turns.take(client(number)).await);
        }
        assert!(turns.line().turns.len() <= KNOWN);
        drop(turns.take(client(1)).await);
        assert_eq!(turns.line().turns(client(1)), 1);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(turns.line().turns(client(1)), 0);
    }
}
