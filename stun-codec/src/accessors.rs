//! [`Message`]'s typed accessors. Each returns `Ok(None)` when the attribute is absent, an [`AttributeError`] when it
//! is malformed, and looks at the first of several.

use core::net::SocketAddr;

use crate::attribute::AttributeType;
use crate::channel::ChannelNumber;
use crate::header::TransactionId;
use crate::layout::Run;
use crate::message::Message;
use crate::value::{
    self, AddressErrorCode, AddressFamily, AttributeError, AttributeFault, ChangeRequest, ErrorCode, Icmp,
    PasswordAlgorithm, PasswordAlgorithms, Read, UnknownAttributes,
};

macro_rules! accessors {
    ($($(#[doc = $doc:literal])* $name:ident: $typ:ident => $ty:ty, $read:expr;)*) => {
        impl<'a> Message<'a> {
            $(
                $(#[doc = $doc])*
                ///
                /// # Errors
                /// When it is there but malformed.
                pub fn $name(&self) -> Result<Option<$ty>, AttributeError> {
                    self.read(AttributeType::$typ, $read)
                }
            )*
        }
    };
}

accessors! {
    /// USERNAME, at most 512 bytes.
    username: USERNAME => &'a str, value::username;
    /// USERHASH: SHA-256 of user name and realm.
    userhash: USERHASH => [u8; 32], value::array;
    /// REALM.
    realm: REALM => &'a str, value::phrase;
    /// NONCE.
    nonce: NONCE => &'a str, value::phrase;
    /// SOFTWARE.
    software: SOFTWARE => &'a str, value::phrase;
    /// ALTERNATE-DOMAIN.
    alternate_domain: ALTERNATE_DOMAIN => &'a str, value::phrase;
    /// ERROR-CODE.
    error_code: ERROR_CODE => ErrorCode<'a>, value::error_code;
    /// UNKNOWN-ATTRIBUTES.
    unknown_attributes: UNKNOWN_ATTRIBUTES => UnknownAttributes<'a>, value::unknown_attributes;
    /// PASSWORD-ALGORITHM.
    password_algorithm: PASSWORD_ALGORITHM => PasswordAlgorithm<'a>, value::password_algorithm;
    /// PASSWORD-ALGORITHMS.
    password_algorithms: PASSWORD_ALGORITHMS => PasswordAlgorithms<'a>, value::password_algorithms;
    /// MAPPED-ADDRESS.
    mapped_address: MAPPED_ADDRESS => SocketAddr, value::address;
    /// ALTERNATE-SERVER.
    alternate_server: ALTERNATE_SERVER => SocketAddr, value::address;
    /// CHANNEL-NUMBER; out of range is an error.
    channel_number: CHANNEL_NUMBER => ChannelNumber, channel_number;
    /// LIFETIME in seconds.
    lifetime: LIFETIME => u32, value::u32;
    /// DATA: the payload, a sub-slice of the message.
    data: DATA => &'a [u8], value::bytes;
    /// REQUESTED-TRANSPORT: an IP protocol number, 17 for UDP, 6 for TCP (RFC 6062).
    requested_transport: REQUESTED_TRANSPORT => u8, value::first_of_four;
    /// REQUESTED-ADDRESS-FAMILY; an unknown one is an error with [`AttributeFault::Value`].
    requested_address_family: REQUESTED_ADDRESS_FAMILY => AddressFamily, value::family;
    /// ADDITIONAL-ADDRESS-FAMILY; an unknown one is an error with [`AttributeFault::Value`].
    additional_address_family: ADDITIONAL_ADDRESS_FAMILY => AddressFamily, value::family;
    /// ADDRESS-ERROR-CODE.
    address_error_code: ADDRESS_ERROR_CODE => AddressErrorCode<'a>, value::address_error_code;
    /// EVEN-PORT: whether the next higher port is to be reserved (the R bit).
    even_port: EVEN_PORT => bool, value::even_port;
    /// RESERVATION-TOKEN.
    reservation_token: RESERVATION_TOKEN => [u8; 8], value::array;
    /// ICMP.
    icmp: ICMP => Icmp, value::icmp;
    /// CONNECTION-ID (RFC 6062).
    connection_id: CONNECTION_ID => u32, value::u32;
    /// MOBILITY-TICKET (RFC 8016); empty when asked for.
    mobility_ticket: MOBILITY_TICKET => &'a [u8], value::bytes;
    /// ACCESS-TOKEN (RFC 7635), still sealed.
    access_token: ACCESS_TOKEN => &'a [u8], value::bytes;
    /// THIRD-PARTY-AUTHORIZATION (RFC 7635): name of the authorization server.
    third_party_authorization: THIRD_PARTY_AUTHORIZATION => &'a str, value::phrase;
    /// CHANGE-REQUEST (RFC 5780).
    change_request: CHANGE_REQUEST => ChangeRequest, value::change_request;
    /// RESPONSE-PORT (RFC 5780).
    response_port: RESPONSE_PORT => u16, value::response_port;
    /// RESPONSE-ORIGIN (RFC 5780).
    response_origin: RESPONSE_ORIGIN => SocketAddr, value::address;
    /// OTHER-ADDRESS (RFC 5780).
    other_address: OTHER_ADDRESS => SocketAddr, value::address;
    /// PADDING (RFC 5780).
    padding: PADDING => &'a [u8], value::bytes;
    /// CACHE-TIMEOUT (RFC 5780) in seconds.
    cache_timeout: CACHE_TIMEOUT => u32, value::u32;
}

fn channel_number(bytes: &[u8]) -> Read<ChannelNumber> {
    let [high, low, _, _] = value::array(bytes)?;
    ChannelNumber::new(u16::from_be_bytes([high, low])).ok_or(AttributeFault::Value)
}

impl<'a> Message<'a> {
    /// XOR-MAPPED-ADDRESS.
    ///
    /// # Errors
    /// When it is there but malformed.
    pub fn xor_mapped_address(&self) -> Result<Option<SocketAddr>, AttributeError> {
        self.read_xor(AttributeType::XOR_MAPPED_ADDRESS)
    }

    /// XOR-PEER-ADDRESS, the first; see [`xor_peer_addresses`](Self::xor_peer_addresses).
    ///
    /// # Errors
    /// When it is there but malformed.
    pub fn xor_peer_address(&self) -> Result<Option<SocketAddr>, AttributeError> {
        self.read_xor(AttributeType::XOR_PEER_ADDRESS)
    }

    /// XOR-RELAYED-ADDRESS, the first; see [`xor_relayed_addresses`](Self::xor_relayed_addresses).
    ///
    /// # Errors
    /// When it is there but malformed.
    pub fn xor_relayed_address(&self) -> Result<Option<SocketAddr>, AttributeError> {
        self.read_xor(AttributeType::XOR_RELAYED_ADDRESS)
    }

    /// Every XOR-PEER-ADDRESS: CreatePermission may carry several (RFC 8656 §10.1).
    #[must_use]
    pub fn xor_peer_addresses(&self) -> XorAddresses<'a> {
        self.xor_addresses(AttributeType::XOR_PEER_ADDRESS)
    }

    /// Every XOR-RELAYED-ADDRESS: the answer to a dual allocation has two (RFC 8656 §7.3).
    #[must_use]
    pub fn xor_relayed_addresses(&self) -> XorAddresses<'a> {
        self.xor_addresses(AttributeType::XOR_RELAYED_ADDRESS)
    }

    /// Whether DONT-FRAGMENT is there; it has no value.
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.has(AttributeType::DONT_FRAGMENT)
    }

    fn read<T>(&self, typ: AttributeType, read: impl FnOnce(&'a [u8]) -> Read<T>) -> Result<Option<T>, AttributeError> {
        self.attribute(typ).map(read).transpose().map_err(|fault| AttributeError { typ, fault })
    }

    fn read_xor(&self, typ: AttributeType) -> Result<Option<SocketAddr>, AttributeError> {
        self.read(typ, |value| value::xor_address(value, self.transaction_id()))
    }

    fn xor_addresses(&self, typ: AttributeType) -> XorAddresses<'a> {
        XorAddresses { typ, rest: self.plain(), transaction: self.transaction_id() }
    }
}

/// Iterator over all address attributes of one type; a malformed one is an `Err` and the iteration goes on behind it.
#[derive(Debug, Clone, Copy)]
pub struct XorAddresses<'a> {
    typ: AttributeType,
    rest: Run<'a>,
    transaction: TransactionId,
}

impl Iterator for XorAddresses<'_> {
    type Item = Result<SocketAddr, AttributeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (typ, value) = self.rest.find(|(typ, _)| *typ == self.typ)?;
        Some(value::xor_address(value, self.transaction).map_err(|fault| AttributeError { typ, fault }))
    }
}
