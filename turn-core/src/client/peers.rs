//! Permissions and channels: what the server was asked to let through, and until when it will.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use stun_codec::ChannelNumber;

use crate::Instant;

/// Lifetime of a permission (RFC 8656 §9).
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// When a permission is asked for again: what browsers do, and early enough for a whole round of retransmissions.
const PERMISSION_REFRESH: Duration = Duration::from_secs(240);
/// Lifetime of a channel binding (RFC 8656 §12).
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// When a channel is bound again.
const CHANNEL_REFRESH: Duration = Duration::from_secs(540);
/// After its expiry neither number nor peer of a channel may be paired otherwise for this long (RFC 8656 §12).
const CHANNEL_COOL_DOWN: Duration = Duration::from_secs(300);

/// What is to be done about a permission or channel whose timer fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due<T> {
    /// Nothing.
    Nothing,
    /// Ask the server again.
    Renew(T),
}

#[derive(Clone, Copy, Debug)]
struct Permission {
    /// Until when the server lets the peer through; none before the first success.
    expires: Option<Instant>,
    /// Whether to ask again before it expires.
    keep: bool,
    due: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: ChannelNumber,
    bound: bool,
    keep: bool,
    /// End of the binding while bound, else end of the cool-down; never while the first request is under way.
    expires: Instant,
    due: Instant,
}

/// State of a number, read for each ChannelData that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Free,
    /// Bound, or the request is under way: the server may already use it.
    Open(SocketAddr),
    Cooling,
}

#[derive(Debug)]
pub(super) struct Peers {
    // The caller chooses the keys of both maps, and data of a peer that is in neither goes no further than a look-up. The hash is
    // keyed all the same, for a caller that takes its peers from strangers' candidates.
    permissions: HashMap<IpAddr, Permission, FixedState>,
    channels: HashMap<SocketAddr, Channel, FixedState>,
    /// By number, counted from 0x4000.
    numbers: Vec<Number>,
}

impl Peers {
    pub(super) fn new(hash_key: u64) -> Self {
        let hash = FixedState::with_seed(hash_key);
        Self {
            permissions: HashMap::with_hasher(hash.clone()),
            channels: HashMap::with_hasher(hash),
            numbers: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.permissions.clear();
        self.channels.clear();
        self.numbers.clear();
    }

    // --- permissions ---

    pub(super) fn is_permitted(&self, host: IpAddr) -> bool {
        self.permissions.contains_key(&host)
    }

    pub(super) fn permission_due(&self, host: IpAddr) -> Option<Instant> {
        self.permissions.get(&host).map(|permission| permission.due)
    }

    /// A request that names this host goes out.
    pub(super) fn permission_requested(&mut self, host: IpAddr) {
        let new = Permission { expires: None, keep: true, due: Instant::NEVER };
        self.permissions.entry(host).or_insert(new).keep = true;
    }

    /// The request that began at `begun` succeeded. Answers when to look again.
    pub(super) fn permission_granted(&mut self, host: IpAddr, begun: Instant) -> Instant {
        // One that ran out while it was asked for again counts as wanted.
        let new = Permission { expires: None, keep: true, due: Instant::NEVER };
        let permission = self.permissions.entry(host).or_insert(new);
        let expires = begun + PERMISSION_LIFETIME;
        permission.expires = Some(expires);
        permission.due = if permission.keep { begun + PERMISSION_REFRESH } else { expires };
        permission.due
    }

    /// The server refused it: it is gone.
    pub(super) fn permission_refused(&mut self, host: IpAddr) {
        self.permissions.remove(&host);
    }

    /// No answer. A permission that is still alive may be asked for again at `at`; answers when to look, or none if it is gone.
    pub(super) fn permission_unanswered(&mut self, host: IpAddr, now: Instant, at: Instant) -> Option<Instant> {
        if self.permissions.get(&host)?.expires.is_none_or(|expires| expires <= now) {
            self.permissions.remove(&host);
            return None;
        }
        self.permission_postponed(host, at)
    }

    /// No longer keeps it alive. Answers when to look again.
    pub(super) fn drop_permission(&mut self, host: IpAddr) -> Option<Instant> {
        let permission = self.permissions.get_mut(&host)?;
        permission.keep = false;
        permission.due = permission.expires?;
        Some(permission.due)
    }

    pub(super) fn permission_timer(&mut self, host: IpAddr, now: Instant) -> Due<IpAddr> {
        let Some(permission) = self.permissions.get_mut(&host) else { return Due::Nothing };
        match permission.expires {
            Some(expires) if now < expires && permission.keep => {
                permission.due = expires;
                Due::Renew(host)
            }
            Some(expires) if now < expires => Due::Nothing,
            _ => {
                self.permissions.remove(&host);
                Due::Nothing
            }
        }
    }

    /// There was no room for the request: look again at `at`, or when the permission is over.
    pub(super) fn permission_postponed(&mut self, host: IpAddr, at: Instant) -> Option<Instant> {
        let permission = self.permissions.get_mut(&host)?;
        permission.due = at.min(permission.expires?);
        Some(permission.due)
    }

    // --- channels ---

    /// Where data on this channel comes from.
    #[inline]
    pub(super) fn peer_of(&self, number: ChannelNumber) -> Option<SocketAddr> {
        match self.numbers.get(index_of(number)) {
            Some(Number::Open(peer)) => Some(*peer),
            _ => None,
        }
    }

    /// The number that stands for this peer, if the server has said so.
    #[inline]
    pub(super) fn bound(&self, peer: SocketAddr) -> Option<ChannelNumber> {
        // Most callers have a handful of channels or none.
        if self.channels.is_empty() {
            return None;
        }
        self.channels.get(&peer).filter(|channel| channel.bound).map(|channel| channel.number)
    }

    pub(super) fn channel_due(&self, peer: SocketAddr) -> Option<Instant> {
        self.channels.get(&peer).map(|channel| channel.due)
    }

    /// A ChannelBind for this peer is to go out: with the number it has or had, or the next one.
    pub(super) fn channel_requested(&mut self, peer: SocketAddr) -> Option<ChannelNumber> {
        if let Some(channel) = self.channels.get_mut(&peer) {
            channel.keep = true;
            if !channel.bound {
                channel.due = Instant::NEVER;
            }
            if let Some(slot) = self.numbers.get_mut(index_of(channel.number)) {
                *slot = Number::Open(peer);
            }
            return Some(channel.number);
        }
        let number = self.take_number(peer)?;
        let channel = Channel { number, bound: false, keep: true, expires: Instant::NEVER, due: Instant::NEVER };
        self.channels.insert(peer, channel);
        Some(number)
    }

    /// Numbers go up from 0x4000; only when all were used once is a free one looked for.
    fn take_number(&mut self, peer: SocketAddr) -> Option<ChannelNumber> {
        let index = match self.numbers.len() {
            len if number_at(len).is_some() => {
                self.numbers.push(Number::Free);
                len
            }
            _ => self.numbers.iter().position(|slot| *slot == Number::Free)?,
        };
        *self.numbers.get_mut(index)? = Number::Open(peer);
        number_at(index)
    }

    /// The request that began at `begun` succeeded. Answers when to look again.
    pub(super) fn channel_bound(&mut self, peer: SocketAddr, begun: Instant) -> Option<Instant> {
        let channel = self.channels.get_mut(&peer)?;
        channel.bound = true;
        channel.expires = begun + CHANNEL_LIFETIME;
        channel.due = if channel.keep { begun + CHANNEL_REFRESH } else { channel.expires };
        Some(channel.due)
    }

    /// The server refused the binding: number and peer are free unless they were bound just now.
    pub(super) fn channel_refused(&mut self, peer: SocketAddr) -> Option<Instant> {
        let channel = *self.channels.get(&peer)?;
        if channel.bound {
            return self.cool_down(peer, channel.expires);
        }
        if let Some(slot) = self.numbers.get_mut(index_of(channel.number)) {
            *slot = Number::Free;
        }
        self.channels.remove(&peer);
        None
    }

    /// No answer. A binding that is still alive may be asked for again at `at`; of another the server may have heard, so that it
    /// cools down as if it had been bound just now. Answers whether it is alive, and when to look again.
    pub(super) fn channel_unanswered(
        &mut self,
        peer: SocketAddr,
        now: Instant,
        at: Instant,
    ) -> Option<(bool, Instant)> {
        let channel = self.channels.get(&peer)?;
        if channel.bound && now < channel.expires {
            return Some((true, self.channel_postponed(peer, at)?));
        }
        Some((false, self.cool_down(peer, now + CHANNEL_LIFETIME)?))
    }

    /// No longer keeps it alive. Answers when to look again.
    pub(super) fn drop_channel(&mut self, peer: SocketAddr) -> Option<Instant> {
        let channel = self.channels.get_mut(&peer)?;
        channel.keep = false;
        if channel.bound {
            channel.due = channel.expires;
        }
        Some(channel.due)
    }

    pub(super) fn channel_timer(&mut self, peer: SocketAddr, now: Instant) -> Due<(ChannelNumber, SocketAddr)> {
        let Some(channel) = self.channels.get_mut(&peer) else { return Due::Nothing };
        if now < channel.expires {
            if channel.bound && channel.keep {
                channel.due = channel.expires;
                return Due::Renew((channel.number, peer));
            }
            return Due::Nothing;
        }
        if !channel.bound {
            if let Some(slot) = self.numbers.get_mut(index_of(channel.number)) {
                *slot = Number::Free;
            }
            self.channels.remove(&peer);
        }
        Due::Nothing
    }

    /// A binding whose time is over begins its cool-down. Answers when that ends.
    pub(super) fn channel_expired(&mut self, peer: SocketAddr, now: Instant) -> Option<Instant> {
        let channel = self.channels.get(&peer)?;
        if channel.bound && channel.expires <= now { self.cool_down(peer, channel.expires) } else { None }
    }

    /// There was no room for the request: look again at `at`, or when the binding is over.
    pub(super) fn channel_postponed(&mut self, peer: SocketAddr, at: Instant) -> Option<Instant> {
        let channel = self.channels.get_mut(&peer)?;
        channel.due = at.min(channel.expires);
        Some(channel.due)
    }

    fn cool_down(&mut self, peer: SocketAddr, binding_ends: Instant) -> Option<Instant> {
        let channel = self.channels.get_mut(&peer)?;
        channel.bound = false;
        channel.keep = false;
        channel.expires = binding_ends + CHANNEL_COOL_DOWN;
        channel.due = channel.expires;
        if let Some(slot) = self.numbers.get_mut(index_of(channel.number)) {
            *slot = Number::Cooling;
        }
        Some(channel.due)
    }
}

fn index_of(number: ChannelNumber) -> usize {
    usize::from(number.get() - ChannelNumber::MIN.get())
}

/// The number at an index, as long as RFC 8656 §12 has one.
fn number_at(index: usize) -> Option<ChannelNumber> {
    let number = u16::try_from(index).ok()?.checked_add(ChannelNumber::MIN.get())?;
    ChannelNumber::new(number).filter(|number| number.is_rfc8656())
}
