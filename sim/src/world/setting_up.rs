//! From a scenario to machines with addresses, keys and configurations.

use core::future::Future;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;
use std::rc::Rc;

use devp2p_core::application::Application;
use devp2p_core::crypto::SecretKey;
use devp2p_core::entropy::Seed;
use devp2p_core::identity::{Contact, NetRestrict, NodeAddress, NodeId};
use devp2p_core::nat;
use devp2p_core::node::Config;
use devp2p_core::p2p::{LocalCapabilities, LocalCapability};
use devp2p_core::session::Greeting;
use devp2p_core::time::Instant;
use devp2p_handle::adapter::Task;

use super::{Applications, Identity, World};
use crate::adversary::{Actor, Adversary, Attack};
use crate::event::Event;
use crate::host::disk::Durable;
use crate::host::{Heard, Host, Hostable, OnTop};
use crate::network::region::Region;
use crate::network::{Link, Network, PORT};
use crate::oracle::Oracle;
use crate::queue::Queue;
use crate::scenario::{Defence, Families, Keys, Mistake, NodePlan, Scenario, ScenarioError};
use crate::watch::Watch;

impl World {
    pub(crate) fn new(scenario: Scenario) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let seed = Seed::from_number(scenario.seed);
        let mut world = Self {
            now: Instant::ZERO,
            queue: Queue::new(),
            network: Network::default(),
            hosts: Vec::new(),
            adversaries: Vec::new(),
            places: BTreeMap::new(),
            identities: Vec::new(),
            bootnodes: Vec::new(),
            watch: Watch::new(
                scenario.checked || scenario.oracles,
                Oracle::new(scenario.oracles, scenario.nodes.len()),
            ),
            applications: None,
            offers: vec![LocalCapability::new("sim", 1, 16)],
            seed,
            commands: 0,
            acting: None,
            at_once: 0,
            is_busy: false,
            renewals: 0,
            scenario,
        };
        let plans: Vec<_> =
            world.scenario.nodes.iter().map(|(name, plan)| (*name, plan.clone())).collect();
        let mut shared = Shared::default();
        for (name, plan) in plans {
            world.set_up(name, &plan, &mut shared);
        }
        for (place, host) in world.hosts.iter().enumerate() {
            let Some(plan) = world.scenario.nodes.get(&host.name) else { continue };
            let field = format!("nodes[{}]", host.name);
            let wrong = |why| ScenarioError { field, what: Mistake::Config(why) };
            world.config(place, plan).check().map_err(wrong)?;
        }
        for (name, plan) in world.scenario.adversaries.clone() {
            world.set_up_adversary(name, plan);
        }
        for (number, fault) in world.scenario.faults.iter().enumerate() {
            let (begins, ends) = (Instant::ZERO + fault.at, Instant::ZERO + fault.ends());
            world.queue.push(begins, Event::Fault { number, begins: true });
            world.queue.push(ends, Event::Fault { number, begins: false });
        }
        Ok(world)
    }

    /// Every node offers these capabilities and has an application of its own: made
    /// of its name and a seed, each time that it starts.
    ///
    /// Fails if an offer is none ([`LocalCapabilities::new`] says what makes one), or
    /// the world has begun.
    pub fn host<A: Application + 'static>(
        &mut self,
        offers: impl IntoIterator<Item = LocalCapability>,
        make: impl Fn(u32, Seed) -> A + 'static,
    ) -> Result<(), ScenarioError> {
        self.offer(offers)?;
        let make = move |name, seed| Box::new(make(name, seed)) as Box<dyn Hostable>;
        self.applications = Some(Applications::Machines(Box::new(make)));
        Ok(())
    }

    /// Every node offers these capabilities and runs this code, which holds the same
    /// handles as under smol and tokio; made of its name and handle, each time that
    /// it starts. It should take time, chance and tasks from
    /// [`Node::runtime`](devp2p_handle::Node::runtime) alone.
    ///
    /// Fails as [`World::host`] does.
    pub fn run<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        offers: impl IntoIterator<Item = LocalCapability>,
        code: impl Fn(u32, devp2p_handle::Node) -> F + 'static,
    ) -> Result<(), ScenarioError> {
        self.offer(offers)?;
        let code = move |name, node| Box::pin(code(name, node)) as Task;
        self.applications = Some(Applications::Code(Rc::new(code)));
        Ok(())
    }

    fn offer(
        &mut self,
        offers: impl IntoIterator<Item = LocalCapability>,
    ) -> Result<(), ScenarioError> {
        let wrong = |what| ScenarioError { field: "offers".to_owned(), what };
        if self.events() > 0 {
            return Err(wrong(Mistake::TooLate));
        }
        let offers = LocalCapabilities::new(offers).map_err(|why| wrong(Mistake::Offer(why)))?;
        self.offers = offers.iter().cloned().collect();
        self.is_busy = true;
        Ok(())
    }

    fn set_up(&mut self, name: u32, plan: &NodePlan, shared: &mut Shared) {
        let seed = self.seed.derive("node", name.into());
        let place = self.hosts.len();
        let mut link = Link::new(plan.region, seed.derive("link", 0).jitter());
        let number = match plan.provider {
            None => 1,
            Some(provider) => {
                let last = shared.providers.entry(provider).or_insert(0);
                *last = last.wrapping_add(1);
                *last
            }
        };
        let alone = u16::try_from(name & 0xffff).unwrap_or(0).to_be_bytes();
        let block = plan.provider.unwrap_or_else(|| u16::from_be_bytes(alone)).to_be_bytes();
        let first = if plan.provider.is_some() { 60 } else { 20 };
        if plan.families != Families::V6 {
            link.ip4 = Some(Ipv4Addr::new(first, block[0], block[1], number));
        }
        if plan.families != Families::V4 {
            let [high, low] = [0x2a00 + u16::from(first), u16::from_be_bytes(block)];
            link.ip6 = Some(Ipv6Addr::new(high, low, 0, 0, 0, 0, 0, number.into()));
        }
        if let Some(nat) = plan.nat {
            let outer = plan.home.map_or_else(
                || Ipv4Addr::new(41, alone[0], alone[1], 1),
                |home| Ipv4Addr::from((42 << 24) | (u32::from(home) << 8) | 1),
            );
            let mut add = || (self.network.add_gateway(nat, outer), 0);
            let (gateway, before) = match plan.home {
                Some(home) => {
                    let (gateway, inhabitants) = shared.homes.entry(home).or_insert_with(add);
                    *inhabitants += 1;
                    (*gateway, *inhabitants - 1)
                }
                None => add(),
            };
            if before > 0 {
                self.watch.oracle.ids_blur();
            }
            link.gateway = Some(gateway);
            link.outer_port = PORT + before;
            link.ip4 = Some(Ipv4Addr::new(192, 168, 0, 2).with(place));
        }
        link.outbound.bandwidth = plan.bandwidth;
        self.network.attach(link);
        self.hosts.push(Host::new(place, name, seed.clone(), self.scenario.checked));
        self.places.insert(name, place);
        if plan.is_bootnode {
            self.bootnodes.push(place);
        }
        let identity = identity(self.scenario.keys, &seed, 0);
        self.watch.oracle.knows(&identity.public_key);
        self.identities.push(identity);
        self.queue.push(Instant::ZERO + plan.starts, Event::Start { machine: place });
    }

    fn set_up_adversary(&mut self, name: u32, plan: Adversary) {
        let seed = self.seed.derive("adversary", name.into());
        let begins = Instant::ZERO + plan.begins;
        let link = Link::new(Region::default(), seed.derive("link", 0).jitter());
        let place = self.network.attach(link);
        self.watch.oracle.is_attacked();
        if matches!(plan.attack, Attack::Forge(_)) {
            self.watch.oracle.ids_blur();
        }
        let actor = Actor::new(place, name, plan, seed, self.scenario.keys);
        actor.addresses().for_each(|ip| self.network.own(place, ip));
        let adversary = self.adversaries.len();
        self.adversaries.push(actor);
        self.queue.push(begins, Event::Strike { adversary });
    }

    /// A machine begins to run.
    pub(super) fn start(&mut self, place: usize) {
        let name = self.hosts[place].name;
        if self.hosts[place].running.is_some() || self.is_crashed(place) {
            return;
        }
        let Some(plan) = self.scenario.nodes.get(&name).cloned() else { return };
        let config = self.config(place, &plan);
        let seed = self.seed.derive("node", name.into());
        let own = seed.derive("application", self.hosts[place].run.into());
        self.acting = Some(name);
        let application = self.applications.as_ref().map(|applications| match applications {
            Applications::Machines(make) => OnTop::Machine(make(name, own)),
            Applications::Code(code) => {
                let code = Rc::clone(code);
                OnTop::Code(Box::new(move |node| code(name, node)))
            }
        });
        let rng = &mut seed.derive("disk", self.hosts[place].run.into()).jitter();
        if self.hosts[place].run == 0 {
            self.hosts[place].disk.find(Durable::All, rng);
        }
        let started = self.with(place, |host, around| host.start(around, config, application));
        debug_assert!(started.is_ok(), "checked before: {started:?}");
        self.tell_of_gateway(place);
    }

    /// A gateway that maps ports has been asked to, and says so.
    pub(super) fn tell_of_gateway(&mut self, place: usize) {
        let link = &self.network.links[place];
        let (Some(gateway), Some(ip)) = (link.gateway, link.ip4) else { return };
        if !self.network.gateways[gateway].nat().maps_ports {
            return;
        }
        let port = link.outer_port;
        self.network.gateways[gateway].map(port, (ip, PORT).into());
        let mut status = nat::Status::default();
        status.external.ip = Some(self.network.gateways[gateway].ip());
        status.external.tcp = Some(port);
        status.external.udp = Some(port);
        status.method = Some(nat::Method::Pcp);
        self.with(place, |host, around| host.take(around, Heard::Gateway(status)));
    }

    fn config(&self, place: usize, plan: &NodePlan) -> Config {
        let mut config = Config::new(self.identities[place].key.clone());
        config.client_name = format!("sim/n{}", self.hosts[place].name);
        let alien = plan.has_nothing_in_common.then(|| LocalCapability::new("alien", 1, 1));
        let offers = alien.map_or_else(|| self.offers.clone(), |alien| vec![alien]);
        config.greeting = Greeting::Offer(LocalCapabilities::new(offers).unwrap_or_default());
        let networks: Vec<_> =
            plan.net_restrict.iter().filter_map(|text| text.parse().ok()).collect();
        config.net_restrict = (!networks.is_empty()).then(|| NetRestrict::new(networks));
        config.limits.max_peers = plan.max_peers;
        config.limits.dial_ratio = plan.dial_ratio;
        config.no_dial = !plan.dials;
        config.discovery = plan.discovers;
        config.listen_port = PORT;
        for defence in &plan.without {
            match defence {
                Defence::Subnets => {
                    config.table.subnet_in_bucket = u16::MAX;
                    config.table.subnet_in_table = u16::MAX;
                }
                Defence::Budgets => config.budgets = false,
                Defence::SilentGiveWay => config.silent_give_way = false,
            }
        }
        config.journal = self.scenario.journal;
        config.store = plan.has_store && plan.discovers;
        let link = &self.network.links[place];
        config.endpoints.fallback_ip4 = link.ip4;
        config.endpoints.fallback_ip6 = link.ip6;
        config.endpoints.fallback_udp = PORT;
        let others = self.bootnodes.iter().filter(|other| **other != place);
        config.bootstrap_nodes =
            others.filter_map(|other| self.contact_seen_by(*other, place)).collect();
        let place_of = |name: &u32| self.places.get(name).copied();
        config.static_nodes = plan
            .static_nodes
            .iter()
            .filter_map(place_of)
            .filter_map(|other| self.contact_seen_by(other, place))
            .map(|contact| NodeAddress::from(contact.to_enode()))
            .collect();
        config.trusted_nodes = plan
            .trusted_nodes
            .iter()
            .filter_map(place_of)
            .map(|other| self.identities[other].id)
            .collect();
        config
    }

    pub(super) fn contact_of(&self, place: usize) -> Option<Contact> {
        self.contact_seen_by(place, usize::MAX)
    }

    /// Where a node is to be reached, by a node that may lack a family.
    fn contact_seen_by(&self, place: usize, by: usize) -> Option<Contact> {
        let link = self.network.links.get(place)?;
        let key = self.identities.get(place)?.public_key;
        let reads = self.network.links.get(by);
        let outer = link.gateway.map(|gateway| self.network.gateways[gateway].ip());
        let ip4 = outer.or_else(|| link.ip4.map(Into::into));
        let ip4 = ip4.filter(|_| reads.is_none_or(|reads| reads.ip4.is_some()));
        let ip = ip4.or_else(|| link.ip6.map(Into::into))?;
        let port = if ip.is_ipv4() { link.outer_port } else { PORT };
        Some(Contact::new(key, ip, port, port))
    }

    /// From now on a machine is somebody else.
    pub(super) fn renew_key(&mut self, place: usize) {
        self.renewals += 1;
        let seed = self.seed.derive("node", self.hosts[place].name.into());
        let identity = identity(self.scenario.keys, &seed, self.renewals);
        self.watch.oracle.knows(&identity.public_key);
        // Who never ran with the first key is known by it all the same.
        self.watch.oracle.ids_blur();
        self.identities[place] = identity;
    }

    /// From now on a machine has other addresses, or its gateway has.
    pub(super) fn renew_address(&mut self, place: usize) {
        let link = &self.network.links[place];
        let (gateway, has_ip4, has_ip6) = (link.gateway, link.ip4.is_some(), link.ip6.is_some());
        let (ip4, ip6) = self.fresh_addresses();
        match gateway {
            Some(gateway) => self.rebind(gateway),
            None if has_ip4 => self.network.links[place].ip4 = Some(ip4),
            None => {}
        }
        if has_ip6 {
            self.network.links[place].ip6 = Some(ip6);
        }
        self.network.settle(place);
    }

    /// From now on a gateway has another address, and says so to all who are behind it.
    pub(super) fn rebind(&mut self, gateway: usize) {
        let (ip4, _) = self.fresh_addresses();
        self.network.rebind(gateway, ip4);
        for place in 0..self.hosts.len() {
            if self.network.links[place].gateway == Some(gateway) {
                self.tell_of_gateway(place);
            }
        }
    }

    /// Addresses that nobody has had yet.
    fn fresh_addresses(&mut self) -> (Ipv4Addr, Ipv6Addr) {
        self.renewals += 1;
        let block = u16::try_from(self.renewals & 0xffff).unwrap_or(0);
        let [high, low] = block.to_be_bytes();
        (Ipv4Addr::new(90, high, low, 1), Ipv6Addr::new(0x2a5a, block, 0, 0, 0, 0, 0, 1))
    }
}

/// What several machines have together.
#[derive(Default)]
struct Shared {
    /// The last address of each provider.
    providers: BTreeMap<u16, u8>,
    /// Of each home the gateway, and how many are behind it.
    homes: BTreeMap<u16, (usize, u16)>,
}

trait With {
    fn with(self, place: usize) -> Self;
}

impl With for Ipv4Addr {
    /// Inside of gateways every machine has an address of its own, so that none
    /// is taken for another.
    fn with(self, place: usize) -> Self {
        let number = u32::try_from(place & 0xffff).unwrap_or(0);
        Self::from((u32::from(self) & 0xffff_0000) | number)
    }
}

fn identity(keys: Keys, seed: &Seed, number: u64) -> Identity {
    let key = key(keys, seed, number);
    let public_key = key.public_key();
    Identity { key, public_key, id: NodeId::from(&public_key) }
}

/// The key of this number.
pub(crate) fn key(keys: Keys, seed: &Seed, number: u64) -> SecretKey {
    let rng = &mut seed.derive("key", number).secrets();
    match keys {
        Keys::Curve => SecretKey::generate(rng),
        #[cfg(feature = "insecure-stand-in-curve-for-simulation-and-fuzzing-only")]
        Keys::InsecureStandIn => SecretKey::insecure_stand_in_generate(rng),
    }
}
