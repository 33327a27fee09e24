//! `turn-auth`: integrity beside `ring`'s HMAC over the same bytes, and whole requests.

mod cpu_time;

use cpu_time::{CpuTime, criterion};
use criterion::{Criterion, criterion_group, criterion_main};
use ring::hmac;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use stun_codec::{Class, Message, MessageWriter, Method, TransactionId};
use stunner_benches::{PASSWORD, REALM, USER, authenticator};
use turn_auth::{ClientAuth, Credential, IntegrityAlgorithm, PasswordAlgorithmKind, UnixSeconds};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// What a client of RFC 5389 (SHA-1) or RFC 8489 (SHA-256) sends in answer to our 401.
fn allocate(algorithm: IntegrityAlgorithm) -> Vec<u8> {
    let authenticator = authenticator();
    let challenge = authenticator.challenge(CLIENT, NOW, [1; 4]);
    let mut buffer = [0; 512];
    let mut request = |body: &mut dyn FnMut(&mut MessageWriter<'_>)| {
        let mut writer = MessageWriter::new(&mut buffer, Class::Request, Method::Allocate, TransactionId([1; 12]));
        writer.requested_transport(17);
        body(&mut writer);
        let length = writer.finish().expect("room");
        buffer[..length].to_vec()
    };
    match algorithm {
        IntegrityAlgorithm::Sha1 => request(&mut |writer| {
            writer.username(USER).realm(REALM).nonce(challenge.nonce().as_str());
            let credential = Credential::long_term(USER, REALM, PASSWORD, PasswordAlgorithmKind::Md5);
            credential.sign(writer, algorithm);
        }),
        IntegrityAlgorithm::Sha256 => {
            let reply = request(&mut |writer| challenge.write(writer));
            let mut auth = ClientAuth::new(USER, PASSWORD.into());
            auth.challenged(&Message::parse(&reply).expect("a message")).expect("a challenge");
            request(&mut |writer| auth.complete(writer))
        }
    }
}

fn integrity(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("integrity");
    let cases = [
        ("SHA-1", IntegrityAlgorithm::Sha1, PasswordAlgorithmKind::Md5, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        ("SHA-256", IntegrityAlgorithm::Sha256, PasswordAlgorithmKind::Sha256, hmac::HMAC_SHA256),
    ];
    for (name, algorithm, password_algorithm, ring_algorithm) in cases {
        let request = allocate(algorithm);
        let message = Message::parse(&request).expect("a message");
        let credential = Credential::long_term(USER, REALM, PASSWORD, password_algorithm);
        assert_eq!(credential.verify(&message), Ok(algorithm));
        group.bench_function(format!("{name}, check of {} bytes", request.len()), |b| {
            b.iter(|| black_box(&credential).verify(black_box(&message)).is_ok());
        });
        // Which bytes are signed does not matter for the time, nor does the key.
        let key = hmac::Key::new(ring_algorithm, &[7; 16]);
        let check = match algorithm {
            IntegrityAlgorithm::Sha1 => message.integrity(),
            IntegrityAlgorithm::Sha256 => message.integrity_sha256(),
        };
        let check = check.ok().flatten().expect("signed");
        let signed = [&check.header[..], check.body].concat();
        let tag = hmac::sign(&key, &signed);
        group.bench_function(format!("{name}, the same bytes by ring"), |b| {
            b.iter(|| hmac::verify(black_box(&key), black_box(&signed), tag.as_ref()).is_ok());
        });
        let mut buffer = [0; 512];
        group.bench_function(format!("{name}, signing a reply"), |b| {
            b.iter(|| {
                let id = black_box(TransactionId([1; 12]));
                let mut writer = MessageWriter::new(&mut buffer, Class::Success, Method::Refresh, id);
                writer.lifetime(600);
                credential.sign(&mut writer, algorithm);
                writer.finish()
            });
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion<CpuTime>) {
    let mut group = criterion.benchmark_group("Allocate request parsed and verified");
    let authenticator = authenticator();
    for (name, algorithm) in [("SHA-1", IntegrityAlgorithm::Sha1), ("SHA-256", IntegrityAlgorithm::Sha256)] {
        let request = allocate(algorithm);
        let verify = |kept: Option<&Credential>| {
            let message = Message::parse(black_box(&request)).expect("a message");
            authenticator.verify(&message, CLIENT, NOW, kept)
        };
        let kept = verify(None).expect("a good request").credential;
        group.bench_function(format!("{name}, new client"), |b| b.iter(|| verify(None).is_ok()));
        group.bench_function(format!("{name}, key kept"), |b| b.iter(|| verify(Some(&kept)).is_ok()));
    }
    group.bench_function("challenge", |b| {
        let mut buffer = [0; 512];
        b.iter(|| {
            let id = black_box(TransactionId([1; 12]));
            let mut writer = MessageWriter::new(&mut buffer, Class::Error, Method::Allocate, id);
            writer.error_code(401, "");
            authenticator.challenge(CLIENT, NOW, black_box([1; 4])).write(&mut writer);
            writer.finish()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = criterion();
    targets = integrity, requests
}
criterion_main!(benches);
