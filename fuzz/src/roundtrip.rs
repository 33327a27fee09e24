//! Target `roundtrip`: what the writer writes the parser reads, and what the parser reads the writer writes again.

mod value;

use stun_codec::{
    AttributeType, Class, Fingerprint, Message, MessageWriter, Method, Sha256Length, TransactionId, padding,
};

use self::value::{Value, rewrite};
use crate::{input::Input, naive};

/// Writes the message that `data` describes, and rewrites the one that it is.
///
/// # Panics
/// When something is lost, changed or made up on the way.
pub fn roundtrip(data: &[u8]) {
    write_and_read(&mut Input::new(data));
    read_and_write(data);
    if let Some((typ, body)) = data.split_first_chunk::<2>() {
        read_and_write(&naive::framed(*typ, [7; 12], body));
    }
}

/// What goes behind the attributes, in this order.
struct Tail {
    sha1: bool,
    sha256: Option<Sha256Length>,
    /// Attributes where they do not count: behind the integrity.
    late: Vec<Value>,
    fingerprint: bool,
}

struct Plan {
    class: Class,
    method: Method,
    transaction: TransactionId,
    values: Vec<Value>,
    tail: Tail,
}

impl Plan {
    fn read(input: &mut Input<'_>) -> Self {
        let class = input.pick(&[Class::Request, Class::Indication, Class::Success, Class::Error]);
        let method = Method::from_u16(input.u16() & 0x0FFF);
        let transaction = TransactionId(input.array());
        let flags = input.u8();
        let lengths = [Sha256Length::L16, Sha256Length::L20, Sha256Length::L24, Sha256Length::L28, Sha256Length::L32];
        let sha256 = (flags & 2 != 0).then(|| input.pick(&lengths));
        let late = if flags & 8 != 0 { vec![Value::read(input), Value::read(input)] } else { Vec::new() };
        let mut values = Vec::new();
        while !input.is_empty() && values.len() < 24 {
            values.push(Value::read(input));
        }
        let signed = flags & 3 != 0;
        let late = if signed { late } else { Vec::new() };
        Self {
            class,
            method,
            transaction,
            values,
            tail: Tail { sha1: flags & 1 != 0, sha256, late, fingerprint: flags & 4 != 0 },
        }
    }

    /// Returns the result, and what the two MACs were asked to cover.
    fn write(&self, buf: &mut [u8]) -> (Result<usize, ()>, [Vec<u8>; 2]) {
        let mut covered = [Vec::new(), Vec::new()];
        let mut writer = MessageWriter::new(buf, self.class, self.method, self.transaction);
        for value in &self.values {
            value.write(&mut writer);
        }
        if self.tail.sha1 {
            writer.integrity(|bytes| {
                covered[0] = bytes.to_vec();
                [0x11; 20]
            });
        }
        if let Some(length) = self.tail.sha256 {
            writer.integrity_sha256_truncated(length, |bytes| {
                covered[1] = bytes.to_vec();
                [0x22; 32]
            });
        }
        for value in &self.tail.late {
            value.write(&mut writer);
        }
        if self.tail.fingerprint {
            writer.fingerprint();
        }
        (writer.finish().map_err(|_| ()), covered)
    }

    fn len(&self) -> usize {
        let sha256 = self.tail.sha256.map_or(0, |length| 4 + length as usize);
        let sha1 = if self.tail.sha1 { 24 } else { 0 };
        let fingerprint = if self.tail.fingerprint { 8 } else { 0 };
        let values = self.values.iter().chain(&self.tail.late);
        let values: usize = values.map(|value| 4 + value.bytes(self.transaction).len().div_ceil(4) * 4).sum();
        20 + values + sha1 + sha256 + fingerprint
    }
}

fn write_and_read(input: &mut Input<'_>) {
    let room = usize::from(input.u8());
    let plan = Plan::read(input);
    let len = plan.len();
    // A buffer that is a little too small, or too large: what is behind the message stays as it was.
    let mut buf = vec![0xAA; if room < 8 { len.saturating_sub(room) } else { len + room }];
    let (written, covered) = plan.write(&mut buf);
    if buf.len() < len {
        assert_eq!(written, Err(()));
        return;
    }
    assert_eq!(written, Ok(len));
    assert!(buf[len..].iter().all(|byte| *byte == 0xAA));

    let message = Message::parse(&buf[..len]).expect("what was written");
    assert_eq!((message.class(), message.method()), (plan.class, plan.method));
    assert_eq!(message.transaction_id(), plan.transaction);
    compare(&plan, &message);
    padding_is_zero(message.as_bytes());

    // The MACs cover what a receiver is told that they cover.
    if let Some(check) = message.integrity().expect("20 bytes") {
        assert_eq!([&check.header, check.body].concat(), covered[0]);
        assert_eq!(check.mac, [0x11; 20]);
    }
    if let Some(check) = message.integrity_sha256().expect("a length of the RFC") {
        assert_eq!([&check.header, check.body].concat(), covered[1]);
        assert_eq!(check.mac.len(), plan.tail.sha256.expect("only if asked for") as usize);
    }
    let fingerprint = if plan.tail.fingerprint { Fingerprint::Valid } else { Fingerprint::Absent };
    assert_eq!(message.fingerprint(), fingerprint);
    one_bit_off(&buf[..len], fingerprint);
}

/// Every attribute that counts is there, in order, and nothing else; the first of each type is what was meant.
fn compare(plan: &Plan, message: &Message<'_>) {
    let tail = [
        plan.tail.sha1.then_some(AttributeType::MESSAGE_INTEGRITY),
        plan.tail.sha256.map(|_| AttributeType::MESSAGE_INTEGRITY_SHA256),
        plan.tail.fingerprint.then_some(AttributeType::FINGERPRINT),
    ];
    let mut found = message.attributes();
    for value in &plan.values {
        let attribute = found.next().expect("as many as were written");
        assert_eq!((attribute.typ, attribute.value), (value.typ(), &*value.bytes(plan.transaction)));
    }
    let rest: Vec<_> = found.map(|attribute| attribute.typ).collect();
    assert_eq!(rest, tail.into_iter().flatten().collect::<Vec<_>>());
    for (n, value) in plan.values.iter().enumerate() {
        if plan.values[..n].iter().all(|earlier| earlier.typ() != value.typ()) {
            value.check(message);
        }
    }
}

/// What no receiver reads still must not carry what the buffer had before.
fn padding_is_zero(bytes: &[u8]) {
    for attribute in naive::parse(bytes).expect("what was written") {
        let end = attribute.at + 4 + attribute.value.len();
        assert!(bytes[end..end + padding(attribute.value.len())].iter().all(|byte| *byte == 0));
    }
}

/// A CRC notices any single bit that flips in front of it.
fn one_bit_off(bytes: &[u8], fingerprint: Fingerprint) {
    if fingerprint != Fingerprint::Valid {
        return;
    }
    let mut bytes = bytes.to_vec();
    let at = usize::from(bytes[19]) % (bytes.len() - 8);
    bytes[at] ^= 1 << (at % 8);
    assert_ne!(Message::parse(&bytes).map(|message| message.fingerprint()), Ok(Fingerprint::Valid));
}

/// The attributes that count make a message that reads the same; if nothing was left out, it is the same.
fn read_and_write(bytes: &[u8]) {
    let Ok(message) = Message::parse(bytes) else { return };
    let mut buf = vec![0xAA; bytes.len()];
    let mut writer = MessageWriter::new(&mut buf, message.class(), message.method(), message.transaction_id());
    for attribute in message.attributes() {
        writer.attribute(attribute.typ, attribute.value);
    }
    let len = writer.finish().expect("no longer than it was");
    let again = Message::parse(&buf[..len]).expect("what was written");
    assert!(again.attributes().eq(message.attributes()));
    if len == bytes.len() {
        // Padding may have been anything.
        let ours = naive::parse(&buf).expect("as parsed");
        assert_eq!(ours, naive::parse(bytes).expect("as parsed"));
        assert_eq!(&buf[..20], &bytes[..20]);
    }
    rewrite(&message);
}
