//! What links do to what passes through them.

use core::time::Duration;

use devp2p_core::entropy::Rng;

use super::{coin, millis, one};
use crate::draw::Millionths;
use crate::network::quality::Quality;

/// Every field of [`Quality`], set to something that is drawn.
const FIELDS: [fn(&mut Rng, &mut Quality); 21] = [
    |rng, link| link.loss = part(rng, 2, 40),
    |rng, link| link.burst_loss = part(rng, 1, 5),
    |rng, link| link.delay = millis(rng, 10, 1000),
    |rng, link| link.jitter = millis(rng, 5, 500),
    |rng, link| link.reorder = part(rng, 1, 50),
    |rng, link| link.duplicate = part(rng, 1, 50),
    |rng, link| link.replay = part(rng, 1, 30),
    |rng, link| link.corrupt = part(rng, 1, 30),
    |rng, link| link.truncate = part(rng, 1, 30),
    |rng, link| link.mtu = one(rng, &[576, 1000, 1200, 1280], 1280),
    |_, link| link.icmp = true,
    |_, link| link.send_buffer_full = true,
    |_, link| link.clogged = true,
    |rng, link| link.refuse = part(rng, 5, 100),
    |rng, link| link.unanswered = part(rng, 5, 100),
    |rng, link| link.reset = part(rng, 1, 100) / 20,
    |rng, link| link.fin = part(rng, 1, 100) / 20,
    |rng, link| link.segment = one(rng, &[1, 2, 7, 100, 536], 1),
    |_, link| link.merge = true,
    |_, link| link.stall = true,
    |rng, link| link.bandwidth = (2 + u64::from(rng.below(200))) * 1000,
];

/// So many hundredths.
fn part(rng: &mut Rng, least: u32, most: u32) -> Millionths {
    (least + rng.below(most - least + 1)) * 10_000
}

/// Which of them this world has: about half.
pub(super) fn which(rng: &mut Rng) -> Vec<usize> {
    (0..FIELDS.len()).filter(|_| coin(rng)).collect()
}

/// A link that is bad in one to three of these ways. Perfect if there are none.
pub(super) fn bad(rng: &mut Rng, ways: &[usize]) -> Quality {
    let mut link = Quality::PERFECT;
    for _ in 0..=rng.below(3) {
        if let Some(set) = FIELDS.get(one(rng, ways, usize::MAX)) {
            set(rng, &mut link);
        }
    }
    link
}

/// The longest that a link does nothing at all: a connection that stood still for
/// longer has ended anyway, and what comes after that is worth more.
pub(super) const DEAD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use devp2p_core::entropy::Seed;

    use super::*;

    #[test]
    fn every_way_makes_a_link_worse_and_each_in_another_field() {
        let rng = &mut Seed::from_number(1).jitter();
        let mut seen = Vec::new();
        for set in FIELDS {
            let mut link = Quality::PERFECT;
            set(rng, &mut link);
            let perfect = format!("{:#?}", Quality::PERFECT);
            let (now, perfect) = (format!("{link:#?}"), perfect.lines().collect::<Vec<_>>());
            let changed: Vec<_> = (0..perfect.len())
                .filter(|line| now.lines().nth(*line) != Some(perfect[*line]))
                .collect();
            assert_eq!(changed.len(), 1, "{link:?}");
            seen.push(changed[0]);
        }
        // The first line and the last are braces: no field is left out.
        assert_eq!(
            seen,
            (1..format!("{:#?}", Quality::PERFECT).lines().count() - 1).collect::<Vec<_>>()
        );
    }
}
