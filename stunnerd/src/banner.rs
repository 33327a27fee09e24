//! What the daemon says of itself when it starts: everything that an on-call person looks for first, and no secret.

use std::net::IpAddr;

use stun_codec::AddressFamily;
use tracing::{info, warn};
use turn_core::ListenerId;

use crate::{
    net::{Binding, BufferSizes, DescriptorLimit, LISTENER_BUFFER_BYTES, ListenerGroup},
    plan::{ListenerPlan, Plan},
    snapshot::Snapshot,
};

/// Logs what is open.
pub(crate) fn print(
    plan: &Plan,
    snapshot: &Snapshot,
    groups: &[Option<ListenerGroup>],
    workers: usize,
    limit: DescriptorLimit,
) {
    for (number, (listener, group)) in plan.listeners.iter().zip(groups).enumerate() {
        if let Some(group) = group {
            announce(plan, snapshot, number, listener, group);
        }
    }
    info!(target: "stunnerd", "authentication: {}, realm {:?}", plan.auth_type, plan.realm);
    let open = groups.iter().flatten().count();
    let capacity = match limit.relays(open * workers) {
        Some(relays) => {
            format!("room for {relays} relayed addresses ({} descriptors)", limit.descriptors.unwrap_or(relays))
        }
        None => "no limit on descriptors".to_owned(),
    };
    let many = if workers == 1 { "1 worker".to_owned() } else { format!("{workers} workers") };
    info!(target: "stunnerd", "{many}, {capacity}");
    if let Some(got) = groups.iter().flatten().map(|group| group.buffers).min_by_key(|buffers| buffers.receive) {
        report_buffers(got);
    }
}

fn announce(plan: &Plan, snapshot: &Snapshot, number: usize, listener: &ListenerPlan, group: &ListenerGroup) {
    let name = &listener.name;
    match group.binding {
        Binding::Exact | Binding::Wildcard => info!(target: "stunnerd", "listener {name:?}: UDP {}", group.local),
        Binding::NotLocal => info!(
            target: "stunnerd",
            "listener {name:?}: UDP {} (this host does not have {}, so the wildcard is bound: 1:1 NAT)",
            group.local, listener.address.ip()
        ),
    }
    let id = ListenerId(number as u16);
    let wildcard = group.local.ip().is_unspecified() && listener.address.ip().is_unspecified();
    let configured = |family| listener.relay_addresses.iter().any(|address| AddressFamily::of(address.bind) == family);
    let arrives = |family| wildcard && !configured(family) && (group.local.is_ipv6() || family == AddressFamily::V4);
    let describe = |family| match snapshot.relay_address(id, group.local.ip(), family) {
        _ if arrives(family) => "the address each request arrives on".to_owned(),
        Some(address) if address.bind == address.advertised => address.bind.to_string(),
        Some(address) => format!("{} advertised as {}", address.bind, address.advertised),
        None => "none".to_owned(),
    };
    info!(
        target: "stunnerd",
        "listener {name:?}: relays from IPv4 {}, IPv6 {}; ports {}-{}",
        describe(AddressFamily::V4), describe(AddressFamily::V6), plan.relay_ports.start(), plan.relay_ports.end()
    );
    if listener.routes.is_empty() {
        warn!(target: "stunnerd", "listener {name:?}: no route, so no peer may be reached");
    } else {
        let names: Vec<_> = listener.routes.iter().map(|route| route.name.as_str()).collect();
        info!(target: "stunnerd", "listener {name:?}: routes {}", names.join(", "));
    }
    let open = listener.routes.iter().flat_map(|route| &route.endpoints).any(|endpoint| endpoint.prefix_len() == 0);
    if open && !listener.address.ip().is_loopback() {
        warn!(
            target: "stunnerd",
            "listener {name:?}: every peer may be reached, PRIVATE NETWORKS INCLUDED (10.0.0.0/8, 192.168.0.0/16, ...): whoever has the \
             credentials can send UDP into them. Write a configuration whose routes name only your media servers"
        );
    }
    info!(target: "stunnerd", "listener {name:?}: ICE server URL turn:{}?transport=udp", url_host(listener, group));
}

/// The host and port to paste into an ICE server list.
fn url_host(listener: &ListenerPlan, group: &ListenerGroup) -> String {
    let port = listener.public_port.unwrap_or(group.local.port());
    match &listener.public {
        Some(public) => match public.parse::<IpAddr>() {
            Ok(IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
            _ => format!("{public}:{port}"),
        },
        None => match listener.address.ip() {
            ip if ip.is_unspecified() => format!("THIS-HOST:{port}"),
            IpAddr::V6(v6) => format!("[{v6}]:{port}"),
            IpAddr::V4(v4) => format!("{v4}:{port}"),
        },
    }
}

fn report_buffers(got: BufferSizes) {
    // The kernel counts twice what it grants, for its own overhead.
    let (receive, send, asked) = (got.receive / 2, got.send / 2, LISTENER_BUFFER_BYTES);
    if receive >= asked && send >= asked {
        info!(target: "stunnerd", "socket buffers: {} KiB each way", asked / 1024);
    } else {
        info!(
            target: "stunnerd",
            "socket buffers: {} KiB to receive, {} KiB to send, of {} KiB asked for; bursts may be lost. \
             sysctl -w net.core.rmem_max={asked} net.core.wmem_max={asked} gives more",
            receive / 1024, send / 1024, asked / 1024
        );
    }
}
