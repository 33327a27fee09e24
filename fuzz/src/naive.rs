//! STUN read the slow and obvious way, for comparison.

use stun_codec::AttributeType;

/// One attribute, and where in the message it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) at: usize,
    pub(crate) typ: AttributeType,
    pub(crate) value: Vec<u8>,
}

pub(crate) fn be16(bytes: &[u8], at: usize) -> usize {
    usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
}

/// What is wrong with the framing, by the name of the [`stun_codec::ParseError`]; or all attributes, those that do not count included.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Attribute>, &'static str> {
    if !bytes.is_empty() && bytes[0] >= 0x40 {
        return Err("not_stun");
    }
    if bytes.len() < 20 {
        return Err("stun_truncated");
    }
    if bytes[4..8] != [0x21, 0x12, 0xA4, 0x42] {
        return Err("not_stun");
    }
    let end = 20 + be16(bytes, 2);
    if !end.is_multiple_of(4) {
        return Err("stun_length_not_multiple_of_four");
    }
    if bytes.len() != end {
        return Err(if bytes.len() < end { "stun_truncated" } else { "stun_length_mismatch" });
    }
    let mut found = Vec::new();
    let mut at = 20;
    while at < end {
        let len = be16(bytes, at + 2);
        let next = at + 4 + len.div_ceil(4) * 4;
        if next > end {
            return Err("stun_attribute_overrun");
        }
        let value = bytes[at + 4..at + 4 + len].to_vec();
        found.push(Attribute { at, typ: AttributeType(be16(bytes, at) as u16), value });
        at = next;
    }
    Ok(found)
}

/// Those that count (RFC 8489 §14.5 to §14.7): behind each integrity attribute only stronger ones, FINGERPRINT only at the end.
pub(crate) fn that_count(all: &[Attribute]) -> Vec<Attribute> {
    let (sha1, sha256) = (AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256);
    let mut counting = Vec::new();
    let (mut seen_sha1, mut seen_sha256) = (false, false);
    for (n, attribute) in all.iter().enumerate() {
        let last = n + 1 == all.len();
        let counts = if attribute.typ == AttributeType::FINGERPRINT {
            last
        } else if attribute.typ == sha256 {
            !seen_sha256
        } else {
            !seen_sha1 && !seen_sha256
        };
        seen_sha1 |= attribute.typ == sha1;
        seen_sha256 |= attribute.typ == sha256;
        if counts {
            counting.push(attribute.clone());
        }
    }
    counting
}

/// CRC-32 of ISO 3309, bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

/// Puts a right header in front of `body`, which is cut to whole words.
pub(crate) fn framed(typ: [u8; 2], transaction: [u8; 12], body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(0xFFFC) / 4 * 4];
    let mut bytes = vec![typ[0] & 0x3F, typ[1]];
    bytes.extend_from_slice(&(body.len() as u16).to_be_bytes());
    bytes.extend_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
    bytes.extend_from_slice(&transaction);
    bytes.extend_from_slice(body);
    bytes
}
