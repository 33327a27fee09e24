//! Shared by the tests of this folder: vector files and the MACs that the codec wants injected.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use sha1::Sha1;
use sha2::Sha256;
use stun_codec::{Class, Message, MessageWriter, Method, TransactionId};

/// Every message among the vectors that must be accepted.
pub(crate) const GOOD_VECTORS: [&str; 5] = [
    "rfc5769-2.1-request",
    "rfc5769-2.2-ipv4-response",
    "rfc5769-2.3-ipv6-response",
    "rfc5769-2.4-long-term-request",
    "rfc8489-b.1-corrected",
];

pub(crate) const SHORT_TERM_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
pub(crate) const LONG_TERM_USER: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
pub(crate) const LONG_TERM_REALM: &str = "example.org";
pub(crate) const LONG_TERM_PASSWORD: &str = "TheMatrIX";

pub(crate) const TXID: TransactionId = TransactionId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);

/// Reads `tests/vectors/NAME.hex`: hexadecimal bytes, `#` starts a comment.
pub(crate) fn vector(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name).with_added_extension("hex");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().split_whitespace())
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

pub(crate) fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("any key length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

pub(crate) fn md5(text: &str) -> Vec<u8> {
    Md5::digest(text).to_vec()
}

pub(crate) fn sha256(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

pub(crate) fn verify_sha1(message: &Message<'_>, key: &[u8]) -> bool {
    let check = message.integrity().expect("well-formed").expect("present");
    hmac_sha1(key, &[&check.header, check.body]) == check.mac
}

pub(crate) fn verify_sha256(message: &Message<'_>, key: &[u8]) -> bool {
    let check = message.integrity_sha256().expect("well-formed").expect("present");
    hmac_sha256(key, &[&check.header, check.body]).starts_with(check.mac)
}

/// A message written into a buffer of 0xAA, so that a byte the writer forgot shows.
pub(crate) fn write(class: Class, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut buf = vec![0xAA; 70_000];
    let mut writer = MessageWriter::new(&mut buf, class, method, TXID);
    fill(&mut writer);
    let len = writer.finish().expect("fits");
    buf.truncate(len);
    buf
}

/// A request with those attributes, each given as type and value, without any rule of the writer.
pub(crate) fn raw_request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (typ, value) in attributes {
        body.extend(typ.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut message = vec![0, 1];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend([0x21, 0x12, 0xA4, 0x42]);
    message.extend(TXID.0);
    message.extend(body);
    message
}

/// Appends an attribute and puts the length field right, as someone on the path could.
pub(crate) fn append(message: &mut Vec<u8>, typ: u16, value: &[u8]) {
    message.extend(typ.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = (message.len() - 20) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
}
