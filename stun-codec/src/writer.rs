//! Building a message in the caller's buffer.

use core::net::{IpAddr, SocketAddr};

use crate::attribute::AttributeType;
use crate::channel::ChannelNumber;
use crate::crc::crc32;
use crate::cursor::{Put, padding};
use crate::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, join_type};
use crate::message::FINGERPRINT_XOR;
use crate::value::{AddressFamily, ChangeRequest, Icmp, PasswordAlgorithm, xor};

/// Writes one STUN message into a buffer of the caller.
///
/// Each call appends an attribute, zero padded. The first that does not fit makes the writer refuse all later ones, and
/// [`finish`](Self::finish) reports it once. Integrity and fingerprint go last, in the order
/// MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT: a receiver ignores whatever else stands behind them.
#[derive(Debug)]
pub struct MessageWriter<'b> {
    buf: &'b mut [u8],
    /// Bytes written, header included.
    len: usize,
    overflow: bool,
    transaction: TransactionId,
}

/// The buffer, or the 16-bit length field, is too small for the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BufferTooSmall;

impl core::fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("the message does not fit its buffer")
    }
}

impl core::error::Error for BufferTooSmall {}

/// Bytes of a truncated MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sha256Length {
    /// 16 bytes, the least.
    L16 = 16,
    /// 20 bytes.
    L20 = 20,
    /// 24 bytes.
    L24 = 24,
    /// 28 bytes.
    L28 = 28,
    /// 32 bytes: not truncated.
    L32 = 32,
}

impl<'b> MessageWriter<'b> {
    /// Starts a message at the start of `buf`.
    #[must_use]
    pub fn new(buf: &'b mut [u8], class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut writer = Self {
            buf,
            len: HEADER_LEN,
            overflow: false,
            transaction,
        };
        let mut put = Put::new(writer.buf);
        let header = put
            .array(join_type(class, method).to_be_bytes())
            .and_then(|()| put.array([0, 0]))
            .and_then(|()| put.array(MAGIC_COOKIE.to_be_bytes()))
            .and_then(|()| put.array(transaction.0));
        writer.overflow = header.is_none();
        writer
    }

    /// Appends any attribute.
    pub fn attribute(&mut self, typ: AttributeType, value: &[u8]) -> &mut Self {
        self.append(typ, &[value])
    }

    /// Number of bytes so far, header included; what [`finish`](Self::finish) would return.
    ///
    /// # Errors
    /// When something did not fit.
    pub fn finish(mut self) -> Result<usize, BufferTooSmall> {
        self.set_length(0);
        if self.overflow {
            Err(BufferTooSmall)
        } else {
            Ok(self.len)
        }
    }

    /// Appends MESSAGE-INTEGRITY (RFC 8489 §14.5). `mac` gets all bytes so far, the length field already as it has to be
    /// hashed, and returns their HMAC-SHA1.
    pub fn integrity(&mut self, mac: impl FnOnce(&[u8]) -> [u8; 20]) -> &mut Self {
        match self.hashed(20).map(mac) {
            Some(mac) => self.attribute(AttributeType::MESSAGE_INTEGRITY, &mac),
            None => self,
        }
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 (RFC 8489 §14.6), not truncated; `mac` as for [`integrity`](Self::integrity), with
    /// HMAC-SHA256.
    pub fn integrity_sha256(&mut self, mac: impl FnOnce(&[u8]) -> [u8; 32]) -> &mut Self {
        self.integrity_sha256_truncated(Sha256Length::L32, mac)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 with only the first `length` bytes of the HMAC.
    pub fn integrity_sha256_truncated(
        &mut self,
        length: Sha256Length,
        mac: impl FnOnce(&[u8]) -> [u8; 32],
    ) -> &mut Self {
        match self.hashed(length as usize).map(mac) {
            Some(mac) => {
                let value = mac.get(..length as usize).unwrap_or(&mac);
                self.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, value)
            }
            None => self,
        }
    }

    /// Appends FINGERPRINT (RFC 8489 §14.7).
    pub fn fingerprint(&mut self) -> &mut Self {
        match self.hashed(4).map(|bytes| crc32(&[bytes]) ^ FINGERPRINT_XOR) {
            Some(crc) => self.attribute(AttributeType::FINGERPRINT, &crc.to_be_bytes()),
            None => self,
        }
    }

    /// All bytes so far, with a length field that counts another attribute of `value_len` bytes.
    fn hashed(&mut self, value_len: usize) -> Option<&[u8]> {
        self.set_length(4 + value_len);
        if self.overflow { None } else { self.buf.get(..self.len) }
    }

    fn set_length(&mut self, more: usize) {
        let length = u16::try_from(self.len - HEADER_LEN + more);
        match (length, self.buf.split_first_chunk_mut::<4>()) {
            (Ok(length), Some(([_, _, l0, l1], _))) => [*l0, *l1] = length.to_be_bytes(),
            _ => self.overflow = true,
        }
    }

    /// Appends an attribute whose value is `parts`, one behind the other.
    #[inline]
    fn append(&mut self, typ: AttributeType, parts: &[&[u8]]) -> &mut Self {
        if !self.overflow {
            match self.try_append(typ, parts) {
                Some(len) => self.len = len,
                None => self.overflow = true,
            }
        }
        self
    }

    #[inline]
    fn try_append(&mut self, typ: AttributeType, parts: &[&[u8]]) -> Option<usize> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let end = self.len.checked_add(4)?.checked_add(len)?.checked_add(padding(len))?;
        if end - HEADER_LEN > usize::from(u16::MAX) {
            return None;
        }
        let mut put = Put::new(self.buf.get_mut(self.len..end)?);
        put.array(typ.0.to_be_bytes())?;
        put.array(u16::try_from(len).ok()?.to_be_bytes())?;
        for part in parts {
            put.slice(part)?;
        }
        put.slice(zeros(padding(len)))?;
        Some(end)
    }

    /// Appends an empty attribute, for [`extend`](Self::extend).
    fn open(&mut self, typ: AttributeType) -> OpenValue {
        let start = self.len;
        self.append(typ, &[]);
        OpenValue { start, len: 0 }
    }

    /// Adds bytes to the value of the last attribute.
    fn extend(&mut self, value: &mut OpenValue, bytes: &[u8]) {
        if !self.overflow {
            match self.try_extend(value, bytes) {
                Some(end) => self.len = end,
                None => self.overflow = true,
            }
        }
    }

    fn try_extend(&mut self, value: &mut OpenValue, bytes: &[u8]) -> Option<usize> {
        let len = value.len.checked_add(bytes.len())?;
        let end = value
            .start
            .checked_add(4)?
            .checked_add(len)?
            .checked_add(padding(len))?;
        if end - HEADER_LEN > usize::from(u16::MAX) {
            return None;
        }
        let attribute = self.buf.get_mut(value.start..end)?;
        Put::new(attribute.get_mut(2..)?).array(u16::try_from(len).ok()?.to_be_bytes())?;
        let mut put = Put::new(attribute.get_mut(4..)?.get_mut(value.len..)?);
        put.slice(bytes)?;
        put.slice(zeros(padding(len)))?;
        value.len = len;
        Some(end)
    }
}

/// The last attribute while its value grows.
struct OpenValue {
    /// Where the attribute starts in the buffer.
    start: usize,
    /// Bytes of value so far.
    len: usize,
}

/// At most three zero bytes.
fn zeros(count: usize) -> &'static [u8] {
    [0u8; 3].as_slice().get(..count).unwrap_or_default()
}

macro_rules! slice_writers {
    ($($(#[doc = $doc:literal])* $name:ident($value:ident: $ty:ty) => $typ:ident, $bytes:expr;)*) => {
        impl MessageWriter<'_> {
            $(
                $(#[doc = $doc])*
                pub fn $name(&mut self, $value: $ty) -> &mut Self {
                    self.attribute(AttributeType::$typ, $bytes)
                }
            )*
        }
    };
}

slice_writers! {
    /// Appends USERNAME.
    username(name: &str) => USERNAME, name.as_bytes();
    /// Appends USERHASH.
    userhash(hash: &[u8; 32]) => USERHASH, hash;
    /// Appends REALM.
    realm(realm: &str) => REALM, realm.as_bytes();
    /// Appends NONCE.
    nonce(nonce: &str) => NONCE, nonce.as_bytes();
    /// Appends SOFTWARE.
    software(name: &str) => SOFTWARE, name.as_bytes();
    /// Appends ALTERNATE-DOMAIN.
    alternate_domain(domain: &str) => ALTERNATE_DOMAIN, domain.as_bytes();
    /// Appends CHANNEL-NUMBER.
    channel_number(number: ChannelNumber) => CHANNEL_NUMBER, &(u32::from(number.get()) << 16).to_be_bytes();
    /// Appends LIFETIME, in seconds.
    lifetime(seconds: u32) => LIFETIME, &seconds.to_be_bytes();
    /// Appends DATA.
    data(payload: &[u8]) => DATA, payload;
    /// Appends REQUESTED-TRANSPORT, an IP protocol number.
    requested_transport(protocol: u8) => REQUESTED_TRANSPORT, &[protocol, 0, 0, 0];
    /// Appends REQUESTED-ADDRESS-FAMILY.
    requested_address_family(family: AddressFamily) => REQUESTED_ADDRESS_FAMILY, &[family.to_u8(), 0, 0, 0];
    /// Appends ADDITIONAL-ADDRESS-FAMILY.
    additional_address_family(family: AddressFamily) => ADDITIONAL_ADDRESS_FAMILY, &[family.to_u8(), 0, 0, 0];
    /// Appends EVEN-PORT; `reserve` asks for the next higher port too.
    even_port(reserve: bool) => EVEN_PORT, &[u8::from(reserve) << 7];
    /// Appends RESERVATION-TOKEN.
    reservation_token(token: &[u8; 8]) => RESERVATION_TOKEN, token;
    /// Appends CONNECTION-ID (RFC 6062).
    connection_id(id: u32) => CONNECTION_ID, &id.to_be_bytes();
    /// Appends MOBILITY-TICKET (RFC 8016); empty asks for one.
    mobility_ticket(ticket: &[u8]) => MOBILITY_TICKET, ticket;
    /// Appends ACCESS-TOKEN (RFC 7635), sealed.
    access_token(token: &[u8]) => ACCESS_TOKEN, token;
    /// Appends THIRD-PARTY-AUTHORIZATION (RFC 7635): name of the authorization server.
    third_party_authorization(server: &str) => THIRD_PARTY_AUTHORIZATION, server.as_bytes();
    /// Appends RESPONSE-PORT (RFC 5780).
    response_port(port: u16) => RESPONSE_PORT, &port.to_be_bytes();
    /// Appends PADDING (RFC 5780).
    padding(bytes: &[u8]) => PADDING, bytes;
    /// Appends CACHE-TIMEOUT (RFC 5780), in seconds.
    cache_timeout(seconds: u32) => CACHE_TIMEOUT, &seconds.to_be_bytes();
}

impl MessageWriter<'_> {
    /// Appends ERROR-CODE; `code` is 300 to 699, `reason` may be empty.
    pub fn error_code(&mut self, code: u16, reason: &str) -> &mut Self {
        self.append(
            AttributeType::ERROR_CODE,
            &[&[0, 0], &class_and_number(code), reason.as_bytes()],
        )
    }

    /// Appends ADDRESS-ERROR-CODE with an empty reason phrase.
    pub fn address_error_code(&mut self, family: AddressFamily, code: u16) -> &mut Self {
        self.append(
            AttributeType::ADDRESS_ERROR_CODE,
            &[&[family.to_u8(), 0], &class_and_number(code)],
        )
    }

    /// Appends UNKNOWN-ATTRIBUTES.
    pub fn unknown_attributes(&mut self, types: impl IntoIterator<Item = AttributeType>) -> &mut Self {
        let mut value = self.open(AttributeType::UNKNOWN_ATTRIBUTES);
        for typ in types {
            if self.overflow {
                break;
            }
            self.extend(&mut value, &typ.0.to_be_bytes());
        }
        self
    }

    /// Appends PASSWORD-ALGORITHM: the one the client chose.
    pub fn password_algorithm(&mut self, algorithm: PasswordAlgorithm<'_>) -> &mut Self {
        let head = algorithm_head(algorithm);
        self.append(AttributeType::PASSWORD_ALGORITHM, &[&head, algorithm.params])
    }

    /// Appends PASSWORD-ALGORITHMS, in order of preference.
    pub fn password_algorithms(&mut self, algorithms: &[PasswordAlgorithm<'_>]) -> &mut Self {
        let mut value = self.open(AttributeType::PASSWORD_ALGORITHMS);
        for algorithm in algorithms {
            self.extend(&mut value, &algorithm_head(*algorithm));
            self.extend(&mut value, algorithm.params);
            self.extend(&mut value, zeros(padding(algorithm.params.len())));
        }
        self
    }

    /// Appends MAPPED-ADDRESS.
    pub fn mapped_address(&mut self, address: SocketAddr) -> &mut Self {
        self.address(AttributeType::MAPPED_ADDRESS, address)
    }

    /// Appends ALTERNATE-SERVER.
    pub fn alternate_server(&mut self, address: SocketAddr) -> &mut Self {
        self.address(AttributeType::ALTERNATE_SERVER, address)
    }

    /// Appends RESPONSE-ORIGIN (RFC 5780).
    pub fn response_origin(&mut self, address: SocketAddr) -> &mut Self {
        self.address(AttributeType::RESPONSE_ORIGIN, address)
    }

    /// Appends OTHER-ADDRESS (RFC 5780).
    pub fn other_address(&mut self, address: SocketAddr) -> &mut Self {
        self.address(AttributeType::OTHER_ADDRESS, address)
    }

    /// Appends XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&mut self, address: SocketAddr) -> &mut Self {
        self.address(AttributeType::XOR_MAPPED_ADDRESS, xor(address, self.transaction))
    }

    /// Appends XOR-PEER-ADDRESS.
    pub fn xor_peer_address(&mut self, address: SocketAddr) -> &mut Self {
        self.address(AttributeType::XOR_PEER_ADDRESS, xor(address, self.transaction))
    }

    /// Appends XOR-RELAYED-ADDRESS.
    pub fn xor_relayed_address(&mut self, address: SocketAddr) -> &mut Self {
        self.address(AttributeType::XOR_RELAYED_ADDRESS, xor(address, self.transaction))
    }

    /// Appends DONT-FRAGMENT.
    pub fn dont_fragment(&mut self) -> &mut Self {
        self.attribute(AttributeType::DONT_FRAGMENT, &[])
    }

    /// Appends ICMP.
    pub fn icmp(&mut self, icmp: Icmp) -> &mut Self {
        let [t, c] = (u16::from(icmp.typ & 0x7F) << 9 | u16::from(icmp.code)).to_be_bytes();
        self.append(AttributeType::ICMP, &[&[0, 0, t, c], &icmp.data.to_be_bytes()])
    }

    /// Appends CHANGE-REQUEST (RFC 5780).
    pub fn change_request(&mut self, change: ChangeRequest) -> &mut Self {
        let flags = u8::from(change.ip) << 2 | u8::from(change.port) << 1;
        self.attribute(AttributeType::CHANGE_REQUEST, &[0, 0, 0, flags])
    }

    fn address(&mut self, typ: AttributeType, address: SocketAddr) -> &mut Self {
        let [p0, p1] = address.port().to_be_bytes();
        match address.ip() {
            IpAddr::V4(ip) => self.append(typ, &[&[0, 1, p0, p1], &ip.octets()]),
            IpAddr::V6(ip) => self.append(typ, &[&[0, 2, p0, p1], &ip.octets()]),
        }
    }
}

/// Class in three bits and the number below it (RFC 8489 §14.8).
fn class_and_number(code: u16) -> [u8; 2] {
    [(code / 100) as u8 & 7, (code % 100) as u8]
}

fn algorithm_head(algorithm: PasswordAlgorithm<'_>) -> [u8; 4] {
    let ([i0, i1], [l0, l1]) = (
        algorithm.id.to_be_bytes(),
        (algorithm.params.len() as u16).to_be_bytes(),
    );
    [i0, i1, l0, l1]
}
