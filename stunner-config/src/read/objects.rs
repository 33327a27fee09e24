//! The `listeners` and `clusters` sections.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use route_policy::Endpoint;

use super::fields::{Context, Field, Object, is_name, not_a_name};
use crate::{
    Cluster, ClusterProtocol, Endpoints, Listener, ListenerAddress, NODE_ADDRESS_PLACEHOLDER, Protocol, RelayAddress,
    check_domain,
};

pub(super) fn listeners(cx: &mut Context<'_>, field: Option<Field>) -> Vec<Listener> {
    let items = cx.list(field);
    let mut names = Names::default();
    items.into_iter().map(|item| listener(cx, item, &mut names)).collect()
}

fn listener(cx: &mut Context<'_>, item: Field, names: &mut Names) -> Listener {
    let mut object = cx.object(Some(item));
    let mut listener = Listener::new(names.read(cx, &mut object, "listeners"));
    let protocol = cx.read_with(object.take("protocol"), |text| {
        Protocol::parse(text).ok_or("expected one of UDP, TCP, TLS, DTLS, TURN-UDP, TURN-TCP, TURN-TLS, TURN-DTLS")
    });
    listener.protocol = protocol.unwrap_or_default();
    let variables = cx.leaves_variables();
    let address = cx.read_with(object.take("address"), |text| address(text, variables));
    listener.address = address.unwrap_or_default();
    if let Some(port) = cx.integer(object.take("port"), "a port", 1..=u16::MAX) {
        listener.port = port;
    }
    listener.public_address = cx.read_with(object.take("public_address"), |text| public_address(text, variables));
    listener.public_port = cx.integer(object.take("public_port"), "a port", 0..=u16::MAX).filter(|port| *port != 0);
    listener.cert = pem(cx, &mut object, "cert", listener.protocol);
    listener.key = pem(cx, &mut object, "key", listener.protocol).map(Into::into);
    listener.routes = cx.names(object.take("routes"), "a cluster's name");
    let relay_field = object.take("relay_addresses");
    listener.relay_addresses = relay_addresses(cx, relay_field);
    if cx.alpha {
        // Upstream reads these and does nothing with them.
        for name in ["min_relay_port", "max_relay_port"] {
            let _: Option<i32> = cx.integer(object.take(name), "a port", 0..=65535);
        }
    }
    cx.finish(&object);
    listener
}

fn address(text: &str, variables: bool) -> Result<ListenerAddress, &'static str> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(ListenerAddress::Ip(ip)),
        Err(_) if text.eq_ignore_ascii_case("localhost") => Ok(ListenerAddress::Localhost),
        Err(_) if text == NODE_ADDRESS_PLACEHOLDER => Ok(ListenerAddress::NodePlaceholder),
        Err(_) if variables && text.contains('$') => Ok(ListenerAddress::Variable(text.to_owned())),
        Err(_) => Err("expected an IPv4 or IPv6 address or `localhost`"),
    }
}

fn public_address(text: &str, variables: bool) -> Result<String, &'static str> {
    let left = text == NODE_ADDRESS_PLACEHOLDER || variables && text.contains('$') && is_name(text);
    let good = left || text.parse::<IpAddr>().is_ok() || check_domain(text).is_ok();
    good.then(|| text.to_owned()).ok_or("expected an IPv4 or IPv6 address or a host name")
}

/// Text that stands in the document as the base64 of PEM. Neither certificate nor key is shown in a message.
fn pem(cx: &mut Context<'_>, object: &mut Object, name: &'static str, protocol: Protocol) -> Option<String> {
    let path = object.child(name);
    let Some(text) = cx.text(object.take(name)) else {
        if protocol.is_secure() && !cx.problems.iter().any(|problem| problem.path == path) {
            cx.problem(path, format!("missing, {protocol} needs it: the base64 of PEM text"));
        }
        return None;
    };
    let decoder = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let compact: String = text.value.split_ascii_whitespace().collect();
    let decoded = decoder.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    if decoded.is_none() {
        let hint = if text.value.contains("-----BEGIN") { ": this is PEM itself, encode it once more" } else { "" };
        cx.problem(path, format!("expected the base64 of PEM text{hint}"));
    }
    decoded
}

fn relay_addresses(cx: &mut Context<'_>, field: Option<Field>) -> Vec<RelayAddress> {
    let mut all: Vec<RelayAddress> = Vec::new();
    for item in cx.list(field) {
        let path = item.path.clone();
        let Some(relay) = cx.parsed::<RelayAddress>(Some(item)) else {
            continue;
        };
        if all.iter().any(|known| known.bind().is_ipv4() == relay.bind().is_ipv4()) {
            let family = if relay.bind().is_ipv4() { "IPv4" } else { "IPv6" };
            cx.problem(
                path,
                format!("\"{relay}\" is the second one of {family}, expected at most one per address family"),
            );
        }
        all.push(relay);
    }
    all
}

pub(super) fn clusters(cx: &mut Context<'_>, field: Option<Field>) -> Vec<Cluster> {
    let items = cx.list(field);
    let mut names = Names::default();
    items.into_iter().map(|item| cluster(cx, item, &mut names)).collect()
}

fn cluster(cx: &mut Context<'_>, item: Field, names: &mut Names) -> Cluster {
    let mut object = cx.object(Some(item));
    let name = names.read(cx, &mut object, "clusters");
    let dns = cx.one_of(object.take("type"), &[false, true], |dns| if dns { "STRICT_DNS" } else { "STATIC" });
    let protocol = cx.one_of(object.take("protocol"), &ClusterProtocol::ALL, ClusterProtocol::name).unwrap_or_default();
    let items = object.take("endpoints");
    let endpoints = if dns.unwrap_or(false) {
        let domain = |text: &str| check_domain(text).map(|()| text.to_ascii_lowercase());
        Endpoints::StrictDns(sorted(cx, items, domain))
    } else {
        Endpoints::Static(sorted(cx, items, str::parse::<Endpoint>))
    };
    cx.finish(&object);
    Cluster { name, endpoints, protocol }
}

fn sorted<T: Ord, E: Display>(
    cx: &mut Context<'_>,
    field: Option<Field>,
    read: impl Fn(&str) -> Result<T, E>,
) -> Vec<T> {
    let mut all = Vec::new();
    for item in cx.list(field) {
        let path = item.path.clone();
        match cx.text_or_empty(Some(item)).map(|text| (read(&text.value), text.value)) {
            Some((Ok(value), _)) => all.push(value),
            Some((Err(error), text)) => cx.problem(path, format!("{}: {error}", crate::tree::Tree::Text(text).shown())),
            None => {}
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The names of a section's objects so far, and which object has them.
#[derive(Default)]
struct Names(HashMap<String, usize>, usize);

impl Names {
    fn read(&mut self, cx: &mut Context<'_>, object: &mut Object, section: &str) -> String {
        let at = self.1;
        self.1 += 1;
        let path = object.child("name");
        let problems = cx.problems.len();
        let Some(name) = cx.text(object.take("name")) else {
            if cx.problems.len() == problems {
                cx.problem(path, "missing, expected a name");
            }
            return String::new();
        };
        if !is_name(&name.value) {
            cx.problem(path, not_a_name(&name.value, "a name"));
        } else if let Some(first) = self.0.get(&name.value) {
            cx.problem(path, format!("{:?} is the name of {section}[{first}] too, expected unique names", name.value));
        } else {
            self.0.insert(name.value.clone(), at);
        }
        name.value
    }
}
