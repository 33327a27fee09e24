//! From a STUN message to its answer: authentication, attributes, methods (RFC 8489 §6.3, §9.2.4; RFC 8656 §5).

use rand_core::Rng;
use stun_codec::{Class, Fingerprint, Message, Method};
use turn_auth::{AuthError, Verified};

use super::{
    Server, allocate,
    allocation::AllocationId,
    answer::{Asked, Done, Failure, reason_phrase, unknown_required},
    recent,
};
use crate::{
    action::{ClientAction, DropReason},
    policy::Policy,
    types::{ClientId, ClientKey, Now},
};

/// An authenticated request and what belongs to it.
pub(super) struct Request<'r> {
    pub(super) client: &'r ClientId,
    pub(super) key: ClientKey,
    pub(super) message: &'r Message<'r>,
    pub(super) asked: Asked,
    /// The client's allocation.
    pub(super) id: Option<AllocationId>,
}

impl Server {
    pub(super) fn stun<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        datagram: &'d [u8],
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let message = match Message::parse(datagram) {
            Ok(message) => message,
            Err(error) => return ClientAction::Drop(DropReason::Malformed(error)),
        };
        if message.fingerprint() == Fingerprint::Invalid {
            return ClientAction::Drop(DropReason::BadFingerprint);
        }
        match (message.class(), message.method()) {
            (Class::Request, Method::Binding) => self.binding(policy, now, client, &message, out),
            (Class::Request, method) if is_served(method) => self.request(policy, now, client, &message, out),
            (Class::Request, _) => ClientAction::Drop(DropReason::UnknownMethod),
            (Class::Indication, Method::Send) => match self.send_indication(policy, now.mono, client, &message) {
                Ok(to_peer) => ClientAction::ToPeer(to_peer),
                Err(reason) => ClientAction::Drop(reason),
            },
            _ => ClientAction::Drop(DropReason::UnexpectedClass),
        }
    }

    /// Binding (RFC 8489 §3): answered without authentication, so with nothing but what the RFC demands.
    fn binding<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        message: &Message<'_>,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        if let Err(reason) = self.may_answer_stranger(policy, now, client) {
            return ClientAction::Drop(reason);
        }
        let asked = Asked::by(message, None);
        let unknown = unknown_required(message);
        let written = if unknown.is_empty() {
            asked.write(Class::Success, None, out, |w| {
                w.xor_mapped_address(client.address());
            })
        } else {
            asked.write(Class::Error, None, out, |w| {
                w.error_code(420, "").unknown_attributes(unknown.iter().copied());
            })
        };
        written.map_or(ClientAction::Drop(DropReason::ReplyBuffer), ClientAction::Reply)
    }

    /// A TURN request: authentication, then the attributes, then the method (RFC 8489 §6.3, §9.2.4; RFC 8656 §5).
    fn request<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        message: &Message<'_>,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let key = client.key();
        let id = self.clients.get(client);
        let kept = id.and_then(|id| self.allocations.get(id.0, id.1)).map(|allocation| &allocation.credential);
        let verified = match policy.authenticate(message, client, now.unix, kept) {
            Ok(verified) => verified,
            Err(error) => return self.challenge(policy, now, client, message, error, out),
        };
        let asked = Asked::by(message, Some(verified.integrity));
        let request = Request { client, key, message, asked, id };
        let outcome = self.dispatch(policy, now, &request, &verified);
        if let (Method::Allocate, Err(Failure::Code(code))) = (asked.method, &outcome) {
            self.recent.put(key, asked.transaction, recent::Outcome::Failed(*code));
        }
        self.answer(&request, &verified, outcome, out)
    }

    fn dispatch<P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        request: &Request<'_>,
        verified: &Verified,
    ) -> Result<Done, Failure> {
        let unknown = unknown_required(request.message);
        if !unknown.is_empty() {
            return Err(Failure::Unknown(unknown));
        }
        if request.asked.method == Method::Allocate {
            return self.allocate(policy, now, request, verified);
        }
        if request.asked.method == Method::ConnectionBind {
            return self.connection_bind(request, verified);
        }
        let Some(id) = request.id else {
            let deleted = Some(recent::Outcome::Deleted);
            let again = request.asked.method == Method::Refresh
                && self.recent.get(&request.key, &request.asked.transaction) == deleted;
            return if again { Ok(Done::Lifetime(0)) } else { Err(Failure::Code(437)) };
        };
        let Some(allocation) = self.allocations.get_mut(id.0, id.1) else {
            return Err(Failure::Code(437));
        };
        if allocation.credential.user_id() != verified.credential.user_id() {
            return Err(Failure::Code(441));
        }
        // While it is being opened the client does not know of it, and it must not be deleted under its opener's feet.
        if !allocation.is_live() {
            return Err(Failure::Code(437));
        }
        // The same user with a newer stamp: the allocation goes on under the credential that was used last.
        allocation.credential = verified.credential.clone();
        match request.asked.method {
            Method::Refresh => self.refresh(now, id, request),
            Method::CreatePermission => self.create_permission(policy, now, id, request),
            Method::ChannelBind => self.channel_bind(policy, now, id, request),
            Method::Connect => self.connect(policy, now, id, request),
            _ => Err(Failure::Code(400)),
        }
    }

    /// Writes the answer to an authenticated request.
    fn answer<'d, 'b>(
        &self,
        request: &Request<'_>,
        verified: &Verified,
        outcome: Result<Done, Failure>,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        let credential = Some(&verified.credential);
        let asked = &request.asked;
        let written = match outcome {
            Ok(Done::Pending) => return ClientAction::Pending,
            Err(Failure::Silent(reason)) => return ClientAction::Drop(reason),
            Ok(Done::Empty) => asked.write(Class::Success, credential, out, |_| ()),
            Ok(Done::Lifetime(seconds)) => asked.write(Class::Success, credential, out, |w| {
                w.lifetime(seconds);
            }),
            Ok(Done::Connection(connection)) => asked.write(Class::Success, credential, out, |w| {
                w.connection_id(connection);
            }),
            Ok(Done::Allocated(id)) => {
                let Some(allocation) = self.allocations.get(id.0, id.1) else {
                    return ClientAction::Drop(DropReason::NoAllocation);
                };
                asked.write(Class::Success, credential, out, |w| allocate::describe(allocation, w))
            }
            Err(Failure::Code(code)) => asked.write(Class::Error, credential, out, |w| {
                w.error_code(code, reason_phrase(code));
            }),
            Err(Failure::Unknown(unknown)) => asked.write(Class::Error, credential, out, |w| {
                w.error_code(420, reason_phrase(420)).unknown_attributes(unknown.iter().copied());
            }),
            Err(Failure::Alternate(server)) => asked.write(Class::Error, credential, out, |w| {
                w.error_code(300, reason_phrase(300)).alternate_server(server);
            }),
        };
        written.map_or(ClientAction::Drop(DropReason::ReplyBuffer), ClientAction::Reply)
    }

    /// Answers a request that failed its authentication: no integrity, no reason phrase, and rarely enough.
    fn challenge<'d, 'b, P: Policy>(
        &mut self,
        policy: &P,
        now: Now,
        client: &ClientId,
        message: &Message<'_>,
        error: AuthError,
        out: &'b mut [u8],
    ) -> ClientAction<'d, 'b> {
        if let Err(reason) = self.may_answer_stranger(policy, now, client) {
            return ClientAction::Drop(reason);
        }
        let salt = self.rng.next_u32().to_ne_bytes();
        let asked = Asked::by(message, None);
        let id = self.clients.get(client);
        let kept = id.and_then(|id| self.allocations.get(id.0, id.1)).map(|allocation| &allocation.credential);
        let written = asked.write(Class::Error, None, out, |w| {
            w.error_code(error.code(), "");
            if matches!(error.code(), 401 | 438) {
                policy.challenge(client, now.unix, salt, kept, w);
            }
        });
        written.map_or(ClientAction::Drop(DropReason::ReplyBuffer), ClientAction::Reply)
    }

    fn may_answer_stranger<P: Policy>(&mut self, policy: &P, now: Now, client: &ClientId) -> Result<(), DropReason> {
        // A stream's address is proven by its handshake.
        if client.is_stream() {
            return Ok(());
        }
        if matches!(client.address().port(), 0 | 7 | 19 | 53 | 123 | 1900) {
            return Err(DropReason::ReflectionPort);
        }
        let rate = policy.limits().unauthenticated_answers_per_second;
        if self.limiter.take(client.address().ip(), now.mono, rate) { Ok(()) } else { Err(DropReason::AnswerLimit) }
    }
}

const fn is_served(method: Method) -> bool {
    matches!(
        method,
        Method::Allocate
            | Method::Refresh
            | Method::CreatePermission
            | Method::ChannelBind
            | Method::Connect
            | Method::ConnectionBind
    )
}
