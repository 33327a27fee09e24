//! `stun-codec`: reading and writing single messages.

mod cpu_time;

use cpu_time::{CpuTime, criterion};
use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::net::SocketAddr;
use stun_codec::{
    ChannelData, ChannelNumber, Class, INDICATION_HEADER_LEN, Message, MessageWriter, Method, TransactionId,
    channel_data_header, data_indication_header, stream,
};
use turn_auth::{Credential, IntegrityAlgorithm, PasswordAlgorithmKind};

const PAYLOAD: usize = 172;

fn peer() -> SocketAddr {
    "198.51.100.9:9000".parse().expect("an address")
}

/// The Allocate request of a common client, with FINGERPRINT.
fn allocate() -> Vec<u8> {
    let credential = Credential::long_term("user", "stunner.l7mp.io", "pass", PasswordAlgorithmKind::Md5);
    let mut buffer = [0; 512];
    let mut writer = MessageWriter::new(&mut buffer, Class::Request, Method::Allocate, TransactionId([1; 12]));
    writer.requested_transport(17).username("user").realm("stunner.l7mp.io");
    writer.nonce("obMatJos2gAAABWwzX5hbnVmYWN0dXJlZCBub25jZQ");
    credential.sign(&mut writer, IntegrityAlgorithm::Sha1);
    writer.fingerprint();
    let length = writer.finish().expect("room");
    buffer[..length].to_vec()
}

fn binding() -> Vec<u8> {
    let mut buffer = [0; 64];
    let length = MessageWriter::new(&mut buffer, Class::Request, Method::Binding, TransactionId([1; 12])).finish();
    buffer[..length.expect("room")].to_vec()
}

fn parse(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("parse");
    let binding = binding();
    group.bench_function("Binding request", |b| b.iter(|| Message::parse(black_box(&binding)).is_ok()));
    let allocate = allocate();
    group.bench_function("Allocate request", |b| b.iter(|| Message::parse(black_box(&allocate)).is_ok()));
    group.bench_function("Allocate request and all it says", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&allocate)).expect("a message");
            let who = (message.username(), message.realm(), message.nonce(), message.integrity());
            let what = (message.requested_transport(), message.lifetime(), message.even_port());
            (who, what, message.unknown_required().count())
        });
    });
    group.bench_function("FINGERPRINT of an Allocate request", |b| {
        let message = Message::parse(&allocate).expect("a message");
        b.iter(|| black_box(message).fingerprint());
    });
    let mut indication = vec![0; INDICATION_HEADER_LEN + PAYLOAD];
    let mut header = [0; INDICATION_HEADER_LEN];
    let length = data_indication_header(TransactionId([2; 12]), peer(), PAYLOAD as u16, &mut header).expect("it fits");
    indication.truncate(length + PAYLOAD);
    indication[..length].copy_from_slice(&header[..length]);
    group.bench_function("Data indication, peer and payload", |b| {
        b.iter(|| {
            let message = Message::parse(black_box(&indication)).expect("a message");
            (message.xor_peer_address(), message.data())
        });
    });
    let channel_data = [&[0x40, 0, 0, PAYLOAD as u8][..], &[0; PAYLOAD]].concat();
    group.bench_function("ChannelData", |b| b.iter(|| ChannelData::parse(black_box(&channel_data)).is_ok()));
    group.bench_function("frame of a stream", |b| b.iter(|| stream::frame(black_box(&allocate)).is_ok()));
    group.finish();
}

fn build(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("build");
    let mut buffer = [0; 512];
    group.bench_function("Binding success", |b| {
        b.iter(|| {
            let mut writer =
                MessageWriter::new(&mut buffer, Class::Success, Method::Binding, black_box(TransactionId([1; 12])));
            writer.xor_mapped_address(black_box(peer()));
            writer.finish()
        });
    });
    group.bench_function("Allocate success without integrity", |b| {
        b.iter(|| {
            let mut writer =
                MessageWriter::new(&mut buffer, Class::Success, Method::Allocate, black_box(TransactionId([1; 12])));
            writer.xor_relayed_address(black_box(peer())).xor_mapped_address(peer()).lifetime(600);
            writer.finish()
        });
    });
    group.bench_function("FINGERPRINT of a Binding success", |b| {
        b.iter(|| {
            let mut writer =
                MessageWriter::new(&mut buffer, Class::Success, Method::Binding, black_box(TransactionId([1; 12])));
            writer.xor_mapped_address(black_box(peer())).fingerprint();
            writer.finish()
        });
    });
    let mut header = [0; INDICATION_HEADER_LEN];
    group.bench_function("Data indication header", |b| {
        b.iter(|| data_indication_header(black_box(TransactionId([2; 12])), black_box(peer()), 172, &mut header));
    });
    let number = ChannelNumber::new(0x4000).expect("in range");
    group.bench_function("ChannelData header", |b| b.iter(|| channel_data_header(black_box(number), black_box(172))));
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = parse, build
}
criterion_main!(benches);
