//! Whole documents.

use std::time::Duration;

use stunner_config::*;

fn environment(name: &str) -> Option<String> {
    match name {
        "STUNNER_ADDR" => Some("192.0.2.1".to_owned()),
        "STUNNER_PORT" => Some("5349".to_owned()),
        "NONCE_KEY" => Some("0123456789abcdef".to_owned()),
        "ON" => Some("true".to_owned()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Parsed, ConfigError> {
    parse(text, &ParseOptions::file(&environment))
}

fn good(text: &str) -> Config {
    let parsed = read(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(parsed.warnings, []);
    parsed.config
}

const SAMPLE: &str = include_str!("data/sample.yaml");
const EXTENSIONS: &str = include_str!("data/extensions.yaml");

#[test]
fn the_sample_document_reads_as_it_says() {
    let config = good(SAMPLE);
    assert_eq!(config.admin.name, "media/gw");
    assert_eq!(config.admin.loglevel.of("turn"), LogLevel::Debug);
    assert_eq!(config.admin.loglevel.of("auth"), LogLevel::Info);
    assert_eq!(config.admin.metrics_endpoint.as_ref().unwrap().to_string(), "http://:8080/metrics");
    assert_eq!(config.admin.healthcheck_endpoint, Some(HttpEndpoint::default_health()));
    assert_eq!(config.admin.offload_engine, OffloadEngine::None);
    assert_eq!(config.auth.realm, "example.org");
    assert_eq!(
        config.auth.credentials,
        Credentials::Static { username: "alice".to_owned(), password: "s3cret".into() }
    );
    let [udp, tls] = &config.listeners[..] else { panic!() };
    assert_eq!((udp.protocol, udp.address.ip(), udp.port), (Protocol::TurnUdp, "192.0.2.1".parse().ok(), 3478));
    assert_eq!((udp.public_address.as_deref(), udp.public_port), (Some("203.0.113.9"), Some(3478)));
    assert_eq!(udp.routes, ["media/any-dns", "media/sfu"]);
    assert_eq!(udp.ice_uri(), "turn:203.0.113.9:3478?transport=udp");
    assert_eq!(tls.cert.as_deref(), Some("-----BEGIN CERTIFICATE-----\n"));
    assert_eq!(tls.key.as_ref().unwrap().reveal(), "-----BEGIN PRIVATE KEY-----\n");
    assert_eq!(tls.ice_uri(), "turns:192.0.2.1:443?transport=tcp");
    let sfu = ["10.1.2.3:<10000-20000>", "10.96.0.7"].map(|endpoint| endpoint.parse().unwrap());
    assert_eq!(config.clusters[0].endpoints, Endpoints::Static(sfu.to_vec()));
    assert_eq!(config.clusters[1].endpoints, Endpoints::StrictDns(vec!["sfu.media.svc.cluster.local".to_owned()]));
}

#[test]
fn our_extensions_read_as_they_say() {
    let config = good(EXTENSIONS);
    assert_eq!(config.admin.relay_port_range, PortRange::new(50000, 50999));
    assert!(config.admin.strict_channel_numbers);
    let limits = Limits {
        allocations: Some(10000),
        allocations_per_user: Some(20),
        allocations_per_source: Some(0),
        permissions: Some(64),
        channels: Some(32),
        connections: Some(16),
        unauthenticated_answers_per_second: Some(500),
    };
    assert_eq!(config.admin.limits, limits);
    let secrets = ["new$ecret", "old$ecret", "1234"].map(Secret::from).to_vec();
    assert_eq!(config.auth.credentials, Credentials::Ephemeral { secrets });
    assert_eq!(config.auth.nonce_key, Some("0123456789abcdef".into()));
    assert_eq!(config.auth.nonce_lifetime, Duration::from_secs(600));
    assert!(config.auth.strict_expiry);
    assert_eq!(config.auth.on_removal, OnRemoval::RefuseRefresh);
    let relay: Vec<String> = config.listeners[0].relay_addresses.iter().map(ToString::to_string).collect();
    assert_eq!(relay, ["10.0.0.5=203.0.113.9", "2001:db8::5"]);
}

#[test]
fn documents_survive_being_printed() {
    for text in [SAMPLE, EXTENSIONS, include_str!("data/v1alpha1.yaml")] {
        let config = good(text);
        for printed in [config.to_json(Secrets::Shown), config.to_yaml(Secrets::Shown)] {
            assert_eq!(good(&printed), config, "{printed}");
        }
    }
}

#[test]
fn everything_but_version_and_auth_has_a_default() {
    let config = good("{version: v1, auth: {type: none}}");
    assert_eq!(config.admin, Admin::default());
    assert_eq!(config.admin.name, "default-stunnerd");
    assert_eq!(config.admin.loglevel.to_string(), "all:INFO");
    assert_eq!(config.admin.healthcheck_endpoint.as_ref().unwrap().to_string(), "http://:8086");
    assert_eq!(config.auth, Auth::new(Credentials::None));
    assert_eq!(config.auth.realm, "stunner.l7mp.io");
    assert!(config.listeners.is_empty() && config.clusters.is_empty());

    let config = good(
        "{version: v1, auth: {credentials: {username: u, password: p}}, listeners: [{name: l}], clusters: [{name: c}]}",
    );
    assert!(matches!(config.auth.credentials, Credentials::Static { .. }));
    assert_eq!(config.listeners, [Listener::new("l")]);
    assert_eq!(config.listeners[0].address.to_string(), "0.0.0.0");
    assert_eq!(config.listeners[0].port, 3478);
    assert_eq!(config.listeners[0].protocol, Protocol::TurnUdp);
    assert_eq!(config.clusters[0].endpoints, Endpoints::Static(Vec::new()));
    assert_eq!(config.clusters[0].protocol, ClusterProtocol::Udp);
}

#[test]
fn null_and_empty_text_mean_the_default() {
    let spelled = r#"{version: v1, admin: {name: "", loglevel: "", metrics_endpoint: "", healthcheck_endpoint: null, user_quota: null,
        offload_engine: "", offload_interfaces: null, license_config: null, relay_port_range: "", limits: null},
        auth: {type: "", realm: "", credentials: {username: u, password: p}, secrets: null, nonce_key: "", nonce_lifetime: ""},
        listeners: [{name: l, protocol: "", address: "", port: null, public_address: "", public_port: 0, cert: "", key: "",
        routes: null, relay_addresses: null}], clusters: [{name: c, type: "", protocol: "", endpoints: null}]}"#;
    let bare =
        "{version: v1, auth: {credentials: {username: u, password: p}}, listeners: [{name: l}], clusters: [{name: c}]}";
    assert_eq!(good(spelled), good(bare));
}

#[test]
fn an_empty_health_endpoint_is_off() {
    let config = good("{version: v1, auth: {type: none}, admin: {healthcheck_endpoint: ''}}");
    assert_eq!(config.admin.healthcheck_endpoint, None);
    assert_eq!(good(&config.to_yaml(Secrets::Shown)), config);
}

#[test]
fn alpha_documents_become_v1_ones() {
    let config = good(include_str!("data/v1alpha1.yaml"));
    assert_eq!(config.auth.credentials, Credentials::Ephemeral { secrets: vec!["shared".into()] });
    assert!(config.to_json(Secrets::Masked).starts_with(r#"{"version":"v1","#));
    let alpha = |kind: &str| {
        read(&format!(
            "{{version: v1alpha1, auth: {{type: {kind}, credentials: {{username: u, password: p, secret: s}}}}}}"
        ))
    };
    assert!(alpha("plaintext").is_ok() && alpha("longterm").is_ok() && alpha("''").is_ok());
    assert_eq!(
        alpha("static").unwrap_err().to_string(),
        r#"auth.type: "static" is unknown, expected one of plaintext, longterm, in lower case"#
    );
    let relay_ports = "{version: v1, auth: {type: none}, listeners: [{name: l, min_relay_port: 1}]}";
    assert_eq!(
        read(relay_ports).unwrap_err().to_string(),
        "listeners[0].min_relay_port: unknown field, ports of relayed addresses are set by `admin.relay_port_range`"
    );
}

#[test]
fn variables_are_replaced_except_in_credentials() {
    let text = "{version: v1, auth: {credentials: {username: $ON, password: $STUNNER_ADDR}}, admin: {strict_channel_numbers: $ON},
        listeners: [{name: \"$STUNNER_ADDR/x\", port: $STUNNER_PORT, address: \"${STUNNER_ADDR}\"}]}";
    let config = good(text);
    assert_eq!(
        config.auth.credentials,
        Credentials::Static { username: "$ON".to_owned(), password: "$STUNNER_ADDR".into() }
    );
    assert_eq!(config.listeners[0].name, "192.0.2.1/x");
    assert_eq!(config.listeners[0].port, 5349);
    assert!(config.admin.strict_channel_numbers);
}

#[test]
fn an_unset_variable_is_nothing_and_a_warning() {
    let parsed = read("{version: v1, auth: {type: none}, listeners: [{name: l, address: $NOPE}]}").unwrap();
    assert_eq!(parsed.config.listeners[0].address, ListenerAddress::default());
    assert_eq!(
        parsed.warnings[0].to_string(),
        "listeners[0].address: the environment variable NOPE is not set, and replaced by nothing"
    );
}

#[test]
fn without_an_environment_variables_stay() {
    let options = ParseOptions { environment: None, unknown_fields: UnknownFields::Refuse };
    let config = parse(SAMPLE, &options).unwrap().config;
    assert_eq!(config.listeners[0].address, ListenerAddress::Variable("$STUNNER_ADDR".to_owned()));
    assert_eq!(parse(&config.to_yaml(Secrets::Shown), &options).unwrap().config, config);
    assert_eq!(serde_json::from_str::<Config>(&config.to_json(Secrets::Shown)).unwrap(), config);
}

#[test]
fn unknown_fields_are_errors_in_a_file_and_warnings_from_a_discovery_service() {
    let text = "{version: v1, nonsense: 1, admin: {nmae: x, logLevel: y, metrics: z, foo_bar: 1}, auth: {type: none, userName: u},
        listeners: [{name: l, protocl: udp, adress: a, rotues: []}], clusters: [{name: c, endpoint: []}]}";
    let error = read(text).unwrap_err().to_string();
    for expected in [
        "nonsense: unknown field, expected one of version, admin, auth, listeners, clusters",
        "admin.nmae: unknown field, did you mean `name`?",
        "admin.logLevel: unknown field, did you mean `loglevel`?",
        "admin.metrics: unknown field, did you mean `metrics_endpoint`?",
        "admin.foo_bar: unknown field, expected one of name, loglevel,",
        "listeners[0].protocl: unknown field, did you mean `protocol`?",
        "listeners[0].adress: unknown field, did you mean `address`?",
        "listeners[0].rotues: unknown field, did you mean `routes`?",
        "clusters[0].endpoint: unknown field, did you mean `endpoints`?",
    ] {
        assert!(error.contains(expected), "{expected}\n{error}");
    }
    let parsed = parse(text, &ParseOptions::discovered(&environment)).unwrap();
    assert_eq!(parsed.warnings.len(), 10);
    assert_eq!(parsed.config.listeners, [Listener::new("l")]);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let error =
        read("{admin: {user_quota: many}, auth: {type: Static}, listeners: [{}, 5, {name: a, port: 0}], clusters: {}}")
            .unwrap_err();
    assert_eq!(
        error.to_string().split("; ").collect::<Vec<_>>(),
        [
            "version: missing, expected v1 or v1alpha1",
            "admin.user_quota: \"many\" is not a quota, expected -2147483648..4294967295",
            "auth.type: \"Static\" is unknown, expected one of static, ephemeral, none (or plaintext, longterm), in lower case",
            "listeners[0].name: missing, expected a name",
            "listeners[1]: a number is not an object, expected fields with names",
            "listeners[1].name: missing, expected a name",
            "listeners[2].port: 0 is not a port, expected 1..65535",
            "clusters: an object is not a list",
        ]
    );
}

#[test]
fn names_are_unique_within_their_section() {
    let both = "{version: v1, auth: {type: none}, listeners: [{name: a}, {name: b}], clusters: [{name: a}, {name: b}]}";
    good(both);
    for (section, text) in
        [("listeners", both.replacen("name: b", "name: a", 1)), ("clusters", both.replace("b}]}", "a}]}"))]
    {
        let expected = format!("{section}[1].name: \"a\" is the name of {section}[0] too, expected unique names");
        assert_eq!(read(&text).unwrap_err().to_string(), expected);
    }
}

#[test]
fn routes_may_dangle() {
    good("{version: v1, auth: {type: none}, listeners: [{name: a, routes: [nowhere]}]}");
}

#[test]
fn what_is_no_document_is_refused_with_a_reason() {
    for text in ["", "  \n", "\u{feff}", "# only a comment\n", "---\n", "null", "~"] {
        assert_eq!(read(text), Err(ConfigError::Empty), "{text:?}");
    }
    for text in [
        "{",
        "{\"version\": ",
        "a: b: c",
        "[1, 2",
        "version: v1\nversion: v1",
        "{\"a\":1,\"a\":2}",
        "a: &x [*x]",
        "--- 1\n--- 2\n",
    ] {
        assert!(matches!(read(text), Err(ConfigError::Syntax(_))), "{text:?}: {:?}", read(text));
    }
    for text in ["5", "[]", "version", "true"] {
        assert!(matches!(read(text), Err(ConfigError::Fields(_))), "{text:?}: {:?}", read(text));
    }
    let huge = " ".repeat(40 << 20);
    assert!(matches!(read(&huge), Err(ConfigError::TooLarge { .. })));
}

#[test]
fn hostile_yaml_hits_a_limit() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    for text in [bomb.to_owned(), "[".repeat(100_000), format!("{{\"a\": {}", "[".repeat(100_000)), "- ".repeat(10_000)]
    {
        assert!(matches!(read(&text), Err(ConfigError::Syntax(_))));
    }
}

#[test]
fn yaml_scalars_keep_their_spelling_in_credentials() {
    for (spelled, password) in [
        ("1234", "1234"),
        ("0123", "0123"),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("off", "off"),
        ("'true'", "true"),
        ("$HOME", "$HOME"),
        ("\"\\u00e4\"", "ä"),
        ("12:30:45", "12:30:45"),
        ("=", "="),
    ] {
        let config = good(&format!("version: v1\nauth:\n  credentials:\n    username: u\n    password: {spelled}\n"));
        let Credentials::Static { password: read, .. } = &config.auth.credentials else { panic!() };
        assert_eq!(read.reveal(), password, "{spelled}");
    }
    for spelled in ["1.50", "true", "1e3", "[a]", "{}"] {
        let error = read(&format!("version: v1\nauth:\n  credentials:\n    username: u\n    password: {spelled}\n"))
            .unwrap_err();
        assert!(error.to_string().starts_with("auth.credentials.password: "), "{error}");
        assert!(!error.to_string().contains("1.5"), "{error}");
    }
    let json = r#"{"version":"v1","auth":{"credentials":{"username":"u","password":"\ud83d\ude00\/"}}}"#;
    assert!(good(json).to_json(Secrets::Shown).contains("😀/"));
}

#[test]
fn secrets_never_print() {
    let text = "{version: v1, admin: {license_config: {key: hush1, hmac: hush2}}, auth: {type: ephemeral, credentials: {secret: hush3},
        secrets: [hush4], nonce_key: hush5-0123456789ab}, listeners: [{name: l, cert: LS0t, key: aHVzaDY=}]}";
    let config = good(text);
    let fixed = good("{version: v1, auth: {credentials: {username: bob, password: hush7}}}");
    let json = serde_json::to_string(&config).unwrap();
    for printed in [
        format!("{config:?}"),
        format!("{config:#?}"),
        format!("{fixed:?}"),
        json,
        config.to_json(Secrets::Masked),
        config.to_yaml(Secrets::Masked),
        fixed.to_json(Secrets::Masked),
    ] {
        assert!(!printed.contains("hush") && !printed.contains("aHVzaD"), "{printed}");
        assert!(printed.contains("<masked>"), "{printed}");
    }
    let shown = config.to_json(Secrets::Shown);
    for secret in ["hush1", "hush2", "hush3", "hush4", "hush5", "aHVzaDY="] {
        assert!(shown.contains(secret));
    }
}

#[test]
fn errors_do_not_print_secrets() {
    for text in [
        "{version: v1, auth: {type: ephemeral, credentials: hush}}",
        "{version: v1, auth: {type: ephemeral, secrets: hush}}",
        "{version: v1, auth: {type: ephemeral, secrets: [[hush]]}}",
        "{version: v1, auth: {type: none, nonce_key: hush}}",
        "{version: v1, auth: {type: none}, admin: {license_config: hush}}",
        "{version: v1, auth: {type: none}, listeners: [{name: l, key: hush!}]}",
        "version: v1\nauth:\n  credentials:\n    password: hush\n   username: x\n",
        "version: v1\nauth:\n  credentials: {username: u, password: \"hush\n",
        "version: v1\nauth:\n  credentials: {username: u, password: *hush}\n",
        "version: v1\nauth:\n  credentials: {username: u, password: hush}}\n",
        "{\"version\": \"v1\", \"auth\": {\"credentials\": {\"username\": \"u\", \"password\": \"hush\", x}}",
    ] {
        let error = read(text).unwrap_err();
        assert!(!error.to_string().contains("hush") && !format!("{error:?}").contains("hush"), "{text}: {error}");
    }
}

#[test]
fn an_empty_secret_is_accepted_with_a_warning() {
    for text in [
        "{version: v1, auth: {credentials: {username: u, password: ''}}}",
        "{version: v1, auth: {type: longterm, credentials: {secret: ''}}}",
    ] {
        assert!(read(text).unwrap().warnings[0].to_string().ends_with("empty: anybody can guess that"), "{text}");
    }
}

#[test]
fn the_zero_configuration_is_recognised() {
    let zero = Config::zero("media/gw");
    assert!(zero.is_zero());
    assert_eq!(zero.admin.name, "media/gw");
    let read = good(&zero.to_json(Secrets::Shown));
    assert_eq!(read, zero);
    assert!(read.is_zero());
    assert!(!good(SAMPLE).is_zero());
    assert!(!good("{version: v1, auth: {type: none}}").is_zero());
    let served = r#"{"version":"v1","admin":{"name":"media/gw","loglevel":"all:INFO"},"auth":{"type":"static","realm":"stunner.l7mp.io",
        "credentials":{"username":"dummy-username","password":"dummy-password"}},"listeners":[],"clusters":[]}"#;
    assert!(good(served).is_zero());
}

#[test]
fn the_smaller_of_both_user_quotas_counts() {
    let quota = |admin: &str| {
        good(&format!("{{version: v1, auth: {{type: none}}, admin: {admin}}}")).admin.allocations_per_user()
    };
    assert_eq!(quota("{}"), None);
    assert_eq!(quota("{user_quota: 5}"), Some(5));
    assert_eq!(quota("{user_quota: -5}"), None);
    assert_eq!(quota("{limits: {allocations_per_user: 3}}"), Some(3));
    assert_eq!(quota("{limits: {allocations_per_user: 0}, user_quota: 7}"), Some(7));
    assert_eq!(quota("{limits: {allocations_per_user: 3}, user_quota: 7}"), Some(3));
    assert_eq!(quota("{limits: {allocations_per_user: 9}, user_quota: 7}"), Some(7));
}
