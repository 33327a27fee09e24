//! Printing a configuration and parsing it gives an equal one.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use stunner_config::*;

/// Text that YAML readers like to take for something else, and text of any kind without control characters.
fn text() -> impl Strategy<Value = String> {
    let odd = [
        "yes",
        "null",
        "~",
        "0123",
        "1_000",
        "1.5",
        "0x1f",
        "true",
        "- x",
        "a: b",
        "#x",
        " x ",
        "'",
        "\"",
        "{}",
        "*a",
        "&a",
        "!!str",
        "%",
        "@",
        "|",
        ">",
        "$HOME",
        "${X}",
        "=",
        "<<",
        "a\\n",
        "2001-01-01",
        "1e3",
        ".inf",
        "---",
        "...",
    ];
    prop_oneof![select(odd.to_vec()).prop_map(str::to_owned), "[a-z/-]{1,12}", "\\PC{1,12}"]
}

fn name() -> impl Strategy<Value = String> {
    text().prop_filter("names have no control characters", |text| !text.chars().any(char::is_control))
}

/// Credentials may hold anything.
fn secret() -> impl Strategy<Value = Secret> {
    prop_oneof![text(), "(?s).{0,12}"].prop_map(Secret::from)
}

fn ip() -> impl Strategy<Value = std::net::IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| std::net::IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| std::net::IpAddr::V6(bits.into()))
    ]
}

fn ports() -> impl Strategy<Value = PortRange> {
    (1u16.., 0u16..).prop_map(|(first, span)| PortRange::new(first, first.saturating_add(span)).unwrap())
}

fn url() -> impl Strategy<Value = HttpEndpoint> {
    let host = select(vec!["", "127.0.0.1", "::1", "example.org"]);
    let path = select(vec!["/", "/metrics", "/a/b"]);
    (host, 1u16.., path).prop_map(|(host, port, path)| HttpEndpoint {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

fn admin() -> impl Strategy<Value = Admin> {
    let limit = || proptest::option::of(1..=u32::MAX);
    let limits = (limit(), limit(), limit(), limit(), limit(), limit(), limit()).prop_map(
        |(
            allocations,
            allocations_per_user,
            allocations_per_source,
            permissions,
            channels,
            connections,
            unauthenticated_answers_per_second,
        )| Limits {
            allocations,
            allocations_per_user,
            allocations_per_source,
            permissions,
            channels,
            connections,
            unauthenticated_answers_per_second,
        },
    );
    let levels = select(vec!["all:INFO", "all:WARN,turn:TRACE", "listener-a/b/c:DEBUG"])
        .prop_map(|levels| levels.parse::<LogLevels>().unwrap());
    let license = (secret(), secret()).prop_map(|(key, hmac)| License { key, hmac });
    let urls = (proptest::option::of(url()), proptest::option::of(url()));
    let engine = select(vec![OffloadEngine::None, OffloadEngine::Xdp, OffloadEngine::Tc, OffloadEngine::Auto]);
    let interfaces = prop::collection::btree_set(name(), 0..3);
    let rest = (proptest::option::of(license), proptest::option::of(ports()), any::<bool>(), limits);
    (name(), levels, urls, any::<u32>(), engine, interfaces, rest).prop_map(
        |(name, loglevel, urls, user_quota, offload_engine, interfaces, rest)| Admin {
            name,
            loglevel,
            metrics_endpoint: urls.0,
            healthcheck_endpoint: urls.1,
            user_quota,
            offload_engine,
            offload_interfaces: interfaces.into_iter().collect(),
            license_config: rest.0,
            relay_port_range: rest.1,
            strict_channel_numbers: rest.2,
            limits: rest.3,
        },
    )
}

fn auth() -> impl Strategy<Value = Auth> {
    let credentials = prop_oneof![
        Just(Credentials::None),
        (text(), secret()).prop_map(|(username, password)| Credentials::Static { username, password }),
        prop::collection::vec(secret(), 1..4).prop_map(|secrets| Credentials::Ephemeral { secrets }),
    ];
    let removal = select(vec![OnRemoval::Keep, OnRemoval::RefuseRefresh, OnRemoval::Cut]);
    let key = proptest::option::of("[!-~]{16,40}".prop_map(Secret::from));
    (credentials, name(), key, 10u64..=86400, any::<bool>(), removal).prop_map(
        |(credentials, realm, nonce_key, seconds, strict_expiry, on_removal)| Auth {
            credentials,
            realm,
            nonce_key,
            nonce_lifetime: Duration::from_secs(seconds),
            strict_expiry,
            on_removal,
        },
    )
}

fn listener() -> impl Strategy<Value = Listener> {
    let address = prop_oneof![
        ip().prop_map(ListenerAddress::Ip),
        Just(ListenerAddress::Localhost),
        Just(ListenerAddress::NodePlaceholder)
    ];
    let protocol = select(vec![Protocol::TurnUdp, Protocol::TurnTcp, Protocol::TurnTls, Protocol::TurnDtls]);
    let public = (proptest::option::of(ip().prop_map(|ip| ip.to_string())), proptest::option::of(1u16..));
    let relay = (proptest::option::of(any::<(u32, u32)>()), proptest::option::of(any::<(u128, u128)>())).prop_map(
        |(v4, v6)| {
            let v4 = v4.and_then(|(bind, told)| {
                RelayAddress::new(std::net::IpAddr::V4(bind.into()), std::net::IpAddr::V4(told.into())).ok()
            });
            let v6 = v6.and_then(|(bind, told)| {
                RelayAddress::new(std::net::IpAddr::V6(bind.into()), std::net::IpAddr::V6(told.into())).ok()
            });
            v4.into_iter().chain(v6).collect()
        },
    );
    let routes = prop::collection::btree_set(name(), 0..3);
    (name(), address, protocol, 1u16.., public, ("\\PC{1,20}", "\\PC{1,20}"), routes, relay).prop_map(
        |(name, address, protocol, port, public, (cert, key), routes, relay_addresses)| Listener {
            name,
            protocol,
            address,
            port,
            public_address: public.0,
            public_port: public.1,
            cert: protocol.is_secure().then_some(cert),
            key: protocol.is_secure().then_some(key.into()),
            routes: routes.into_iter().collect(),
            relay_addresses,
        },
    )
}

fn cluster() -> impl Strategy<Value = Cluster> {
    let endpoint = (ip(), 0u8..=32, ports()).prop_map(|(ip, length, ports)| Endpoint::new(ip, length, ports).unwrap());
    let fixed =
        prop::collection::btree_set(endpoint, 0..4).prop_map(|set| Endpoints::Static(set.into_iter().collect()));
    let names = prop::collection::btree_set("[a-z]{1,5}(\\.[a-z]{1,5}){0,2}", 0..3)
        .prop_map(|set| Endpoints::StrictDns(set.into_iter().collect()));
    let protocol = select(vec![ClusterProtocol::Udp, ClusterProtocol::Tcp]);
    (name(), prop_oneof![fixed, names], protocol).prop_map(|(name, endpoints, protocol)| Cluster {
        name,
        endpoints,
        protocol,
    })
}

fn config() -> impl Strategy<Value = Config> {
    let listeners = prop::collection::vec(listener(), 0..4);
    let clusters = prop::collection::vec(cluster(), 0..4);
    (admin(), auth(), listeners, clusters).prop_map(|(admin, auth, mut listeners, mut clusters)| {
        // Names are unique within a section.
        listeners.iter_mut().enumerate().for_each(|(at, listener)| listener.name = format!("{at}{}", listener.name));
        clusters.iter_mut().enumerate().for_each(|(at, cluster)| cluster.name = format!("{at}{}", cluster.name));
        Config { admin, auth, listeners, clusters }
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_back(config in config()) {
        let options = ParseOptions { environment: None, unknown_fields: UnknownFields::Refuse };
        for printed in [config.to_json(Secrets::Shown), config.to_yaml(Secrets::Shown)] {
            let read = parse(&printed, &options);
            prop_assert_eq!(read.as_ref().map(|read| &read.config), Ok(&config), "{}", printed);
        }
    }

    #[test]
    fn what_is_masked_still_parses(config in config()) {
        let config = Config { auth: Auth { nonce_key: None, ..config.auth }, listeners: Vec::new(), ..config };
        prop_assert!(serde_json::from_str::<Config>(&config.to_json(Secrets::Masked)).is_ok());
    }

    #[test]
    fn no_text_makes_it_panic(text in "(version: v1\n|auth:\n|listeners:|  - name: |[a-z:{}\\[\\],\"'&*!|>#%@`0-9\n -]){0,60}") {
        let environment = |name: &str| Some(name.to_owned());
        let _ = parse(&text, &ParseOptions::file(&environment));
    }
}
