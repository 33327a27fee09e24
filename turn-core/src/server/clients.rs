//! Which allocation a client has: looked up for every packet.

use std::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;

use super::allocation::AllocationId;
use crate::types::{ClientId, ClientKey};

/// The index by client.
///
/// Packets of strangers look things up in it, but only authenticated clients are entered. The hashes are seeded all the same, so that
/// a user cannot choose five-tuples that collide.
#[derive(Default)]
pub(super) struct Clients {
    /// Five-tuples of IPv4, in two words. Half the size of the others' entries, so that twice as many stay in the cache; it is what
    /// nearly all clients are.
    v4: HashMap<[u64; 2], AllocationId, foldhash::fast::RandomState>,
    others: HashMap<ClientKey, AllocationId, foldhash::fast::RandomState>,
}

impl Clients {
    #[inline]
    pub(super) fn get(&self, client: &ClientId) -> Option<AllocationId> {
        match v4_key(client) {
            Some(key) => self.v4.get(&key),
            None => self.others.get(&client.key()),
        }
        .copied()
    }

    pub(super) fn insert(&mut self, client: &ClientId, id: AllocationId) {
        match v4_key(client) {
            Some(key) => self.v4.insert(key, id),
            None => self.others.insert(client.key(), id),
        };
    }

    pub(super) fn remove(&mut self, client: &ClientId) {
        match v4_key(client) {
            Some(key) => self.v4.remove(&key),
            None => self.others.remove(&client.key()),
        };
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.others.len()
    }
}

#[inline]
fn v4_key(client: &ClientId) -> Option<[u64; 2]> {
    let ClientId::Udp(five_tuple) = client else { return None };
    let word = |address: SocketAddr, low: u16| match address.ip() {
        IpAddr::V4(ip) => Some(u64::from(u32::from(ip)) << 32 | u64::from(address.port()) << 16 | u64::from(low)),
        IpAddr::V6(_) => None,
    };
    Some([word(five_tuple.client, five_tuple.listener.0)?, word(five_tuple.local, 0)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{FiveTuple, ListenerId, StreamClient, StreamId};

    #[test]
    fn every_part_of_a_client_tells_it_from_others() {
        let udp = |listener, client: &str, local: &str| {
            let (client, local) = (client.parse().expect("an address"), local.parse().expect("an address"));
            ClientId::Udp(FiveTuple { listener: ListenerId(listener), client, local })
        };
        let stream = |index| {
            let (client, local) = (([192, 0, 2, 1], 4000).into(), ([203, 0, 113, 1], 3478).into());
            let stream = StreamId::new(index, 0);
            ClientId::Stream(StreamClient { listener: ListenerId(0), stream, client, local })
        };
        let all = [
            udp(0, "192.0.2.1:4000", "203.0.113.1:3478"),
            udp(1, "192.0.2.1:4000", "203.0.113.1:3478"),
            udp(0, "192.0.2.2:4000", "203.0.113.1:3478"),
            udp(0, "192.0.2.1:4001", "203.0.113.1:3478"),
            udp(0, "192.0.2.1:4000", "203.0.113.2:3478"),
            udp(0, "192.0.2.1:4000", "203.0.113.1:3479"),
            udp(0, "[2001:db8::1]:4000", "[2001:db8::9]:3478"),
            udp(0, "[2001:db8::1]:4000", "[2001:db8::8]:3478"),
            udp(0, "[::192.0.2.1]:4000", "203.0.113.1:3478"),
            stream(0),
            stream(1),
        ];
        let mut clients = Clients::default();
        for (at, client) in all.iter().enumerate() {
            assert_eq!(clients.get(client), None, "{client:?}");
            clients.insert(client, (at as u32, 0));
        }
        for (at, client) in all.iter().enumerate() {
            assert_eq!(clients.get(client), Some((at as u32, 0)));
        }
        assert_eq!(clients.len(), all.len());
        all.iter().for_each(|client| clients.remove(client));
        assert_eq!(clients.len(), 0);
    }
}
