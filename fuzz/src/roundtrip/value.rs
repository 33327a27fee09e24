//! Attributes by meaning, each with its writer, its bytes on the wire, and its reader.

use std::net::SocketAddr;

use stun_codec::{
    AddressFamily, AttributeError, AttributeType, ChangeRequest, ChannelNumber, Icmp, Message, MessageWriter,
    PasswordAlgorithm, TransactionId,
};

use crate::input::Input;

type T = AttributeType;

/// An attribute as its writer takes it.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(T, String),
    Number(T, u32),
    Bytes(T, Vec<u8>),
    Address(T, SocketAddr),
    Family(T, AddressFamily),
    Transport(u8),
    Channel(ChannelNumber),
    EvenPort(bool),
    DontFragment,
    Token([u8; 8]),
    UserHash([u8; 32]),
    ErrorCode(u16, String),
    AddressError(AddressFamily, u16),
    Icmp(Icmp),
    Change(ChangeRequest),
    Port(u16),
    Unknown(Vec<T>),
    Algorithm(u16, Vec<u8>),
    Algorithms(Vec<(u16, Vec<u8>)>),
}

const TEXTS: &[T] = &[T::USERNAME, T::REALM, T::NONCE, T::SOFTWARE, T::ALTERNATE_DOMAIN, T::THIRD_PARTY_AUTHORIZATION];
const NUMBERS: &[T] = &[T::LIFETIME, T::CONNECTION_ID, T::CACHE_TIMEOUT];
const BYTES: &[T] = &[T::DATA, T::MOBILITY_TICKET, T::ACCESS_TOKEN, T::PADDING];
const ADDRESSES: &[T] = &[
    T::XOR_PEER_ADDRESS,
    T::XOR_RELAYED_ADDRESS,
    T::XOR_MAPPED_ADDRESS,
    T::MAPPED_ADDRESS,
    T::ALTERNATE_SERVER,
    T::RESPONSE_ORIGIN,
    T::OTHER_ADDRESS,
];
const FAMILIES: &[T] = &[T::REQUESTED_ADDRESS_FAMILY, T::ADDITIONAL_ADDRESS_FAMILY];

impl Value {
    pub(super) fn read(input: &mut Input<'_>) -> Self {
        let family = |input: &mut Input<'_>| input.pick(&[AddressFamily::V4, AddressFamily::V6]);
        match input.below(20) {
            0 => Self::Text(input.pick(TEXTS), input.text()),
            1 => Self::Number(input.pick(NUMBERS), input.u32()),
            2 => Self::Bytes(input.pick(BYTES), input.bytes().to_vec()),
            3 => Self::Address(input.pick(ADDRESSES), input.address()),
            4 => Self::Family(input.pick(FAMILIES), family(input)),
            5 => Self::Transport(input.u8()),
            6 => Self::Channel(ChannelNumber::new(0x4000 | input.u16() & 0x3FFF).expect("in range")),
            7 => Self::EvenPort(input.flag()),
            8 => Self::DontFragment,
            9 => Self::Token(input.array()),
            10 => Self::UserHash(input.array()),
            11 => Self::ErrorCode(300 + input.u16() % 400, input.text()),
            12 => Self::AddressError(family(input), 300 + input.u16() % 400),
            13 => Self::Icmp(Icmp { typ: input.u8() & 0x7F, code: input.u8(), data: input.u32() }),
            14 => Self::Change(ChangeRequest { ip: input.flag(), port: input.flag() }),
            15 => Self::Port(input.u16()),
            16 => Self::Unknown((0..input.below(9)).map(|_| AttributeType(input.u16())).collect()),
            17 => Self::Algorithm(input.u16(), input.bytes().to_vec()),
            18 => Self::Algorithms((0..input.below(5)).map(|_| (input.u16(), input.bytes().to_vec())).collect()),
            _ => Self::raw(input),
        }
    }

    /// A type that the codec does not know: the tail's three would change what counts.
    fn raw(input: &mut Input<'_>) -> Self {
        let typ = AttributeType(input.u16());
        let typ = if typ.is_known() { AttributeType(0x7F00 | typ.0 & 0xFF) } else { typ };
        Self::Bytes(typ, input.bytes().to_vec())
    }

    pub(super) fn typ(&self) -> T {
        match self {
            Self::Text(typ, _)
            | Self::Number(typ, _)
            | Self::Bytes(typ, _)
            | Self::Address(typ, _)
            | Self::Family(typ, _) => *typ,
            Self::Transport(_) => T::REQUESTED_TRANSPORT,
            Self::Channel(_) => T::CHANNEL_NUMBER,
            Self::EvenPort(_) => T::EVEN_PORT,
            Self::DontFragment => T::DONT_FRAGMENT,
            Self::Token(_) => T::RESERVATION_TOKEN,
            Self::UserHash(_) => T::USERHASH,
            Self::ErrorCode(..) => T::ERROR_CODE,
            Self::AddressError(..) => T::ADDRESS_ERROR_CODE,
            Self::Icmp(_) => T::ICMP,
            Self::Change(_) => T::CHANGE_REQUEST,
            Self::Port(_) => T::RESPONSE_PORT,
            Self::Unknown(_) => T::UNKNOWN_ATTRIBUTES,
            Self::Algorithm(..) => T::PASSWORD_ALGORITHM,
            Self::Algorithms(_) => T::PASSWORD_ALGORITHMS,
        }
    }

    pub(super) fn write(&self, w: &mut MessageWriter<'_>) {
        match self {
            Self::Text(typ, text) => write_text(w, *typ, text),
            Self::Number(typ, number) => write_number(w, *typ, *number),
            Self::Bytes(typ, bytes) => write_bytes(w, *typ, bytes),
            Self::Address(typ, address) => write_address(w, *typ, *address),
            Self::Family(T::REQUESTED_ADDRESS_FAMILY, family) => _ = w.requested_address_family(*family),
            Self::Family(_, family) => _ = w.additional_address_family(*family),
            Self::Transport(protocol) => _ = w.requested_transport(*protocol),
            Self::Channel(number) => _ = w.channel_number(*number),
            Self::EvenPort(reserve) => _ = w.even_port(*reserve),
            Self::DontFragment => _ = w.dont_fragment(),
            Self::Token(token) => _ = w.reservation_token(token),
            Self::UserHash(hash) => _ = w.userhash(hash),
            Self::ErrorCode(code, reason) => _ = w.error_code(*code, reason),
            Self::AddressError(family, code) => _ = w.address_error_code(*family, *code),
            Self::Icmp(icmp) => _ = w.icmp(*icmp),
            Self::Change(change) => _ = w.change_request(*change),
            Self::Port(port) => _ = w.response_port(*port),
            Self::Unknown(types) => _ = w.unknown_attributes(types.iter().copied()),
            Self::Algorithm(id, params) => _ = w.password_algorithm(PasswordAlgorithm { id: *id, params }),
            Self::Algorithms(list) => {
                let list: Vec<_> = list.iter().map(|(id, params)| PasswordAlgorithm { id: *id, params }).collect();
                w.password_algorithms(&list);
            }
        }
    }

    /// The value on the wire, by the RFCs' pictures.
    pub(super) fn bytes(&self, transaction: TransactionId) -> Vec<u8> {
        let code = |head: [u8; 2], code: u16| vec![head[0], head[1], (code / 100) as u8, (code % 100) as u8];
        match self {
            Self::Text(_, text) => text.clone().into_bytes(),
            Self::Number(_, number) => number.to_be_bytes().to_vec(),
            Self::Bytes(_, bytes) => bytes.clone(),
            Self::Address(typ, address) => address_bytes(*typ, *address, transaction),
            Self::Family(_, family) => vec![if *family == AddressFamily::V4 { 1 } else { 2 }, 0, 0, 0],
            Self::Transport(protocol) => vec![*protocol, 0, 0, 0],
            Self::Channel(number) => [&number.get().to_be_bytes()[..], &[0, 0]].concat(),
            Self::EvenPort(reserve) => vec![if *reserve { 0x80 } else { 0 }],
            Self::DontFragment => Vec::new(),
            Self::Token(token) => token.to_vec(),
            Self::UserHash(hash) => hash.to_vec(),
            Self::ErrorCode(number, reason) => [&*code([0, 0], *number), reason.as_bytes()].concat(),
            Self::AddressError(family, number) => code([family.to_u8(), 0], *number),
            Self::Icmp(icmp) => [&[0, 0, icmp.typ << 1, icmp.code][..], &icmp.data.to_be_bytes()].concat(),
            Self::Change(change) => vec![0, 0, 0, if change.ip { 4 } else { 0 } + if change.port { 2 } else { 0 }],
            Self::Port(port) => port.to_be_bytes().to_vec(),
            Self::Unknown(types) => types.iter().flat_map(|typ| typ.0.to_be_bytes()).collect(),
            Self::Algorithm(id, params) => algorithm_bytes(*id, params),
            Self::Algorithms(list) => {
                let padded = |(id, params): &(u16, Vec<u8>)| {
                    let mut bytes = algorithm_bytes(*id, params);
                    bytes.resize(bytes.len().div_ceil(4) * 4, 0);
                    bytes
                };
                list.iter().flat_map(padded).collect()
            }
        }
    }

    /// Reads the attribute of this type by its accessor, and compares.
    pub(super) fn check(&self, m: &Message<'_>) {
        match self {
            Self::Text(typ, text) => assert_eq!(read_text(m, *typ), Ok(Some(&**text))),
            Self::Number(typ, number) => assert_eq!(read_number(m, *typ), Ok(Some(*number))),
            Self::Bytes(typ, bytes) => assert_eq!(read_bytes(m, *typ), Ok(Some(&**bytes))),
            Self::Address(typ, address) => assert_eq!(read_address(m, *typ), Ok(Some(*address))),
            Self::Family(T::REQUESTED_ADDRESS_FAMILY, family) => {
                assert_eq!(m.requested_address_family(), Ok(Some(*family)));
            }
            Self::Family(_, family) => assert_eq!(m.additional_address_family(), Ok(Some(*family))),
            Self::Transport(protocol) => assert_eq!(m.requested_transport(), Ok(Some(*protocol))),
            Self::Channel(number) => assert_eq!(m.channel_number(), Ok(Some(*number))),
            Self::EvenPort(reserve) => assert_eq!(m.even_port(), Ok(Some(*reserve))),
            Self::DontFragment => assert!(m.dont_fragment()),
            Self::Token(token) => assert_eq!(m.reservation_token(), Ok(Some(*token))),
            Self::UserHash(hash) => assert_eq!(m.userhash(), Ok(Some(*hash))),
            Self::ErrorCode(code, reason) => {
                let read = m.error_code().expect("well-formed").expect("there");
                assert_eq!((read.code, read.reason), (*code, &**reason));
            }
            Self::AddressError(family, code) => {
                let read = m.address_error_code().expect("well-formed").expect("there");
                assert_eq!((read.family, read.code, read.reason), (*family, *code, ""));
            }
            Self::Icmp(icmp) => assert_eq!(m.icmp(), Ok(Some(*icmp))),
            Self::Change(change) => assert_eq!(m.change_request(), Ok(Some(*change))),
            Self::Port(port) => assert_eq!(m.response_port(), Ok(Some(*port))),
            Self::Unknown(types) => {
                let read = m.unknown_attributes().expect("well-formed").expect("there");
                assert!(read.eq(types.iter().copied()));
            }
            Self::Algorithm(id, params) => {
                assert_eq!(m.password_algorithm(), Ok(Some(PasswordAlgorithm { id: *id, params })));
            }
            Self::Algorithms(list) => {
                let read = m.password_algorithms().expect("well-formed").expect("there");
                assert!(read.eq(list.iter().map(|(id, params)| PasswordAlgorithm { id: *id, params })));
            }
        }
    }
}

/// Whatever an accessor reads out of a stranger's message, its writer writes such that it reads the same.
pub(super) fn rewrite(m: &Message<'_>) {
    let mut values = Vec::new();
    values.extend(TEXTS.iter().filter_map(|t| Some(Value::Text(*t, read_text(m, *t).ok()??.to_owned()))));
    values.extend(NUMBERS.iter().filter_map(|t| Some(Value::Number(*t, read_number(m, *t).ok()??))));
    values.extend(ADDRESSES.iter().filter_map(|t| Some(Value::Address(*t, read_address(m, *t).ok()??))));
    let of = |family: Result<Option<AddressFamily>, _>, typ| Some(Value::Family(typ, family.ok()??));
    values.extend(of(m.requested_address_family(), T::REQUESTED_ADDRESS_FAMILY));
    values.extend(of(m.additional_address_family(), T::ADDITIONAL_ADDRESS_FAMILY));
    values.extend(m.requested_transport().ok().flatten().map(Value::Transport));
    values.extend(m.channel_number().ok().flatten().map(Value::Channel));
    values.extend(m.even_port().ok().flatten().map(Value::EvenPort));
    values.extend(m.reservation_token().ok().flatten().map(Value::Token));
    values.extend(m.userhash().ok().flatten().map(Value::UserHash));
    values.extend(m.error_code().ok().flatten().map(|error| Value::ErrorCode(error.code, error.reason.to_owned())));
    let error = m.address_error_code().ok().flatten();
    values.extend(error.map(|error| Value::AddressError(error.family, error.code)));
    values.extend(m.icmp().ok().flatten().map(Value::Icmp));
    values.extend(m.change_request().ok().flatten().map(Value::Change));
    values.extend(m.response_port().ok().flatten().map(Value::Port));
    values.extend(m.unknown_attributes().ok().flatten().map(|list| Value::Unknown(list.collect())));
    let algorithm = |one: PasswordAlgorithm<'_>| (one.id, one.params.to_vec());
    let one = m.password_algorithm().ok().flatten().map(algorithm);
    values.extend(one.map(|(id, params)| Value::Algorithm(id, params)));
    let list = m.password_algorithms().ok().flatten();
    values.extend(list.map(|list| Value::Algorithms(list.map(algorithm).collect())));
    for value in values {
        let mut buf = vec![0xAA; 0x1_0040];
        let mut writer = MessageWriter::new(&mut buf, m.class(), m.method(), m.transaction_id());
        value.write(&mut writer);
        let Ok(len) = writer.finish() else {
            // Padding that the sender left out behind the last algorithm may be what does not fit.
            assert!(matches!(value, Value::Algorithms(_)), "{value:?}");
            continue;
        };
        value.check(&Message::parse(&buf[..len]).expect("what was written"));
    }
}

fn algorithm_bytes(id: u16, params: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &(params.len() as u16).to_be_bytes(), params].concat()
}

fn address_bytes(typ: T, address: SocketAddr, transaction: TransactionId) -> Vec<u8> {
    let ip = match address {
        SocketAddr::V4(v4) => v4.ip().octets().to_vec(),
        SocketAddr::V6(v6) => v6.ip().octets().to_vec(),
    };
    let mut value = vec![0, if ip.len() == 4 { 1 } else { 2 }];
    value.extend(address.port().to_be_bytes());
    value.extend(ip);
    if matches!(typ, T::XOR_PEER_ADDRESS | T::XOR_RELAYED_ADDRESS | T::XOR_MAPPED_ADDRESS) {
        let key: Vec<u8> = [0x21, 0x12, 0xA4, 0x42].into_iter().chain(transaction.0).collect();
        for (at, byte) in value[2..].iter_mut().enumerate() {
            // The port is hidden by the cookie's first half, the address by all of it from its start.
            *byte ^= key[if at < 2 { at } else { at - 2 }];
        }
    }
    value
}

fn write_text(w: &mut MessageWriter<'_>, typ: T, text: &str) {
    match typ {
        T::USERNAME => w.username(text),
        T::REALM => w.realm(text),
        T::NONCE => w.nonce(text),
        T::SOFTWARE => w.software(text),
        T::ALTERNATE_DOMAIN => w.alternate_domain(text),
        _ => w.third_party_authorization(text),
    };
}

fn read_text<'a>(m: &Message<'a>, typ: T) -> Result<Option<&'a str>, AttributeError> {
    match typ {
        T::USERNAME => m.username(),
        T::REALM => m.realm(),
        T::NONCE => m.nonce(),
        T::SOFTWARE => m.software(),
        T::ALTERNATE_DOMAIN => m.alternate_domain(),
        _ => m.third_party_authorization(),
    }
}

fn write_number(w: &mut MessageWriter<'_>, typ: T, number: u32) {
    match typ {
        T::LIFETIME => w.lifetime(number),
        T::CONNECTION_ID => w.connection_id(number),
        _ => w.cache_timeout(number),
    };
}

fn read_number(m: &Message<'_>, typ: T) -> Result<Option<u32>, AttributeError> {
    match typ {
        T::LIFETIME => m.lifetime(),
        T::CONNECTION_ID => m.connection_id(),
        _ => m.cache_timeout(),
    }
}

fn write_bytes(w: &mut MessageWriter<'_>, typ: T, bytes: &[u8]) {
    match typ {
        T::DATA => w.data(bytes),
        T::MOBILITY_TICKET => w.mobility_ticket(bytes),
        T::ACCESS_TOKEN => w.access_token(bytes),
        T::PADDING => w.padding(bytes),
        _ => w.attribute(typ, bytes),
    };
}

fn read_bytes<'a>(m: &Message<'a>, typ: T) -> Result<Option<&'a [u8]>, AttributeError> {
    match typ {
        T::DATA => m.data(),
        T::MOBILITY_TICKET => m.mobility_ticket(),
        T::ACCESS_TOKEN => m.access_token(),
        T::PADDING => m.padding(),
        _ => Ok(m.attribute(typ)),
    }
}

fn write_address(w: &mut MessageWriter<'_>, typ: T, address: SocketAddr) {
    match typ {
        T::XOR_PEER_ADDRESS => w.xor_peer_address(address),
        T::XOR_RELAYED_ADDRESS => w.xor_relayed_address(address),
        T::XOR_MAPPED_ADDRESS => w.xor_mapped_address(address),
        T::MAPPED_ADDRESS => w.mapped_address(address),
        T::ALTERNATE_SERVER => w.alternate_server(address),
        T::RESPONSE_ORIGIN => w.response_origin(address),
        _ => w.other_address(address),
    };
}

fn read_address(m: &Message<'_>, typ: T) -> Result<Option<SocketAddr>, AttributeError> {
    match typ {
        T::XOR_PEER_ADDRESS => m.xor_peer_address(),
        T::XOR_RELAYED_ADDRESS => m.xor_relayed_address(),
        T::XOR_MAPPED_ADDRESS => m.xor_mapped_address(),
        T::MAPPED_ADDRESS => m.mapped_address(),
        T::ALTERNATE_SERVER => m.alternate_server(),
        T::RESPONSE_ORIGIN => m.response_origin(),
        _ => m.other_address(),
    }
}
