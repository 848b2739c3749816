//! `devp2p devnet`: a network of real nodes on loopback, one of them the bootnode,
//! which find each other, connect, and talk.
//!
//! It has come out well when every node knows and is connected to its share of
//! the others, and every echo has come back as it was sent.

mod echo;
mod member;
mod progress;
mod report;

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use devp2p_smol::core::entropy::SeedChain;
use devp2p_smol::core::identity::{Contact, NodeAddress};
use devp2p_smol::host;
use futures_lite::future::or;

use crate::args::Devnet;
use crate::failure::{Failure, system};
use crate::runtime::{self, Runtime};
use crate::{discv4, output, signals};
use echo::Tally;
use member::Member;
use progress::Progress;
use report::{Report, Standing};

/// Between two looks at all nodes.
const LOOK: Duration = Duration::from_secs(1);

/// Between two looks at what is still to come back.
const GLANCE: Duration = Duration::from_millis(20);

/// How long a node that was stopped stays away.
const AWAY: Duration = Duration::from_secs(2);

/// What is left of the time after the last restart: enough to be found again.
const QUIET: f64 = 0.4;

pub(crate) fn run(arguments: &Devnet) -> Result<(), Failure> {
    runtime::raise_file_limit();
    let join = arguments.join.as_deref().map(discv4::parse_node).transpose()?;
    let signals = signals::watch().map_err(system("signals"))?;
    let report = runtime::run(arguments.runtime, async |runtime| {
        let join = join.as_ref().map(NodeAddress::contact);
        let mut network = Network::start(arguments, join, runtime)?;
        let interrupted = async {
            match signals.recv().await {
                Ok(signal) => Err(Failure::Interrupted(signal)),
                Err(_) => core::future::pending().await,
            }
        };
        let living = async {
            network.live().await?;
            network.settle().await;
            network.look_beyond().await;
            Ok::<_, Failure>(())
        };
        let lived = or(living, interrupted).await;
        let report = network.stop().await;
        lived.map(|()| report)
    })??;
    report.tell(arguments.json)?;
    if report.is_well() { Ok(()) } else { Err(Failure::Told) }
}

/// All nodes, and what is known of how it goes.
struct Network<'a> {
    arguments: &'a Devnet,
    /// Of the network that is joined.
    join: Option<Contact>,
    runtime: Runtime,
    members: Vec<Member>,
    tally: Arc<Tally>,
    began: Instant,
    /// When every node had its share for the first time.
    converged: Option<Duration>,
    latest: Standing,
    restarts: u16,
    /// Nobody answers where a network was to be joined.
    is_alone: bool,
}

impl<'a> Network<'a> {
    fn start(
        arguments: &'a Devnet,
        join: Option<Contact>,
        runtime: Runtime,
    ) -> Result<Self, Failure> {
        let mut seeds = SeedChain::new(host::seed()?);
        let tally = Arc::new(Tally::default());
        let began = Instant::now();
        let mut bootnodes: Vec<Contact> = join.clone().into_iter().collect();
        let mut members: Vec<Member> = Vec::new();
        for number in 0..usize::from(arguments.nodes) {
            let mut member = Member::new(number, arguments.maxpeers, bootnodes.clone(), &mut seeds);
            member.start(&runtime, &tally, &mut seeds)?;
            if number == 0 {
                bootnodes.extend(member.contact());
            }
            members.push(member);
        }
        let latest = Standing::default();
        Ok(Self {
            arguments,
            join,
            runtime,
            members,
            tally,
            began,
            converged: None,
            latest,
            restarts: 0,
            is_alone: false,
        })
    }

    /// Watches, stops and restarts nodes, until its time is over.
    async fn live(&mut self) -> Result<(), Failure> {
        let time = Duration::try_from(self.arguments.time).unwrap_or_default();
        let mut progress = Progress::new(self.arguments.json);
        let mut seeds = SeedChain::new(host::seed()?);
        let between = time.mul_f64(1.0 - QUIET) / u32::from(self.arguments.kill).max(1);
        let mut away: Option<(usize, Instant)> = None;
        let mut killed = 0;
        while self.began.elapsed() < time {
            let left = time.saturating_sub(self.began.elapsed());
            self.runtime.sleep(left.min(LOOK)).await;
            if let Some((number, until)) = away
                && until <= Instant::now()
            {
                self.members[number].start(&self.runtime, &self.tally, &mut seeds)?;
                self.restarts += 1;
                away = None;
            }
            // The bootnode stays, so that those who come back find the others.
            if killed < self.arguments.kill
                && away.is_none()
                && self.began.elapsed() >= between.mul_f64(f64::from(killed) + 0.5)
            {
                let number = 1 + usize::from(killed) % (self.members.len() - 1);
                self.members[number].stop().await;
                away = Some((number, Instant::now() + AWAY));
                killed += 1;
            }
            self.latest = self.look().await;
            if self.converged.is_none() && self.latest.short.is_empty() {
                self.converged = Some(self.began.elapsed());
            }
            progress.show(&self.latest, self.began.elapsed(), self.converged)?;
        }
        progress.end();
        Ok(())
    }

    /// Lets the answers come that are still to come, so that none is taken for
    /// cut off that was lost.
    async fn settle(&mut self) {
        self.tally.quieten();
        let until = Instant::now() + echo::PATIENCE + LOOK;
        while self.tally.counts().under_way() > 0 && Instant::now() < until {
            self.runtime.sleep(GLANCE).await;
        }
        self.latest.counts = self.tally.counts();
    }

    /// Asks whether the network that was joined is there.
    async fn look_beyond(&mut self) {
        if let (Some(join), Some(member)) = (&self.join, self.members.first()) {
            self.is_alone = !member.reaches(join).await;
        }
    }

    async fn look(&self) -> Standing {
        let mut standing = Standing::new(&self.tally);
        let others = self.members.len() - 1;
        for member in &self.members {
            standing.add(member.look(others).await);
        }
        standing
    }

    async fn stop(mut self) -> Report {
        self.tally.close();
        let (lived, nodes) = (self.began.elapsed(), self.members.len());
        for member in &mut self.members {
            member.stop().await;
        }
        Report {
            nodes,
            seconds: output::seconds(lived),
            converged: self.converged.map(output::seconds),
            restarts: self.restarts,
            wanted_restarts: self.arguments.kill,
            is_alone: self.is_alone,
            standing: self.latest,
        }
    }
}
