//! Answers: what a request asked about how it wants to be answered, and what its answer says.

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;
use stun_codec::{AttributeError, AttributeType, BufferTooSmall, Class, Message, MessageWriter, Method, TransactionId};
use turn_auth::{Credential, IntegrityAlgorithm};

use crate::action::DropReason;

/// What an answer takes over from its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) transaction: TransactionId,
    /// An answer carries FINGERPRINT only if its request did.
    fingerprint: bool,
    /// None: the request was not authenticated, and neither is its answer.
    pub(super) integrity: Option<IntegrityAlgorithm>,
}

impl Asked {
    pub(super) fn by(request: &Message<'_>, integrity: Option<IntegrityAlgorithm>) -> Self {
        Self {
            method: request.method(),
            transaction: request.transaction_id(),
            fingerprint: request.has(AttributeType::FINGERPRINT),
            integrity,
        }
    }

    /// Writes a whole answer; `credential` signs it if the request was signed.
    pub(super) fn write<'b>(
        &self,
        class: Class,
        credential: Option<&Credential>,
        out: &'b mut [u8],
        body: impl FnOnce(&mut MessageWriter<'_>),
    ) -> Result<&'b [u8], BufferTooSmall> {
        let mut writer = MessageWriter::new(&mut *out, class, self.method, self.transaction);
        body(&mut writer);
        if let (Some(credential), Some(algorithm)) = (credential, self.integrity) {
            credential.sign(&mut writer, algorithm);
        }
        if self.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish()?;
        out.get(..len).ok_or(BufferTooSmall)
    }
}

/// What a successful request's answer carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The answer comes later.
    Pending,
    /// Nothing but the integrity.
    Empty,
    /// LIFETIME, in seconds.
    Lifetime(u32),
    /// What this allocation's Allocate answer says.
    Allocated(super::allocation::AllocationId),
    /// CONNECTION-ID.
    Connection(u32),
}

/// Why an authenticated request fails.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// An error answer with this code.
    Code(u16),
    /// 420 with these attributes.
    Unknown(SmallVec<[AttributeType; 8]>),
    /// 300 with this server.
    Alternate(SocketAddr),
    /// No answer at all.
    Silent(DropReason),
}

impl From<AttributeError> for Failure {
    fn from(_: AttributeError) -> Self {
        Self::Code(400)
    }
}

/// The phrases of RFC 8656 §19 and RFC 8489 §14.8. Only authenticated requests get to read them.
pub(super) const fn reason_phrase(code: u16) -> &'static str {
    match code {
        300 => "Try Alternate",
        400 => "Bad Request",
        401 => "Unauthenticated",
        403 => "Forbidden",
        405 => "Mobility Forbidden",
        420 => "Unknown Attribute",
        437 => "Allocation Mismatch",
        438 => "Stale Nonce",
        440 => "Address Family not Supported",
        441 => "Wrong Credentials",
        442 => "Unsupported Transport Protocol",
        443 => "Peer Address Family Mismatch",
        446 => "Connection Already Exists",
        447 => "Connection Timeout or Failure",
        486 => "Allocation Quota Reached",
        500 => "Server Error",
        508 => "Insufficient Capacity",
        _ => "",
    }
}

/// The attributes that a request or indication of a TURN server may carry; a required one beyond these is answered with 420.
pub(super) fn unknown_required(message: &Message<'_>) -> SmallVec<[AttributeType; 8]> {
    let unknown = |t: &AttributeType| t.is_comprehension_required() && !is_understood(*t);
    let mut found = SmallVec::new();
    for t in message.attributes().map(|attribute| attribute.typ).filter(unknown) {
        if !found.contains(&t) && found.len() < 8 {
            found.push(t);
        }
    }
    found
}

const fn is_understood(t: AttributeType) -> bool {
    matches!(
        t,
        AttributeType::MAPPED_ADDRESS
            | AttributeType::USERNAME
            | AttributeType::MESSAGE_INTEGRITY
            | AttributeType::ERROR_CODE
            | AttributeType::UNKNOWN_ATTRIBUTES
            | AttributeType::REALM
            | AttributeType::NONCE
            | AttributeType::MESSAGE_INTEGRITY_SHA256
            | AttributeType::PASSWORD_ALGORITHM
            | AttributeType::USERHASH
            | AttributeType::XOR_MAPPED_ADDRESS
            | AttributeType::CHANNEL_NUMBER
            | AttributeType::LIFETIME
            | AttributeType::XOR_PEER_ADDRESS
            | AttributeType::DATA
            | AttributeType::XOR_RELAYED_ADDRESS
            | AttributeType::REQUESTED_ADDRESS_FAMILY
            | AttributeType::EVEN_PORT
            | AttributeType::REQUESTED_TRANSPORT
            | AttributeType::DONT_FRAGMENT
            | AttributeType::RESERVATION_TOKEN
            | AttributeType::CONNECTION_ID
    )
}

/// Hosts of a CreatePermission request; a few are kept inline, as browsers name one.
pub(super) type Hosts = SmallVec<[IpAddr; 4]>;
