//! How often a user may write.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    time::{Duration, Instant},
};

/// Users that are remembered. A user is forgotten, too, when their writes are a minute old.
const USERS_MAX: usize = 16 * 1024;

const MINUTE: Duration = Duration::from_mins(1);

/// Counts writes by user. A user may write as often as the limit at once, and then again as fast as
/// the limit spreads writes over a minute (the generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct Rate {
    /// What a write takes of the minute.
    share: Duration,
    /// When the user would have no write left to account for.
    clear: HashMap<u64, Instant>,
}

impl Rate {
    /// Allows every user so many writes a minute.
    pub fn new(writes_per_minute: NonZeroU32) -> Self {
        Self {
            share: MINUTE / writes_per_minute.get(),
            clear: HashMap::new(),
        }
    }

    /// Counts one write of this user, or says in how many seconds they may write again.
    pub fn count(&mut self, user: u64, now: Instant) -> Result<(), u64> {
        let clear = self.clear.get(&user).copied().unwrap_or(now).max(now) + self.share;
        let ahead = clear.duration_since(now);
        // The shares of a full minute may sum up to a little less, since each is rounded down.
        if let Some(wait) = ahead.checked_sub(MINUTE).filter(|wait| !wait.is_zero()) {
            return Err(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        }
        if self.clear.len() >= USERS_MAX && !self.clear.contains_key(&user) {
            self.forget(now);
        }
        self.clear.insert(user, clear);
        Ok(())
    }

    /// Forgets users without a recent write. Where there are still too many, the half that has
    /// written least is forgotten, too.
    fn forget(&mut self, now: Instant) {
        self.clear.retain(|_, clear| *clear > now);
        if self.clear.len() > USERS_MAX / 2 {
            let mut all: Vec<_> = self.clear.values().copied().collect();
            let middle = all.len() / 2;
            let (_, median, _) = all.select_nth_unstable(middle);
            let median = *median;
            self.clear.retain(|_, clear| *clear > median);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(writes_per_minute: u32) -> Rate {
        Rate::new(NonZeroU32::new(writes_per_minute).unwrap())
    }

    #[test]
    fn a_user_writes_as_often_as_the_limit_and_then_again_bit_by_bit() {
        for limit in [1, 7, 60, 1000] {
            let (mut rate, now) = (rate(limit), Instant::now());
            for _ in 0..limit {
                assert_eq!(rate.count(3, now), Ok(()));
            }
            let wait = rate.count(3, now).unwrap_err();
            assert_eq!(wait, u64::from(60_u32.div_ceil(limit)), "{limit}");
            assert_eq!(rate.count(4, now), Ok(()), "another user");
            let later = now + Duration::from_secs(wait);
            assert_eq!(rate.count(3, later), Ok(()));
            let much_later = now + 3 * MINUTE;
            for _ in 0..limit {
                assert_eq!(rate.count(3, much_later), Ok(()));
            }
            assert!(rate.count(3, much_later).is_err());
        }
    }

    #[test]
    fn a_bounded_number_of_users_is_remembered_those_who_write_most_longest() {
        let (mut rate, now) = (rate(2), Instant::now());
        let users = USERS_MAX as u64;
        for user in (0..3 * users).chain(0..users) {
            let _ = rate.count(u64::MAX, now);
            assert_eq!(rate.count(user, now), Ok(()));
            assert!(rate.clear.len() <= USERS_MAX);
        }
        assert!(rate.count(u64::MAX, now).is_err(), "it was forgotten");
        rate.forget(now + 2 * MINUTE);
        assert!(rate.clear.is_empty());
    }
}
