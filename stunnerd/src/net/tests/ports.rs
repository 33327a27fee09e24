use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::support::rng;
use crate::net::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const THERE: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

#[derive(Clone, Debug)]
enum Op {
    Lease(IpAddr, PortWish),
    Drop(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let ip = prop_oneof![Just(HERE), Just(THERE)];
    let wish = prop_oneof![Just(PortWish::Any), Just(PortWish::Even), Just(PortWish::EvenAndNext)];
    prop_oneof![
        3 => (ip, wish).prop_map(|(ip, wish)| Op::Lease(ip, wish)),
        2 => any::<usize>().prop_map(Op::Drop),
    ]
}

proptest! {
    /// S21: whatever is leased and dropped, the pool agrees with a plain set of ports.
    #[test]
    fn pool_agrees_with_a_set(first in 1000u16..1010, len in 0u16..40, ops in prop::collection::vec(op(), 0..200)) {
        let range = first..=first + len;
        let pool = PortPool::new(range.clone());
        let all = || range.clone().collect::<BTreeSet<u16>>();
        let mut free = [(HERE, all()), (THERE, all())];
        let mut held: Vec<(IpAddr, PortLease)> = Vec::new();
        let mut rng = rng();
        for op in ops {
            match op {
                Op::Lease(ip, wish) => {
                    let free = &mut free.iter_mut().find(|(of, _)| *of == ip).unwrap().1;
                    let fits = |port: &u16| match wish {
                        PortWish::Any => true,
                        PortWish::Even => port.is_multiple_of(2),
                        PortWish::EvenAndNext => port.is_multiple_of(2) && free.contains(&(port + 1)),
                    };
                    match pool.lease(ip, wish, &mut rng) {
                        None => prop_assert!(!free.iter().any(fits)),
                        Some((lease, next)) => {
                            prop_assert!(free.contains(&lease.port()) && fits(&lease.port()));
                            prop_assert_eq!(next.is_some(), wish == PortWish::EvenAndNext);
                            for lease in [Some(lease), next].into_iter().flatten() {
                                prop_assert!(free.remove(&lease.port()));
                                held.push((ip, lease));
                            }
                        }
                    }
                }
                Op::Drop(_) if held.is_empty() => {}
                Op::Drop(at) => {
                    let (ip, lease) = held.swap_remove(at % held.len());
                    prop_assert!(free.iter_mut().find(|(of, _)| *of == ip).unwrap().1.insert(lease.port()));
                }
            }
            for (ip, free) in &free {
                prop_assert_eq!(pool.free(*ip), free.len());
            }
        }
        drop(held);
        prop_assert_eq!(pool.free(HERE), range.len());
    }
}

/// S21: the sibling of an EVEN-PORT pair comes back as well.
#[test]
fn a_million_pairs_leave_the_pool_as_it_was() {
    let pool = PortPool::new(40_000..=40_063);
    let mut rng = rng();
    for _ in 0..1_000_000 {
        let (lease, next) = pool.lease(HERE, PortWish::EvenAndNext, &mut rng).unwrap();
        assert_eq!(lease.port() + 1, next.as_ref().unwrap().port());
    }
    assert_eq!(pool.free(HERE), 64);
}

#[test]
fn every_port_of_the_range_comes_up_in_no_guessable_order() {
    let pool = PortPool::new(u16::MAX - 99..=u16::MAX);
    let mut rng = rng();
    let leases: Vec<_> =
        std::iter::from_fn(|| pool.lease(HERE, PortWish::Any, &mut rng)).map(|(lease, _)| lease).collect();
    let ports: Vec<u16> = leases.iter().map(PortLease::port).collect();
    assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 100);
    assert!(ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) == 1).count() < 20, "{ports:?}");
}

#[test]
fn a_relay_passes_over_a_port_that_somebody_else_holds() {
    let foreign = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = foreign.local_addr().unwrap().port();
    let pool = PortPool::new(taken..=taken);
    let error = RelaySocket::open(&pool, HERE, PortWish::Any, &mut rng()).unwrap_err();
    assert!(matches!(error, RelayError::NoPort), "{error}");
    assert_eq!(pool.free(HERE), 1);
    drop(foreign);
    let opened = RelaySocket::open(&pool, HERE, PortWish::Any, &mut rng()).unwrap();
    assert_eq!(opened.relay.local().port(), taken);
    assert_eq!(pool.free(HERE), 0);
    drop(opened);
    assert_eq!(pool.free(HERE), 1);
}

#[test]
fn even_port_and_the_next_are_both_bound() {
    let pool = PortPool::new(30_000..=39_999);
    let OpenedRelay { relay, next } = RelaySocket::open(&pool, HERE, PortWish::EvenAndNext, &mut rng()).unwrap();
    let next = next.unwrap();
    assert_eq!(relay.local().port() % 2, 0);
    assert_eq!(next.local().port(), relay.local().port() + 1);
    assert!(std::net::UdpSocket::bind(next.local()).is_err());
    drop(relay);
    assert_eq!(pool.free(HERE), 9_999);
    drop(next);
    assert_eq!(pool.free(HERE), 10_000);
}

#[test]
fn an_address_the_host_does_not_have_is_told_apart() {
    let pool = PortPool::new(30_000..=30_009);
    let error = RelaySocket::open(&pool, "192.0.2.1".parse().unwrap(), PortWish::Any, &mut rng()).unwrap_err();
    assert!(matches!(error, RelayError::NoAddress(_)), "{error}");
    assert_eq!(pool.free("192.0.2.1".parse().unwrap()), 10);
}
