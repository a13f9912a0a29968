//! Reminders of certificates that are about to end: raised on chain 30, 7 and 1 days before, each once.
//!
//! Nobody's transactions pay for them and no block looks for them: any enrolled account brings the accounts whose time
//! has come, and the chain judges by block time. What was raised is kept beside the end that it was raised for, so that
//! a renewal or another key begins anew without touching it.

use std::collections::BTreeSet;

use alloy_sol_types::SolEvent as _;
use concordat_types::{Address, ReadError};

use super::{
    ActError, RegistryError,
    abi::IIdentityRegistry as abi,
    membership::Act,
    records::{Record as _, Reminder},
    tables,
};
use crate::{
    standing::{Action, Backing, Enrolled, STANDING_ROWS, decide_sender},
    system::{Effects, Rows},
};

/// The most accounts of one call.
pub(super) const MAX_ACCOUNTS: usize = 100;

/// Rows that an account takes: how it stands, and what it was reminded of.
pub(super) const REMINDER_ROWS: usize = STANDING_ROWS + 1;

/// How many days before the end a reminder is raised, the last one first.
const STEPS: [u64; 3] = [1, 7, 30];

const DAY_SECS: u64 = 86_400;

/// How an account's certificate stands towards its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Renewal {
    /// The last second at which it is valid, Unix seconds.
    pub(super) not_after: u64,
    /// The reminder that was raised last for this end, in days before it; zero: none.
    pub(super) reminded: u64,
    /// The reminder that can be raised now.
    pub(super) due: Option<u64>,
}

/// Decides which of these accounts are reminded: those whose next step has come. The caller has checked how many there
/// are.
pub(super) fn decide_reminders(
    rows: &mut impl Rows,
    act: Act,
    accounts: &[Address],
) -> Result<Effects, ActError> {
    let mut effects = Effects::default();
    for account in accounts.iter().copied().collect::<BTreeSet<Address>>() {
        let Renewal { not_after, due, .. } = renewal(rows, act, account)?;
        let Some(days) = due else { continue };
        let reminder = Reminder { not_after, days };
        effects.writes.push((tables::reminder_key(account), Some(reminder.to_row())));
        let log =
            abi::RenewalDue { account, notAfter: not_after, daysLeft: days_left(not_after, act.time_secs) };
        effects.logs.push(log.encode_log_data());
    }
    if effects.writes.is_empty() { Err(RegistryError::NothingDue.into()) } else { Ok(effects) }
}

/// How an enrolled account stands. Who could not renew is not reminded: the step stays open until it can.
pub(super) fn renewal(rows: &mut impl Rows, act: Act, account: Address) -> Result<Renewal, ActError> {
    let enrolled = Enrolled::read(rows, account, Backing::read)?;
    let standing = enrolled.ok_or(RegistryError::NotEnrolled { account })?.standing;
    let not_after = standing.not_after;
    let reminded = reminded(rows, account, not_after)?;
    let able = decide_sender(&standing, act.height, act.time_secs, Action::Renew).is_ok();
    let due = step(not_after, act.time_secs).filter(|days| able && (reminded == 0 || *days < reminded));
    Ok(Renewal { not_after, reminded, due })
}

/// The reminder that was raised last for this end of validity.
fn reminded(rows: &mut impl Rows, account: Address, not_after: u64) -> Result<u64, ReadError> {
    let last = tables::reminder(rows, account)?.filter(|last| last.not_after == not_after);
    Ok(last.map_or(0, |last| last.days))
}

/// The step in which this time lies: none while more than 30 days are left, and none after the end.
fn step(not_after: u64, now: u64) -> Option<u64> {
    let left = not_after.checked_sub(now)?;
    STEPS.into_iter().find(|days| left <= days.saturating_mul(DAY_SECS))
}

/// Whole days until the end, a part of one counted as one.
const fn days_left(not_after: u64, now: u64) -> u64 {
    not_after.saturating_sub(now).div_ceil(DAY_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_begins_with_its_last_second_and_ends_with_validity() {
        let end = 100 * DAY_SECS;
        let steps = [
            (30 * DAY_SECS + 1, None),
            (30 * DAY_SECS, Some(30)),
            (7 * DAY_SECS + 1, Some(30)),
            (7 * DAY_SECS, Some(7)),
            (DAY_SECS + 1, Some(7)),
            (DAY_SECS, Some(1)),
            (0, Some(1)),
        ];
        for (left, expected) in steps {
            assert_eq!(step(end, end - left), expected, "{left} seconds before the end");
        }
        assert_eq!(step(end, end + 1), None, "what has ended is not about to end");
        assert_eq!(step(u64::MAX, 0), None);
    }

    #[test]
    fn a_part_of_a_day_is_a_day() {
        let days = [0, 1, DAY_SECS, DAY_SECS + 1].map(|left| days_left(left, 0));
        assert_eq!(days, [0, 1, 1, 2]);
        assert_eq!(days_left(0, 1), 0);
    }
}
