//! Target `nonce`: whom the authenticator lets in.

use std::{
    net::{IpAddr, SocketAddr},
    sync::LazyLock,
};

use stun_codec::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{
    AuthError, Authenticator, ClientAuth, Credential, Credentials, Expiry, IntegrityAlgorithm, NonceKey,
    PasswordAlgorithmKind, Secret, UnixSeconds, ephemeral_password, userhash,
};

use crate::{input::Input, naive};

const REALM: &str = "stunner.l7mp.io";
const KEY: [u8; 32] = [7; 32];
/// Seconds that a nonce lives, and by how many a sibling's clock may be ahead.
const LIFETIME: i64 = 3600;
const SKEW: i64 = 30;
const SECRET: &[u8] = b"shared secret";

/// By what it offers: SHA-256 and MD5, SHA-256 alone, or nothing, which means MD5.
static SERVERS: LazyLock<[(Authenticator, &[PasswordAlgorithmKind]); 3]> = LazyLock::new(|| {
    use PasswordAlgorithmKind::{Md5, Sha256};
    let offers: [&[_]; 3] = [&[Sha256, Md5], &[Sha256], &[]];
    offers.map(|offered| {
        let users = Credentials::Static(vec![("alice".into(), "secret".into())]);
        let builder = Authenticator::builder(REALM, users, NonceKey::new(KEY)).algorithms(offered);
        (builder.build().expect("a short realm"), offered)
    })
});

static EPHEMERAL: LazyLock<[Authenticator; 2]> = LazyLock::new(|| {
    [Expiry::AllocateOnly, Expiry::Strict].map(|expiry| {
        let users = Credentials::Ephemeral { secrets: vec![Secret::new(b"old"), Secret::new(SECRET)], expiry };
        Authenticator::builder(REALM, users, NonceKey::new(KEY)).build().expect("a short realm")
    })
});

/// Verifies requests with nonces (and names, algorithms, bits) that are right, and with such as are wrong.
///
/// # Panics
/// When somebody comes in who should not, or stays out who should not.
pub fn nonce(data: &[u8]) {
    let mut input = Input::new(data);
    let (server, offered) = &SERVERS[input.below(3)];
    let asking = Asking {
        server,
        ip: input.address().ip(),
        now: UnixSeconds(1_700_000_000 + u64::from(input.u32() >> 4)),
        salt: input.array(),
    };
    let nonce = *asking.server.challenge(asking.ip, asking.now, asking.salt).nonce();
    own(&asking, &mut input);
    tampered(&asking, nonce.as_str(), &mut input);
    bit_flipped(&asking, &mut input);
    algorithms(&asking, nonce.as_str(), offered, &mut input);
    stamped(&asking, &mut input);
    strangers(&asking, nonce.as_str(), input.rest());
}

struct Asking<'a> {
    server: &'a Authenticator,
    ip: IpAddr,
    now: UnixSeconds,
    salt: [u8; 4],
}

impl Asking<'_> {
    fn verify(&self, bytes: &[u8]) -> Result<(), AuthError> {
        let message = Message::parse(bytes).expect("what was written");
        let verified = self.server.verify(&message, self.ip, self.now, None)?;
        assert_eq!(verified.credential.user_id().as_str(), "alice");
        assert_eq!(verified.credential.realm(), REALM);
        assert_eq!(verified.credential.verify(&message), Ok(verified.integrity));
        Ok(())
    }

    /// A request of a client that answers the challenge as it should.
    fn answered(&self, user: &str, password: &str) -> Vec<u8> {
        let challenge = write(Class::Error, |w| {
            w.error_code(401, "");
            self.server.challenge(self.ip, self.now, self.salt).write(w);
        });
        assert!(challenge.len() <= 104);
        let mut client = ClientAuth::new(user, password.into());
        client.challenged(&Message::parse(&challenge).expect("what was written")).expect("a challenge");
        write(Class::Request, |w| client.complete(w))
    }
}

fn write(class: Class, body: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut buf = [0xAA; 2048];
    let mut writer = MessageWriter::new(&mut buf, class, Method::Allocate, TransactionId([3; 12]));
    body(&mut writer);
    let len = writer.finish().expect("room");
    buf[..len].to_vec()
}

/// Our own nonce is good for who got it, for as long as it lives, and for nobody else.
fn own(asking: &Asking<'_>, input: &mut Input<'_>) {
    let request = asking.answered("alice", "secret");
    assert_eq!(asking.verify(&request), Ok(()));
    assert_eq!(asking.verify(&asking.answered("alice", "wrong")), Err(AuthError::BadIntegrity));
    assert_eq!(asking.verify(&asking.answered("mallory", "secret")), Err(AuthError::UnknownUser));

    let delta = [0, LIFETIME, -SKEW, LIFETIME + 1, -SKEW - 1, 0, 0, 0][input.below(8)] + i64::from(input.u8() as i8);
    let then = UnixSeconds(asking.now.0.checked_add_signed(delta).expect("far from both ends"));
    let expected = if (-SKEW..=LIFETIME).contains(&delta) { Ok(()) } else { Err(AuthError::StaleNonce) };
    assert_eq!(Asking { now: then, ..*asking }.verify(&request), expected, "after {delta} s");

    let other = other_address(asking.ip, input);
    let same = match (asking.ip.to_canonical(), other.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a == b,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.segments()[..4] == b.segments()[..4],
        _ => false,
    };
    let expected = if same { Ok(()) } else { Err(AuthError::ForeignNonce) };
    assert_eq!(Asking { ip: other, ..*asking }.verify(&request), expected, "{other} with that of {}", asking.ip);
}

/// One bit away, or another spelling, or anything.
fn other_address(ip: IpAddr, input: &mut Input<'_>) -> IpAddr {
    let bit = input.u8();
    match (input.below(3), ip) {
        (0, _) => SocketAddr::ip(&input.address()),
        (1, IpAddr::V4(v4)) => v4.to_ipv6_mapped().into(),
        (_, IpAddr::V4(v4)) => std::net::Ipv4Addr::from_bits(v4.to_bits() ^ 1 << (bit & 31)).into(),
        (_, IpAddr::V6(v6)) => std::net::Ipv6Addr::from_bits(v6.to_bits() ^ 1 << (bit & 127)).into(),
    }
}

/// A request that is signed with the right key over whatever is in it.
fn signed(nonce: &[u8], algorithms: Option<(&[u8], u16)>, key: PasswordAlgorithmKind, hashed: bool) -> Vec<u8> {
    write(Class::Request, |w| {
        if hashed {
            w.userhash(&userhash("alice", REALM));
        } else {
            w.username("alice");
        }
        w.realm(REALM).attribute(AttributeType::NONCE, nonce);
        if let Some((list, chosen)) = algorithms {
            w.attribute(AttributeType::PASSWORD_ALGORITHMS, list);
            w.attribute(AttributeType::PASSWORD_ALGORITHM, &[(chosen >> 8) as u8, chosen as u8, 0, 0]);
        }
        Credential::long_term("alice", REALM, "secret", key).sign(w, IntegrityAlgorithm::Sha1);
    })
}

/// When the nonce was made, if it is one of ours: a fuzzer watches comparisons, and so gets hold of nonces of other times.
fn made(asking: &Asking<'_>, nonce: &[u8]) -> Option<UnixSeconds> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |c: &u8| ALPHABET.iter().position(|known| known == c);
    let bits = nonce.get(13..25)?.iter().try_fold(0u128, |bits, c| Some(bits << 6 | digit(c)? as u128))?;
    // Twelve digits are nine bytes: time, salt, and one of the MAC.
    let (time, salt) = (UnixSeconds((bits >> 40) as u64), (bits >> 8) as u32);
    let again = *asking.server.challenge(asking.ip, time, salt.to_be_bytes()).nonce();
    (again.as_str().as_bytes() == nonce).then_some(time)
}

/// No nonce but our own: neither an edited one nor an invented one.
fn tampered(asking: &Asking<'_>, own: &str, input: &mut Input<'_>) {
    assert_eq!(made(asking, own.as_bytes()), Some(asking.now));
    let mut edited = own.as_bytes().to_vec();
    let at = input.below(edited.len());
    match input.below(4) {
        0 => edited[at] = input.u8(),
        1 => _ = edited.remove(at),
        2 => edited.insert(at, input.u8()),
        _ => edited.splice(13.., input.bytes().iter().copied()).for_each(drop),
    }
    for nonce in [edited, input.bytes().to_vec(), [&b"obMatJos2wAAA"[..], &input.array::<27>()].concat()] {
        let result = asking.verify(&signed(&nonce, None, PasswordAlgorithmKind::Md5, false));
        let expected = match made(asking, &nonce) {
            Some(time) if (-SKEW..=LIFETIME).contains(&(asking.now.0 as i64 - time.0 as i64)) => continue,
            Some(_) => AuthError::StaleNonce,
            None if str::from_utf8(&nonce).is_err() => AuthError::Malformed,
            None => AuthError::ForeignNonce,
        };
        assert_eq!(result, Err(expected), "{nonce:02x?}");
    }
}

/// A request with one bit flipped is not the user's any more.
fn bit_flipped(asking: &Asking<'_>, input: &mut Input<'_>) {
    let mut request = asking.answered("alice", "secret");
    let at = usize::from(input.u16()) % request.len();
    request[at] ^= 1 << input.below(8);
    if let Ok(message) = Message::parse(&request) {
        assert!(asking.server.verify(&message, asking.ip, asking.now, None).is_err(), "byte {at}");
    }
}

/// The list must be ours, and the choice in it; without both it is MD5, where that is offered.
fn algorithms(asking: &Asking<'_>, own: &str, offered: &[PasswordAlgorithmKind], input: &mut Input<'_>) {
    use PasswordAlgorithmKind::{Md5, Sha256};
    let ours: Vec<u8> = offered.iter().flat_map(|kind| [0, kind.id() as u8, 0, 0]).collect();
    let key = input.pick(&[Md5, Sha256]);
    let lists = [&[0, 2, 0, 0, 0, 1, 0, 0][..], &[0, 1, 0, 0], &[0, 2, 0, 0], &[], input.bytes()];
    let list = input.pick(&lists);
    let chosen = [1, 2, input.u16()][input.below(3)];
    let present = input.flag();
    let request = signed(own.as_bytes(), present.then_some((list, chosen)), key, input.flag());
    let good = if present {
        list == ours && key.id() == chosen && offered.iter().any(|kind| kind.id() == chosen)
    } else {
        key == Md5 && (offered.is_empty() || offered.contains(&Md5))
    };
    let result = asking.verify(&request);
    assert_eq!(result.is_ok(), good, "{result:?} with {list:02x?}, {chosen}, {key:?}");
}

/// An ephemeral name is good until the stamp in it; any secret vouches for it.
fn stamped(asking: &Asking<'_>, input: &mut Input<'_>) {
    let now = asking.now.0 as i64;
    let name = match input.below(6) {
        0 => input.text(),
        1 => format!("{}:{}", now + i64::from(input.u8() as i8), input.text()),
        2 => format!("{}:{}", input.text(), now + i64::from(input.u8() as i8)),
        3 => format!("{}:{}:{}", input.text(), now + i64::from(input.u8() as i8), input.u8()),
        4 => format!("{}", now + i64::from(input.u8() as i8)),
        _ => format!("{}:{}", i64::from_be_bytes(input.array()), input.text()),
    };
    let strict = input.below(2);
    let method = input.pick(&[Method::Allocate, Method::Refresh]);
    let secret = input.pick(&[&b"old"[..], SECRET, b"stranger's"]);
    let password = ephemeral_password(secret, &name);
    let server = &EPHEMERAL[strict];
    let nonce = *server.challenge(asking.ip, asking.now, asking.salt).nonce();
    let mut buf = [0; 2048];
    let mut writer = MessageWriter::new(&mut buf, Class::Request, method, TransactionId([3; 12]));
    writer.username(&name).realm(REALM).nonce(nonce.as_str());
    Credential::long_term(&name, REALM, &password, PasswordAlgorithmKind::Md5)
        .sign(&mut writer, IntegrityAlgorithm::Sha256);
    let len = writer.finish().expect("room");
    let request = Message::parse(&buf[..len]).expect("what was written");
    let result = server.verify(&request, asking.ip, asking.now, None);

    let stamp = name.split(':').filter_map(|part| part.parse::<i64>().ok()).next();
    let late = |stamp: i64| (strict == 1 || method == Method::Allocate) && stamp < now;
    let good = stamp.is_some_and(|stamp| !late(stamp)) && secret != b"stranger's";
    assert_eq!(result.is_ok(), good, "{name:?} at {now}: {result:?}");
    if let Ok(verified) = result {
        assert_eq!(verified.credential.username(), name);
        assert!(name.ends_with(verified.credential.user_id().as_str()));
        assert!(server.knows(&verified.credential));
        // The allocation's own credential is as good, and cheaper.
        let again = server.verify(&request, asking.ip, asking.now, Some(&verified.credential));
        assert!(again.is_ok() || stamp.is_some_and(|stamp| stamp < now));
    }
}

/// Whoever has no key gets in with nothing that a fuzzer thinks of, not even with a good nonce.
fn strangers(asking: &Asking<'_>, own: &str, bytes: &[u8]) {
    let nonce = [&[0, 0x15, 0, 40][..], own.as_bytes()].concat();
    let body = [&nonce, bytes].concat();
    for request in [bytes.to_vec(), naive::framed([0, 3], [5; 12], bytes), naive::framed([0, 3], [5; 12], &body)] {
        let Ok(message) = Message::parse(&request) else { continue };
        for server in EPHEMERAL.iter().chain([asking.server]) {
            let error = server.verify(&message, asking.ip, asking.now, None).expect_err("nobody has the key");
            assert!(matches!(error.code(), 400 | 401 | 438));
        }
    }
}
