//! Writing requests.

use core::time::Duration;

use stun_codec::{AddressFamily, Class, MessageWriter, TransactionId};

use super::config::{Families, RelayRequest};
use super::session::Signer;
use super::timers::Timer;
use super::transactions::{NewTransaction, Operation};
use super::{Client, RequestError};
use crate::Instant;

/// The longest request: the longest user name, realm and nonce that RFC 8489 allows, and sixteen IPv6 peers.
const REQUEST_BUFFER: usize = 4096;

/// IP protocol number in REQUESTED-TRANSPORT (RFC 8656 §18.8).
const UDP: u8 = 17;

impl Client {
    /// Writes the request and queues it, if `keep_free` slots are left to others.
    pub(super) fn begin(&mut self, now: Instant, operation: Operation, keep_free: usize) -> Result<(), RequestError> {
        let slot = self.transactions.vacant(keep_free).ok_or(RequestError::TooManyOutstanding)?;
        self.begin_at(now, slot, operation, 0)
    }

    pub(super) fn begin_at(
        &mut self,
        now: Instant,
        slot: u8,
        operation: Operation,
        challenges: u8,
    ) -> Result<(), RequestError> {
        let id = self.rng.transaction_id();
        let (bytes, signer) = self.write(id, &operation).ok_or(RequestError::TooLong)?;
        let new = NewTransaction { id, operation, bytes, signer, challenges };
        let due = self.transactions.begin(now, slot, new);
        self.timers.arm(due, Timer::Transaction(slot));
        Ok(())
    }

    fn write(&self, id: TransactionId, operation: &Operation) -> Option<(Box<[u8]>, Option<Signer>)> {
        let mut buf = [0; REQUEST_BUFFER];
        let mut writer = MessageWriter::new(&mut buf, Class::Request, operation.method(), id);
        match operation {
            Operation::Allocate => self.write_allocate(&mut writer),
            Operation::Refresh { lifetime, .. } => {
                if let Some(lifetime) = lifetime.or(self.config.lifetime) {
                    writer.lifetime(seconds(lifetime));
                }
            }
            Operation::Release(family) => {
                writer.lifetime(0).requested_address_family(*family);
            }
            Operation::Close => {
                writer.lifetime(0);
            }
            Operation::Permission { peers, .. } => {
                for peer in peers {
                    writer.xor_peer_address((*peer, 0).into());
                }
            }
            Operation::Channel { number, peer, .. } => {
                writer.channel_number(*number).xor_peer_address(*peer);
            }
        }
        let signer = match (&self.session, &self.config.credentials) {
            (Some(session), Some(credentials)) => Some(session.sign(credentials.username(), &mut writer)),
            _ => None,
        };
        if self.config.fingerprint {
            writer.fingerprint();
        }
        let len = writer.finish().ok()?;
        Some((buf.get(..len)?.into(), signer))
    }

    fn write_allocate(&self, writer: &mut MessageWriter<'_>) {
        writer.requested_transport(UDP);
        if let Some(lifetime) = self.config.lifetime {
            writer.lifetime(seconds(lifetime));
        }
        if self.config.dont_fragment {
            writer.dont_fragment();
        }
        let family = |writer: &mut MessageWriter<'_>, family: Option<AddressFamily>| {
            if let Some(family) = family {
                writer.requested_address_family(family);
            }
        };
        match self.config.relay {
            RelayRequest::AnyPort(Families::ServerDefault) => {}
            RelayRequest::AnyPort(Families::One(one)) => family(writer, Some(one)),
            RelayRequest::AnyPort(Families::Both) => {
                // RFC 8656 §7.1: the attribute names the family that comes on top of IPv4.
                writer.additional_address_family(AddressFamily::V6);
            }
            RelayRequest::EvenPort(one) => {
                writer.even_port(false);
                family(writer, one);
            }
            RelayRequest::EvenPortAndReserveNext(one) => {
                writer.even_port(true);
                family(writer, one);
            }
            RelayRequest::Reserved(token) => {
                writer.reservation_token(&token);
            }
        }
    }
}

fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}
