//! `route-policy`: lookups in a table of 10,000 prefixes, and what compiling it costs.

mod cpu_time;

use cpu_time::{CpuTime, criterion};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use stunner_benches::{scattered_prefixes, table};

const PREFIXES: u32 = 10_000;
/// More questions than a branch predictor remembers.
const QUESTIONS: usize = 4096;

fn lookups(criterion: &mut Criterion<CpuTime>) {
    let endpoints = scattered_prefixes(PREFIXES);
    let table = table(&endpoints);
    // Inside of the prefixes, at an address that is not the lowest.
    let inside = |v4: bool| -> Vec<SocketAddr> {
        let of_family = endpoints.iter().filter(|endpoint| endpoint.network().is_ipv4() == v4);
        let addresses = of_family.map(|endpoint| match endpoint.network() {
            IpAddr::V4(ip) => {
                IpAddr::from(Ipv4Addr::from(u32::from(ip) | (0xFFFF_FFFF_u64 >> endpoint.prefix_len()) as u32))
            }
            IpAddr::V6(ip) => IpAddr::from(Ipv6Addr::from(u128::from(ip) | u128::MAX >> endpoint.prefix_len())),
        });
        addresses.map(|ip| SocketAddr::new(ip, 15_000)).collect()
    };
    let outside = |v4: bool| -> Vec<SocketAddr> {
        (0..PREFIXES)
            .map(|index| index.wrapping_mul(2_654_435_761))
            .map(|bits| match v4 {
                true => IpAddr::from(Ipv4Addr::from(bits | 0x8000_0000)),
                false => IpAddr::from(Ipv6Addr::from(0x26 << 120 | u128::from(bits) << 80)),
            })
            .map(|ip| SocketAddr::new(ip, 15_000))
            .collect()
    };
    let mut group = criterion.benchmark_group("lookup in 10,000 prefixes");
    for (name, questions, admitted) in [
        ("IPv4, admitted", inside(true), true),
        ("IPv4, refused", outside(true), false),
        ("IPv6, admitted", inside(false), true),
        ("IPv6, refused", outside(false), false),
    ] {
        let questions: Vec<_> = questions.into_iter().cycle().take(QUESTIONS).collect();
        let answers = questions.iter().filter(|&&peer| table.admits(peer).is_some() == admitted).count();
        assert!(answers * 10 >= QUESTIONS * 9, "{name}: {answers} of {QUESTIONS}");
        let mut next = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                next = (next + 1) % QUESTIONS;
                table.admits(black_box(questions[next]))
            });
        });
        group.bench_function(format!("{name}, host"), |b| {
            b.iter(|| {
                next = (next + 1) % QUESTIONS;
                table.admits_host(black_box(questions[next].ip()))
            });
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    group.bench_function("10,000 prefixes", |b| b.iter(|| stunner_benches::table(black_box(&endpoints))));
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = lookups
}
criterion_main!(benches);
