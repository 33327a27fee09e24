//! Good and bad values of every field, with what an error says.

use stunner_config::*;

fn read(text: &str) -> Result<Config, String> {
    let none = |_: &str| None;
    parse(text, &ParseOptions::file(&none)).map(|parsed| parsed.config).map_err(|error| error.to_string())
}

/// Puts the value where `@` is.
fn check(document: &str, path: &str, good: &[&str], bad: &[(&str, &str)]) {
    for value in good {
        let config = read(&document.replace('@', value)).unwrap_or_else(|error| panic!("{path} {value}: {error}"));
        let none = |_: &str| None;
        let printed = config.to_yaml(Secrets::Shown);
        assert_eq!(parse(&printed, &ParseOptions::file(&none)).unwrap().config, config, "{path} {value}\n{printed}");
    }
    for (value, expected) in bad {
        let error = read(&document.replace('@', value)).expect_err(value);
        assert!(error.starts_with(path), "{path} {value}: {error}");
        assert!(error.contains(expected), "{path} {value}: {error}");
        assert!(!error.contains("; "), "{path} {value}: more than one: {error}");
    }
}

fn admin(field: &str, good: &[&str], bad: &[(&str, &str)]) {
    check(
        &format!("{{version: v1, auth: {{type: none}}, admin: {{{field}: @}}}}"),
        &format!("admin.{field}"),
        good,
        bad,
    );
}

fn auth(field: &str, good: &[&str], bad: &[(&str, &str)]) {
    check(&format!("{{version: v1, auth: {{type: none, {field}: @}}}}"), &format!("auth.{field}"), good, bad);
}

fn listener(field: &str, good: &[&str], bad: &[(&str, &str)]) {
    let document = format!("{{version: v1, auth: {{type: none}}, listeners: [{{name: l, {field}: @}}]}}");
    check(&document, &format!("listeners[0].{field}"), good, bad);
}

fn cluster(field: &str, good: &[&str], bad: &[(&str, &str)]) {
    let document = format!("{{version: v1, auth: {{type: none}}, clusters: [{{name: c, {field}: @}}]}}");
    check(&document, &format!("clusters[0].{field}"), good, bad);
}

const NUMBERS: &[(&str, &str)] = &[
    ("-1", "-1 is not"),
    ("4294967296", "4294967296 is not"),
    ("1.5", "1.5 is not"),
    ("many", "\"many\" is not"),
    ("[]", "a list is not"),
    ("true", "true is not"),
];

#[test]
fn version() {
    check(
        "{version: @, auth: {type: plaintext, credentials: {username: u, password: p}}}",
        "version",
        &["v1", "v1alpha1"],
        &[
            ("v2", "\"v2\" is not a version, expected v1 or v1alpha1"),
            ("V1", "expected v1 or v1alpha1"),
            ("1", "expected v1 or v1alpha1"),
            ("null", "missing"),
        ],
    );
}

#[test]
fn admin_texts() {
    admin(
        "name",
        &["gw", "media/gw", "\"ä ö\"", "12"],
        &[("\"a\\u0000b\"", "control characters"), ("{}", "an object is not a string"), ("1.5", "quotes")],
    );
    admin(
        "loglevel",
        &[
            "all:INFO",
            "\"all:info,turn:DEBUG\"",
            "trace",
            "\"listener-media/gw/udp:WARN\"",
            "\"all:DISABLE, auth:ERROR\"",
        ],
        &[
            ("all:LOUD", "\"all:LOUD\": expected a list as `all:INFO,turn:DEBUG`"),
            ("\"all:INFO,\"", "expected a list"),
            ("\":INFO\"", "expected a list"),
        ],
    );
    admin(
        "offload_engine",
        &["None", "none", "XDP", "xdp", "Tc", "AUTO"],
        &[("ebpf", "\"ebpf\" is unknown, expected one of None, XDP, TC, Auto")],
    );
    admin(
        "offload_interfaces",
        &["[]", "[eth1, eth0, eth0]"],
        &[("eth0", "a string is not a list"), ("['']", "is not an interface"), ("[{}]", "is not a string")],
    );
    admin(
        "license_config",
        &["{key: a, hmac: b}", "{}"],
        &[("x", "is not an object"), ("{kye: a}", "did you mean `key`?")],
    );
}

#[test]
fn admin_endpoints() {
    for field in ["metrics_endpoint", "healthcheck_endpoint"] {
        admin(
            field,
            &[
                "http://",
                "'http://:9'",
                "http://127.0.0.1",
                "'http://[::1]:9/x/y'",
                "http://localhost/metrics",
                "HTTP://a.b:1/",
                "''",
            ],
            &[
                ("':8080'", "\":8080\": expected a URL that begins with `http://`"),
                ("https://:1", "http://"),
                ("'http://:0'", "port of 1..65535"),
                ("'http://:65536'", "port of 1..65535"),
                ("'http://:x'", "port of 1..65535"),
                ("'http://::1:9'", "IPv6 in brackets"),
                ("'http://[::1'", "IPv6 in brackets"),
                ("'http://[::1]9'", "IPv6 in brackets"),
                ("'http://u:p@h:1'", "only host, port and path"),
                ("'http://h:1/x?y'", "only host, port and path"),
                ("'http://h:1/a b'", "only host, port and path"),
            ],
        );
    }
    let ports = read(
        "{version: v1, auth: {type: none}, admin: {metrics_endpoint: 'http://', healthcheck_endpoint: 'http://h'}}",
    )
    .unwrap()
    .admin;
    assert_eq!(ports.metrics_endpoint.map(|url| (url.port, url.path)), Some((8080, "/".to_owned())));
    assert_eq!(ports.healthcheck_endpoint.map(|url| (url.port, url.host)), Some((8086, "h".to_owned())));
}

#[test]
fn admin_numbers() {
    admin("user_quota", &["0", "-7", "10", "'10'", "4294967295"], &NUMBERS[1..]);
    admin(
        "strict_channel_numbers",
        &["true", "false", "'True'"],
        &[("1", "1 is not a switch, expected true or false"), ("yes", "\"yes\" is not a switch")],
    );
    admin(
        "relay_port_range",
        &["49152-65535", "1-65535", "'5-5'"],
        &[
            ("5", "\"5\": expected two ports of 1..65535 as in `49152-65535`"),
            ("0-5", "expected two ports"),
            ("6-5", "the lower one first"),
            ("1-65536", "expected two ports"),
            ("'+1-5'", "expected two ports"),
            ("'1 - 5'", "expected two ports"),
            ("'-'", "expected two ports"),
        ],
    );
    for limit in [
        "allocations",
        "allocations_per_user",
        "allocations_per_source",
        "permissions",
        "channels",
        "connections",
        "unauthenticated_answers_per_second",
    ] {
        let document = format!("{{version: v1, auth: {{type: none}}, admin: {{limits: {{{limit}: @}}}}}}");
        check(&document, &format!("admin.limits.{limit}"), &["1", "4294967295", "'7'"], NUMBERS);
        let zero = read(&document.replace('@', "0"));
        match limit.starts_with("allocations") {
            true => assert!(zero.is_ok()),
            false => {
                assert_eq!(
                    zero.unwrap_err(),
                    format!("admin.limits.{limit}: 0 is not a limit, expected 1..4294967295")
                );
            }
        }
    }
    admin("limits", &["{}"], &[("5", "a number is not an object")]);
}

#[test]
fn auth_type_is_exactly_lower_case() {
    let document = "{version: v1, auth: {type: @, credentials: {username: u, password: p, secret: s}}}";
    let kinds = [
        ("static", "static"),
        ("plaintext", "static"),
        ("ephemeral", "ephemeral"),
        ("longterm", "ephemeral"),
        ("none", "none"),
        ("''", "static"),
    ];
    for (spelled, kind) in kinds {
        assert_eq!(read(&document.replace('@', spelled)).unwrap().auth.credentials.type_name(), kind);
    }
    check(
        document,
        "auth.type",
        &[],
        &[
            ("Static", "in lower case"),
            ("STATIC", "in lower case"),
            ("LongTerm", "in lower case"),
            ("timewindowed", "\"timewindowed\" is unknown, expected one of static, ephemeral, none"),
            ("' static'", "unknown"),
            ("'None'", "unknown"),
            ("5", "unknown"),
            ("[]", "a list is not a string"),
        ],
    );
}

#[test]
fn auth_credentials() {
    check("{version: v1, auth: {credentials: @}}", "auth.credentials", &["{username: u, password: p, other: x}"], &[]);
    check(
        "{version: v1, auth: {type: none, credentials: @}}",
        "auth.credentials",
        &["{}"],
        &[("[]", "a list is not an object")],
    );
    for (kind, credentials, expected) in [
        ("static", "{password: p}", "auth.credentials.username: missing, auth.type static needs it"),
        ("static", "{username: u}", "auth.credentials.password: missing, auth.type static needs it"),
        ("static", "{username: null, password: p}", "auth.credentials.username: missing"),
        ("static", "{username: [u], password: p}", "auth.credentials.username: a list is not a string"),
        ("plaintext", "{secret: s}", "auth.credentials.username: missing"),
        ("ephemeral", "{username: u, password: p}", "auth.credentials.secret: missing, auth.type ephemeral needs it"),
        ("longterm", "null", "auth.credentials.secret: missing"),
        ("longterm", "{secret: {}}", "auth.credentials.secret: an object is not a string"),
    ] {
        let error = read(&format!("{{version: v1, auth: {{type: {kind}, credentials: {credentials}}}}}")).unwrap_err();
        assert!(error.starts_with(expected), "{kind} {credentials}: {error}");
    }
    let name = |length| {
        read(&format!("{{version: v1, auth: {{credentials: {{username: {}, password: p}}}}}}", "x".repeat(length)))
    };
    assert!(name(508).is_ok());
    assert_eq!(name(509).unwrap_err(), "auth.credentials.username: 509 bytes are too long, expected at most 508");
}

#[test]
fn auth_extensions() {
    auth(
        "realm",
        &["example.org", "\"a b\"", &"x".repeat(127)],
        &[(&"x".repeat(128), "at most 127 characters"), ("\"a\\nb\"", "control"), ("[]", "is not a string")],
    );
    auth(
        "nonce_key",
        &["0123456789abcdef"],
        &[("short", "at least 16 characters that nobody can guess"), ("{}", "is not a string")],
    );
    auth(
        "nonce_lifetime",
        &["10", "600", "'600'", "30s", "10m", "24h", "86400"],
        &[
            ("9", "from 10 to 86400 seconds"),
            ("86401", "from 10"),
            ("25h", "from 10"),
            ("1d", "with a unit as in `10m`"),
            ("-5", "expected seconds"),
            ("m", "expected seconds"),
            ("99999999999h", "expected seconds"),
            ("1.5", "quotes"),
        ],
    );
    auth("strict_expiry", &["true", "false"], &[("maybe", "\"maybe\" is not a switch, expected true or false")]);
    auth(
        "on_removal",
        &["keep", "refuse-refresh", "CUT"],
        &[("kill", "\"kill\" is unknown, expected one of keep, refuse-refresh, cut")],
    );
    auth("secrets", &["[a, b]"], &[("a", "is not a list"), ("[a, {}]", "auth.secrets[1]: an object is not a string")]);
    // A rollover may well name all secrets in one list.
    let config = read("{version: v1, auth: {type: ephemeral, secrets: [a, b]}}").unwrap();
    assert_eq!(config.auth.credentials, Credentials::Ephemeral { secrets: vec!["a".into(), "b".into()] });
}

#[test]
fn listener_name() {
    for (name, expected) in [
        ("null", "missing, expected a name"),
        ("''", "missing, expected a name"),
        ("\"a\\tb\"", "is not a name"),
        ("[]", "is not a string"),
    ] {
        let error = read(&format!("{{version: v1, auth: {{type: none}}, listeners: [{{name: {name}}}]}}")).unwrap_err();
        assert!(
            error.starts_with("listeners[0].name: ") && error.contains(expected) && !error.contains("; "),
            "{error}"
        );
    }
}

#[test]
fn listener_protocol_has_two_families_in_any_case() {
    for (spelled, protocol) in [
        ("UDP", Protocol::TurnUdp),
        ("turn-udp", Protocol::TurnUdp),
        ("Tcp", Protocol::TurnTcp),
        ("TURN-TCP", Protocol::TurnTcp),
    ] {
        let config =
            read(&format!("{{version: v1, auth: {{type: none}}, listeners: [{{name: l, protocol: {spelled}}}]}}"))
                .unwrap();
        assert_eq!(config.listeners[0].protocol, protocol);
    }
    listener(
        "protocol",
        &["udp"],
        &[
            ("SCTP", "\"SCTP\": expected one of UDP, TCP, TLS, DTLS, TURN-UDP"),
            ("TURN_UDP", ""),
            ("turn-", ""),
            ("ä-udp", ""),
            ("TURN-TURN-UDP", ""),
        ],
    );
}

#[test]
fn listener_addresses() {
    listener(
        "address",
        &["0.0.0.0", "192.0.2.1", "'::'", "'2001:db8::1'", "localhost", "LOCALHOST", "__node_address_placeholder"],
        &[
            ("example.org", "\"example.org\": expected an IPv4 or IPv6 address or `localhost`"),
            ("10.0.0.0/8", "expected an IPv4"),
            ("'10.0.0.1:3478'", "expected an IPv4"),
            ("'[::1]'", "expected an IPv4"),
            ("010.0.0.1", "expected an IPv4"),
            ("5", "expected an IPv4"),
        ],
    );
    listener(
        "public_address",
        &["203.0.113.9", "'2001:db8::1'", "turn.example.org", "__node_address_placeholder"],
        &[
            ("'turn.example.org:3478'", "expected an IPv4 or IPv6 address or a host name"),
            ("1.2.3", "host name"),
            ("\"a b\"", "host name"),
        ],
    );
    listener(
        "relay_addresses",
        &[
            "[]",
            "[10.0.0.5]",
            "['10.0.0.5=203.0.113.9', '2001:db8::1=2001:db8::2']",
            "['0.0.0.0=203.0.113.9']",
            "[127.0.0.1]",
        ],
        &[
            ("[10.0.0.5, 10.0.0.6]", "\"10.0.0.6\" is the second one of IPv4, expected at most one per address family"),
            ("['10.0.0.5=2001:db8::1']", "same family"),
            ("[0.0.0.0]", "single host"),
            ("['::']", "single host"),
            ("['10.0.0.5=0.0.0.0']", "single host"),
            ("[224.0.0.1]", "single host"),
            ("[255.255.255.255]", "single host"),
            ("[eth0]", "\"eth0\": expected an IP address"),
            ("['10.0.0.5=']", "expected an IP address"),
            ("10.0.0.5", "is not a list"),
        ],
    );
}

#[test]
fn listener_ports() {
    let bad: &[(&str, &str)] = &[
        ("70000", "70000 is not a port"),
        ("-1", "-1 is not a port"),
        ("http", "\"http\" is not a port"),
        ("1.5", "1.5 is not a port"),
        ("99999999999999999999", "is not a port"),
    ];
    listener("port", &["1", "3478", "65535", "'443'"], bad);
    listener("port", &[], &[("0", "0 is not a port, expected 1..65535")]);
    listener("public_port", &["0", "1", "65535"], bad);
}

#[test]
fn listener_certificates() {
    listener(
        "cert",
        &["LS0t", "LS0tLQ==", "LS0tLQ", "\"LS0t\\nLS0t\\n\""],
        &[
            ("'%%%'", "expected the base64 of PEM text"),
            ("'/w=='", "expected the base64 of PEM text"),
            ("'-----BEGIN CERTIFICATE-----'", "this is PEM itself, encode it once more"),
        ],
    );
    listener("key", &["LS0t"], &[("'%%%'", "expected the base64 of PEM text"), ("[]", "is not a string")]);
    for protocol in ["TLS", "turn-dtls"] {
        let with = |fields: &str| {
            read(&format!(
                "{{version: v1, auth: {{type: none}}, listeners: [{{name: l, protocol: {protocol}{fields}}}]}}"
            ))
        };
        assert!(with(", cert: LS0t, key: LS0t").is_ok());
        let error = with(", cert: LS0t").unwrap_err();
        assert!(error.starts_with("listeners[0].key: missing, TURN-") && !error.contains("; "), "{error}");
        let error = with(", cert: '', key: LS0t").unwrap_err();
        assert!(error.starts_with("listeners[0].cert: missing, TURN-") && !error.contains("; "), "{error}");
        let error = with(", cert: [], key: LS0t").unwrap_err();
        assert_eq!(error, "listeners[0].cert: a list is not a string");
    }
}

#[test]
fn listener_routes_are_sorted() {
    listener(
        "routes",
        &["[]", "[b, a/b]"],
        &[
            ("a", "a string is not a list"),
            ("['']", "is not a cluster's name"),
            ("[a, []]", "routes[1]: a list is not a string"),
        ],
    );
    let config = read("{version: v1, auth: {type: none}, listeners: [{name: l, routes: [b, a, b]}]}").unwrap();
    assert_eq!(config.listeners[0].routes, ["a", "b"]);
}

#[test]
fn cluster_fields() {
    cluster(
        "type",
        &["STATIC", "static", "STRICT_DNS", "Strict_Dns"],
        &[("LOGICAL_DNS", "\"LOGICAL_DNS\" is unknown, expected one of STATIC, STRICT_DNS")],
    );
    cluster("protocol", &["UDP", "udp", "TCP", "Tcp"], &[("SCTP", "\"SCTP\" is unknown, expected one of UDP, TCP")]);
    cluster(
        "endpoints",
        &["[]", "[10.0.0.5, '10.0.0.0/8:<1-2>', '2001:db8::/32:<1-2>']"],
        &[
            ("10.0.0.5", "a string is not a list"),
            (
                "[10.0.0.5, '10.0.0.5:80']",
                "endpoints[1]: \"10.0.0.5:80\": a port is written as a range in angle brackets",
            ),
            ("['10.0.0.0/33']", "\"10.0.0.0/33\": expected an IPv4 prefix length of 0 to 32"),
            ("[sfu.example.org]", "a domain name needs a cluster of type STRICT_DNS"),
            ("['']", "\"\": expected an IPv4 or IPv6 address or prefix"),
            ("[5]", "\"5\": expected an IPv4"),
            ("['10.0.0.5:<9-1>']", "MIN is not above its MAX"),
        ],
    );
    cluster(
        "type: STRICT_DNS, endpoints",
        &["[]", "[sfu.media.svc.cluster.local, a.b., _x._udp.c, localhost, A.B]"],
        &[],
    );
    for (domain, expected) in [
        ("10.0.0.5", "\"10.0.0.5\": expected a domain name (an address needs a cluster of type STATIC"),
        ("'10.0.0.0/8'", "type STATIC"),
        ("'::1'", "type STATIC"),
        ("'127.1'", "type STATIC"),
        ("'sfu.example.org:<1-2>'", "without a port range"),
        ("'sfu.example.org:80'", "without a port range"),
        ("a..b", "expected a domain name"),
        ("-a.b", "expected a domain name"),
        ("''", "expected a domain name"),
        ("'*.b'", "expected a domain name"),
    ] {
        let error = read(&format!(
            "{{version: v1, auth: {{type: none}}, clusters: [{{name: c, type: strict_dns, endpoints: [{domain}]}}]}}"
        ))
        .unwrap_err();
        assert!(error.starts_with("clusters[0].endpoints[0]: ") && error.contains(expected), "{domain}: {error}");
    }
}

#[test]
fn endpoints_are_sorted_without_duplicates() {
    let config = read("{version: v1, auth: {type: none}, clusters: [{name: c, endpoints: ['2001:db8::1', 10.0.0.9, 10.0.0.10, '::ffff:10.0.0.9']}]}").unwrap();
    let sorted = ["10.0.0.9", "10.0.0.10", "2001:db8::1"].map(|endpoint| endpoint.parse().unwrap());
    assert_eq!(config.clusters[0].endpoints, Endpoints::Static(sorted.to_vec()));
}

#[test]
fn long_and_unprintable_values_are_cut_and_escaped() {
    let error = read(&format!(
        "{{version: v1, auth: {{type: none}}, clusters: [{{name: c, type: \"\\u001b[2J\\n{}\"}}]}}",
        "x".repeat(1000)
    ))
    .unwrap_err();
    assert!(error.len() < 300 && !error.contains(['\u{1b}', '\n']), "{error}");
    let error = read("{version: v1, auth: {type: none}, \"a\\nb\": 1}").unwrap_err();
    assert!(error.starts_with("a\\nb: unknown field"), "{error}");
}
