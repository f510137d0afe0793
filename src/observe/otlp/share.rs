//! Which traces are told of.

use std::str::FromStr;

/// The share of traces that are told of, from 0 to 1. It is the trace's id that decides, as OpenTelemetry's own samplers have
/// it: by its last seven bytes, so that all gateways with one share decide alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The least that the last bytes of a trace's id may be.
    least: u64,
}

/// One more than what seven bytes can be.
const WHOLE: u64 = 1 << 56;

impl Share {
    /// All traces.
    pub const ALL: Self = Self { least: 0 };

    /// Whether a trace is told of.
    #[must_use]
    pub fn has(self, trace: u128) -> bool {
        let last = u64::try_from(trace % u128::from(WHOLE)).unwrap_or(0);
        last >= self.least
    }
}

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share = text.trim().parse().ok();
        let share = share.filter(|share: &f64| (0.0..=1.0).contains(share));
        let share = share.ok_or("give a share from 0 to 1, such as 0.05")?;
        Ok(Self {
            least: ((1.0 - share) * WHOLE as f64) as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_has_its_part_of_all_ids_and_the_same_ones_every_time() {
        for (text, expected) in [("0", 0), ("0.25", 250), ("0.5", 500), ("1", 1_000)] {
            let share: Share = text.parse().expect(text);
            let step = u128::from(WHOLE / 1_000 + 1);
            let count = (0..1_000).filter(|it| share.has((7 << 64) + it * step));
            assert_eq!(count.count(), expected, "{text}");
        }
        assert_eq!("1.0".parse(), Ok(Share::ALL));
        assert!(Share::ALL.has(0) && Share::ALL.has(u128::MAX));
        let none: Share = "0".parse().expect("a share");
        assert!(!none.has(0) && !none.has(u128::MAX));
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for wrong in ["", "1.1", "-0.1", "NaN", "5%", "all"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
