//! Connections on which nothing happens cost nothing but memory.

use core::time::Duration;
use std::time::Instant;

use devp2p_core::limits;

use super::Runtime;
use super::rig::Rig;

pub fn idle_connections_wake_nobody<R: Runtime>() {
    const PEERS: usize = 100;
    /// In which no task is polled. Far shorter than the time between pings.
    const QUIET: Duration = Duration::from_secs(2);
    Rig::<R>::run(async |rig| {
        let node = rig.echo_node();
        let mut peers = Vec::new();
        for _ in 0..PEERS {
            let dialler = rig.echo_node();
            let begun = Instant::now();
            peers.push((rig.connect(&dialler, &node).await, dialler, begun));
        }
        let quiet = async {
            loop {
                let before = rig.runtime.polls();
                rig.runtime.sleep(QUIET).await;
                if rig.runtime.polls() == before {
                    break;
                }
            }
        };
        assert!(rig.runtime.polls() > PEERS as u64, "polls are not counted");
        rig.within("quiet", quiet).await;
        // None was so long idle that it had to ping, or the quiet proves little.
        let longest = peers.iter().map(|peer| peer.2.elapsed()).max();
        assert!(longest < Some(limits::PING_INTERVAL), "{longest:?}");
        assert!(peers.iter().all(|((near, far), ..)| near.end().is_none() && far.end().is_none()));
    });
}
