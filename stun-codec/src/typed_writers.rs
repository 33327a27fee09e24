//! [`MessageWriter`]'s typed attributes, the counterpart of [`Message`](crate::Message)'s accessors.

use core::net::{IpAddr, SocketAddr};

use crate::attribute::AttributeType;
use crate::channel::ChannelNumber;
use crate::cursor::padding;
use crate::value::{AddressFamily, ChangeRequest, Icmp, PasswordAlgorithm, xor};
use crate::writer::{MessageWriter, zeros};

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
        self.append(AttributeType::ERROR_CODE, &[&[0, 0], &class_and_number(code), reason.as_bytes()])
    }

    /// Appends ADDRESS-ERROR-CODE with an empty reason phrase.
    pub fn address_error_code(&mut self, family: AddressFamily, code: u16) -> &mut Self {
        self.append(AttributeType::ADDRESS_ERROR_CODE, &[&[family.to_u8(), 0], &class_and_number(code)])
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
    let ([i0, i1], [l0, l1]) = (algorithm.id.to_be_bytes(), (algorithm.params.len() as u16).to_be_bytes());
    [i0, i1, l0, l1]
}
