//! `turn-core`: what it decides per relayed packet with 10,000 allocations, and what an allocation's life costs.

mod cpu_time;

use cpu_time::{CpuTime, criterion};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use stunner_benches::{PLAIN_PEER, World};

const ALLOCATIONS: u32 = 10_000;
const PREFIXES: u32 = 1_000;
const PAYLOAD: usize = 172;

/// All allocations, in an order that no prefetcher guesses.
fn shuffled() -> impl FnMut() -> usize {
    // A step that shares no factor with the count visits each.
    let mut at = 0;
    move || {
        at = (at + 7_919) % ALLOCATIONS as usize;
        at
    }
}

fn packets(criterion: &mut Criterion<CpuTime>) {
    let mut world = World::new(PREFIXES);
    world.allocate(ALLOCATIONS);
    let channel_data = world.channel_data(&[0; PAYLOAD]);
    let indication = world.send_indication(&[0; PAYLOAD]);
    let mut group = criterion.benchmark_group("packet of one of 10,000 allocations");
    let mut next = shuffled();
    group.bench_function("ChannelData to the peer", |b| {
        b.iter(|| world.to_peer(next(), black_box(&channel_data)).expect("relayed"));
    });
    group.bench_function("to the client as ChannelData", |b| {
        b.iter(|| world.to_client(next(), black_box(PAYLOAD)).expect("relayed"));
    });
    group.bench_function("Send indication to the peer", |b| {
        b.iter(|| world.to_peer(next(), black_box(&indication)).expect("relayed"));
    });
    group.bench_function("to the client as Data indication", |b| {
        b.iter(|| world.to_client_from(next(), PLAIN_PEER, black_box(PAYLOAD)).expect("relayed"));
    });
    group.finish();
    let mut group = criterion.benchmark_group("packet of the same allocation again");
    group.bench_function("ChannelData to the peer", |b| {
        b.iter(|| world.to_peer(black_box(17), black_box(&channel_data)).expect("relayed"));
    });
    group.bench_function("to the client as ChannelData", |b| {
        b.iter(|| world.to_client(black_box(17), black_box(PAYLOAD)).expect("relayed"));
    });
    group.finish();
}

fn life(criterion: &mut Criterion<CpuTime>) {
    let mut world = World::new(PREFIXES);
    world.allocate(ALLOCATIONS);
    let mut client = world.newcomer();
    let mut group = criterion.benchmark_group("beside 10,000 allocations");
    // Both sides' HMACs are in these: request and reply are signed and checked.
    group.bench_function("Allocate and delete", |b| {
        b.iter(|| {
            world.open(&mut client);
            world.close(&client);
        });
    });
    world.open(&mut client);
    group.bench_function("Refresh", |b| b.iter(|| world.refresh(&client, black_box(600))));
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = packets, life
}
criterion_main!(benches);
