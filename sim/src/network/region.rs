//! Where machines are, and how long light and routers take between there.

use core::time::Duration;

/// A part of the world. Between two of them a datagram takes what it takes
/// between large data centres there, one way: half of the round-trip times that
/// cloud providers publish, rounded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Region {
    /// North America, east.
    #[default]
    NorthAmericaEast,
    /// North America, west.
    NorthAmericaWest,
    /// Europe.
    Europe,
    /// East Asia.
    Asia,
    /// South America.
    SouthAmerica,
    /// Oceania.
    Oceania,
    /// One machine, over loopback: for a world to be held against real sockets.
    /// It is never drawn, and to everywhere else it is as
    /// [`NorthAmericaEast`](Self::NorthAmericaEast).
    Loopback,
}

impl Region {
    /// All on earth: [`Loopback`](Self::Loopback) is nowhere.
    pub const ALL: [Self; 6] = [
        Self::NorthAmericaEast,
        Self::NorthAmericaWest,
        Self::Europe,
        Self::Asia,
        Self::SouthAmerica,
        Self::Oceania,
    ];

    const fn index(self) -> usize {
        match self {
            Self::NorthAmericaEast | Self::Loopback => 0,
            Self::NorthAmericaWest => 1,
            Self::Europe => 2,
            Self::Asia => 3,
            Self::SouthAmerica => 4,
            Self::Oceania => 5,
        }
    }

    /// How long a datagram takes from here to there when nothing holds it up.
    pub const fn latency(self, to: Self) -> Duration {
        if matches!((self, to), (Self::Loopback, Self::Loopback)) {
            return LOOPBACK;
        }
        Duration::from_millis(MILLIS[self.index()][to.index()])
    }
}

/// From one process through the kernel to another that waits for it.
const LOOPBACK: Duration = Duration::from_micros(50);

const MILLIS: [[u64; 6]; 6] = [
    [8, 32, 42, 85, 58, 100],
    [32, 8, 68, 60, 88, 70],
    [42, 68, 10, 110, 95, 135],
    [85, 60, 110, 20, 140, 60],
    [58, 88, 95, 140, 15, 155],
    [100, 70, 135, 60, 155, 10],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_is_as_long_and_home_is_nearest() {
        for from in Region::ALL {
            for to in Region::ALL {
                assert_eq!(from.latency(to), to.latency(from));
                assert!(from.latency(from) <= from.latency(to));
            }
        }
    }
}
