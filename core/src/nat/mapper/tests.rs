//! The decision against gateways of every kind, in virtual time.

use alloc::vec::Vec;

use super::*;

const HERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(11, 22, 33, 44));
const THERE: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(11, 22, 33, 55));

/// A gateway as simple as can be, and the mapper that talks to it.
struct World {
    mapper: Mapper,
    now: Instant,
    speaks: Vec<Method>,
    address: IpAddr,
    booted: Instant,
    says_epoch: bool,
    /// If asked; else only a mapping does.
    says_address: bool,
    /// What it does is done, and its answer is lost.
    is_mute: bool,
    life: u32,
    /// What is added to the port that was asked for.
    shift: u16,
    refuses: Option<Failure>,
    maps: Vec<(Protocol, u16, u16)>,
    log: Vec<(Instant, Action)>,
}

impl World {
    fn new(methods: &'static [Method], speaks: &[Method]) -> Self {
        Self {
            mapper: Mapper::new(methods, Some(30303), Some(30301)),
            now: Instant::from_secs(1000),
            speaks: speaks.to_vec(),
            address: HERE,
            booted: Instant::ZERO,
            says_epoch: true,
            says_address: true,
            is_mute: false,
            life: 600,
            shift: 0,
            refuses: None,
            maps: Vec::new(),
            log: Vec::new(),
        }
    }

    fn epoch(&self) -> Option<u32> {
        let epoch = (self.now - self.booted).as_secs();
        self.says_epoch.then(|| u32::try_from(epoch).unwrap())
    }

    fn act(&mut self, action: Action) {
        self.log.push((self.now, action));
        let spoken = |method| self.speaks.contains(&method);
        match action {
            Action::Ask(method) => {
                let address = self.says_address.then_some(self.address);
                let there = Gateway { address, epoch: self.epoch() };
                let answer = if spoken(method) { Ok(there) } else { Err(Failure::Silent) };
                self.mapper.asked(self.now, answer);
            }
            Action::Map { protocol, internal, external, life, .. } => {
                assert_eq!(life, 600);
                let external = external.wrapping_add(self.shift);
                let answer = match self.refuses {
                    Some(failure) => Err(failure),
                    None => {
                        self.maps.retain(|(other, ..)| *other != protocol);
                        self.maps.push((protocol, internal, external));
                        let (life, epoch) = (self.life, self.epoch());
                        let address = (!self.says_address).then_some(self.address);
                        let grant = Grant { external, address, life, epoch };
                        if self.is_mute { Err(Failure::Silent) } else { Ok(grant) }
                    }
                };
                self.mapper.mapped(self.now, protocol, answer);
            }
            Action::Unmap { protocol, internal, external, .. } => {
                let before = self.maps.len();
                self.maps.retain(|map| *map != (protocol, internal, external));
                let gone = self.maps.len() < before;
                self.mapper
                    .unmapped(protocol, if gone { Ok(()) } else { Err(Failure::Refused(714)) });
            }
        }
    }

    /// All that is to be done now, and then until when there is nothing.
    fn settle(&mut self) -> Option<Instant> {
        for _ in 0..20 {
            match self.mapper.next(self.now) {
                Step::Do(action) => self.act(action),
                Step::Wait(until) => {
                    assert!(until > self.now, "a busy loop");
                    return Some(until);
                }
                Step::Done => return None,
            }
        }
        panic!("it does not settle: {:?}", self.log);
    }

    fn run(&mut self, secs: u64) {
        let end = self.now + Duration::from_secs(secs);
        while let Some(until) = self.settle()
            && until <= end
        {
            self.now = until;
        }
        self.now = end;
    }

    fn external(&self) -> External {
        self.mapper.status().external
    }

    fn asks(&self, method: Method) -> usize {
        self.log.iter().filter(|(_, action)| *action == Action::Ask(method)).count()
    }
}

const ALL: &[Method] = &[Method::Pcp, Method::Pmp, Method::Upnp];
const PMP: &[Method] = &[Method::Pmp];

fn external(ip: IpAddr, tcp: u16, udp: u16) -> External {
    External { ip: Some(ip), tcp: Some(tcp), udp: Some(udp) }
}

#[test]
fn both_ports_are_mapped_at_once_and_the_same_ones_out_there_if_they_are_free() {
    let mut world = World::new(PMP, PMP);
    world.settle();
    assert_eq!(world.external(), external(HERE, 30303, 30301));
    assert_eq!(world.mapper.status().method, Some(Method::Pmp));
    assert_eq!(world.maps.len(), 2);
}

#[test]
fn another_port_is_accepted_and_asked_for_from_then_on() {
    let mut world = World::new(PMP, PMP);
    world.shift = 10_000;
    world.settle();
    assert_eq!(world.external(), external(HERE, 40303, 40301));
    world.shift = 0;
    world.run(3600);
    assert_eq!(world.external(), external(HERE, 40303, 40301));
}

#[test]
fn a_mapping_is_renewed_well_before_its_life_is_over() {
    let mut world = World::new(PMP, PMP);
    world.run(6000);
    let maps = world.log.iter().filter(|(_, action)| matches!(action, Action::Map { .. }));
    let tcp: Vec<_> = maps
        .filter(|(_, action)| matches!(action, Action::Map { protocol: Protocol::Tcp, .. }))
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(tcp.len(), 21);
    assert!(tcp.windows(2).all(|pair| pair[1] - pair[0] == Duration::from_secs(300)), "{tcp:?}");
}

#[test]
fn the_first_protocol_that_is_answered_is_used() {
    let mut world = World::new(ALL, &[Method::Upnp]);
    world.says_epoch = false;
    world.run(1000);
    assert_eq!(world.mapper.status().method, Some(Method::Upnp));
    assert_eq!((world.asks(Method::Pcp), world.asks(Method::Pmp)), (1, 1));
}

#[test]
fn a_gateway_that_is_there_but_maps_nothing_by_one_protocol_is_asked_by_the_next() {
    let mut world = World::new(ALL, ALL);
    world.refuses = Some(Failure::Refused(2));
    world.run(1);
    assert_eq!(world.external(), External::default());
    assert!(ALL.iter().all(|method| world.asks(*method) == 1));
    world.refuses = None;
    world.run(60);
    assert_eq!(world.external(), external(HERE, 30303, 30301));
    assert_eq!(world.mapper.status().method, Some(Method::Pcp));
}

#[test]
fn one_port_that_is_refused_does_not_keep_the_other_from_being_mapped() {
    let mut mapper = Mapper::new(PMP, Some(1), Some(2));
    let now = Instant::from_secs(1);
    assert_eq!(mapper.next(now), Step::Do(Action::Ask(Method::Pmp)));
    mapper.asked(now, Ok(Gateway { address: Some(HERE), epoch: Some(1) }));
    let Step::Do(Action::Map { protocol: Protocol::Tcp, .. }) = mapper.next(now) else { panic!() };
    mapper.mapped(now, Protocol::Tcp, Err(Failure::Refused(2)));
    let Step::Do(Action::Map { protocol: Protocol::Udp, .. }) = mapper.next(now) else { panic!() };
    let grant = Grant { external: 2, address: None, life: 600, epoch: Some(1) };
    mapper.mapped(now, Protocol::Udp, Ok(grant));
    assert_eq!(mapper.status().external, External { ip: Some(HERE), tcp: None, udp: Some(2) });
    assert_eq!(mapper.next(now), Step::Wait(now + limits::NAT_RETRY_MIN));
}

#[test]
fn without_a_gateway_it_is_looked_for_again_more_and_more_rarely() {
    let mut world = World::new(ALL, &[]);
    world.run(3600);
    assert_eq!(world.external(), External::default());
    // 15 s, doubled up to 5 min.
    let rounds = world.asks(Method::Pcp);
    assert!((14..18).contains(&rounds), "{rounds}");
    assert_eq!(world.mapper.status().counts.failures(Failure::Silent), 3 * rounds as u64);
    world.speaks = ALL.to_vec();
    world.run(301);
    assert_eq!(world.external(), external(HERE, 30303, 30301));
}

#[test]
fn a_restart_is_noticed_by_the_epoch_and_the_same_ports_are_mapped_again() {
    let mut world = World::new(PMP, PMP);
    world.shift = 10_000;
    world.run(100);
    (world.booted, world.shift) = (world.now, 0);
    world.maps.clear();
    world.run(31);
    assert_eq!(world.maps.len(), 2);
    assert_eq!(world.external(), external(HERE, 40303, 40301));
    assert_eq!(world.mapper.status().counts.restarts, 1);
}

#[test]
fn a_gateway_without_an_epoch_is_told_of_each_mapping_every_two_minutes() {
    let mut world = World::new(&[Method::Upnp], &[Method::Upnp]);
    world.says_epoch = false;
    world.run(100);
    world.maps.clear();
    world.run(31);
    assert_eq!(world.maps.len(), 2);
}

#[test]
fn another_address_is_believed_and_everything_mapped_anew() {
    let mut world = World::new(PMP, PMP);
    world.run(100);
    world.address = THERE;
    world.maps.clear();
    world.run(31);
    assert_eq!(world.external(), external(THERE, 30303, 30301));
    assert_eq!(world.maps.len(), 2);
}

#[test]
fn where_only_a_mapping_tells_the_address_a_change_is_noticed_as_soon() {
    let mut world = World::new(PMP, PMP);
    world.says_address = false;
    world.run(60);
    assert_eq!(world.external(), external(HERE, 30303, 30301));
    world.address = THERE;
    world.run(31);
    assert_eq!(world.external(), external(THERE, 30303, 30301));
}

#[test]
fn what_was_asked_for_and_not_answered_is_given_back_as_well() {
    let mut world = World::new(PMP, PMP);
    world.is_mute = true;
    world.settle();
    assert_eq!(world.maps.len(), 2);
    assert_eq!((world.external().tcp, world.external().udp), (None, None));
    world.mapper.stop();
    assert_eq!(world.settle(), None);
    assert!(world.maps.is_empty(), "{:?}", world.maps);
}

#[test]
fn an_address_that_nobody_can_reach_is_counted_and_not_announced() {
    let mut world = World::new(PMP, PMP);
    world.address = "192.168.1.1".parse().unwrap();
    world.settle();
    let status = world.mapper.status();
    assert_eq!(status.external, External { ip: None, tcp: Some(30303), udp: Some(30301) });
    assert_eq!(status.counts.failures(Failure::BadAddress), 1);
}

#[test]
fn what_is_held_holds_until_its_life_is_over_though_the_gateway_is_silent() {
    let mut world = World::new(PMP, PMP);
    world.run(10);
    world.speaks.clear();
    world.refuses = Some(Failure::Silent);
    world.run(580);
    assert_eq!(world.external(), external(HERE, 30303, 30301));
    world.run(320);
    assert_eq!(world.external(), External::default());
}

#[test]
fn a_life_that_is_too_short_does_not_make_the_record_flap() {
    for life in [1, 5, u32::MAX] {
        let mut world = World::new(PMP, PMP);
        world.life = life;
        world.settle();
        for _ in 0..100 {
            world.run(7);
            assert_eq!(world.external(), external(HERE, 30303, 30301), "{life}");
        }
        // No more often than each 15 s, checks included.
        assert!(world.log.len() < 200, "{}", world.log.len());
    }
}

#[test]
fn a_mapping_without_life_or_port_is_none() {
    for (external, life) in [(0, 600), (30303, 0)] {
        let mut world = World::new(PMP, PMP);
        world.settle();
        world.mapper = Mapper::new(PMP, Some(30303), None);
        let now = world.now;
        world.mapper.asked(now, Ok(Gateway::default()));
        let grant = Grant { external, address: None, life, epoch: None };
        world.mapper.mapped(now, Protocol::Tcp, Ok(grant));
        assert_eq!(world.external(), External::default());
        assert_eq!(world.mapper.status().counts.failures(Failure::Malformed), 1);
    }
}

#[test]
fn a_stop_gives_back_what_is_held_and_nothing_else_is_done() {
    let mut world = World::new(PMP, PMP);
    world.run(100);
    world.mapper.stop();
    assert_eq!(world.settle(), None);
    assert_eq!(world.maps, []);
    assert_eq!(world.external().tcp, None);
    assert_eq!(world.mapper.status().counts.unmapped, 2);
}

#[test]
fn a_stop_ends_though_the_gateway_refuses_to_give_anything_back() {
    let mut world = World::new(PMP, PMP);
    world.run(100);
    world.maps.clear();
    world.mapper.stop();
    assert_eq!(world.settle(), None);
    assert_eq!(world.mapper.status().counts.failures(Failure::Refused(0)), 2);
}

#[test]
fn a_stop_before_anything_was_answered_is_the_end() {
    let mut mapper = Mapper::new(ALL, Some(1), Some(2));
    mapper.stop();
    assert_eq!(mapper.next(Instant::ZERO), Step::Done);
}

#[test]
fn a_gateway_that_says_something_else_each_time_is_not_asked_each_time() {
    let mut mapper = Mapper::new(&[Method::Pcp], Some(1), Some(2));
    let (mut now, mut asked, mut last) = (Instant::ZERO, 0_u8, 0_u32);
    while now < Instant::from_secs(150) {
        match mapper.next(now) {
            Step::Wait(until) => now = until,
            Step::Done => panic!("it gives up"),
            Step::Do(Action::Ask(_)) => mapper.asked(now, Ok(Gateway::default())),
            Step::Do(Action::Unmap { .. }) => panic!("it gives back"),
            Step::Do(Action::Map { protocol, .. }) => {
                (asked, last) = (asked + 1, last.wrapping_sub(1000));
                let address = Some([11, 22, 33, asked].into());
                let grant = Grant { external: 9, address, life: 600, epoch: Some(last) };
                mapper.mapped(now, protocol, Ok(grant));
            }
        }
    }
    // Each port each 15 s.
    assert!(asked <= 22, "{asked}");
}
