//! TURN URIs and the configuration made of one.

use proptest::prelude::*;
use stunner_config::*;

fn uri(text: &str) -> Result<TurnUri, TurnUriError> {
    text.parse()
}

#[test]
fn what_a_uri_says() {
    use Protocol::*;
    for (text, protocol, host, port, username, password) in [
        ("turn://u:p@127.0.0.1:3478", TurnUdp, "127.0.0.1", 3478, Some("u"), Some("p")),
        ("turn://u:p@127.0.0.1", TurnUdp, "127.0.0.1", 3478, Some("u"), Some("p")),
        ("turn://u:p@127.0.0.1/", TurnUdp, "127.0.0.1", 3478, Some("u"), Some("p")),
        ("turn://u:p@1.2.3.4:5?transport=udp", TurnUdp, "1.2.3.4", 5, Some("u"), Some("p")),
        ("turn://u:p@1.2.3.4?transport=tcp", TurnTcp, "1.2.3.4", 3478, Some("u"), Some("p")),
        ("turn://u:p@1.2.3.4?transport=TLS", TurnTls, "1.2.3.4", 443, Some("u"), Some("p")),
        ("turn://u:p@1.2.3.4?transport=dtls", TurnDtls, "1.2.3.4", 443, Some("u"), Some("p")),
        ("turns://u:p@1.2.3.4", TurnTls, "1.2.3.4", 443, Some("u"), Some("p")),
        ("turns://u:p@1.2.3.4?transport=tcp", TurnTls, "1.2.3.4", 443, Some("u"), Some("p")),
        ("turns://u:p@1.2.3.4:9?transport=udp", TurnDtls, "1.2.3.4", 9, Some("u"), Some("p")),
        ("turns://u:p@1.2.3.4?transport=dtls", TurnDtls, "1.2.3.4", 443, Some("u"), Some("p")),
        ("TURN://u:p@[::1]:7", TurnUdp, "::1", 7, Some("u"), Some("p")),
        ("turn://u:p@[2001:db8::1]", TurnUdp, "2001:db8::1", 3478, Some("u"), Some("p")),
        ("turn://turn.example.org", TurnUdp, "turn.example.org", 3478, None, None),
        ("turn:turn.example.org:9?transport=tcp", TurnTcp, "turn.example.org", 9, None, None),
        ("turn://u@h", TurnUdp, "h", 3478, Some("u"), None),
        ("turn://u:@h", TurnUdp, "h", 3478, Some("u"), Some("")),
        ("turn://:p@h", TurnUdp, "h", 3478, Some(""), Some("p")),
        ("turn://%3Au%40:p%25%2F%C3%A4@h", TurnUdp, "h", 3478, Some(":u@"), Some("p%/ä")),
        ("turn://u:p:q@h", TurnUdp, "h", 3478, Some("u"), Some("p:q")),
        ("turn://u:p@ss?w/o#rd@h:1?transport=udp", TurnUdp, "h", 1, Some("u"), Some("p@ss?w/o#rd")),
        ("turn://1700000000:u:p@h", TurnUdp, "h", 3478, Some("1700000000"), Some("u:p")),
        ("turn://u:p+q@h", TurnUdp, "h", 3478, Some("u"), Some("p+q")),
        ("turn://u:p@h?", TurnUdp, "h", 3478, Some("u"), Some("p")),
    ] {
        let read = uri(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((read.protocol, read.host.as_str(), read.port), (protocol, host, port), "{text}");
        assert_eq!(read.username.as_deref(), username, "{text}");
        assert_eq!(read.password.as_ref().map(Secret::reveal), password, "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_uri() {
    use TurnUriError as E;
    for (text, error) in [
        ("", E::Scheme),
        ("turn", E::Scheme),
        ("http://u:hush@h", E::Scheme),
        ("u:hush@1.2.3.4:3478", E::Scheme),
        ("turn://u:hush@", E::Authority),
        ("turn://u:hush@:3478", E::Authority),
        ("turn://u:hush@h:0", E::Authority),
        ("turn://u:hush@h:65536", E::Authority),
        ("turn://u:hush@h:", E::Authority),
        ("turn://u:hush@h:x", E::Authority),
        ("turn://u:hush@h:+1", E::Authority),
        ("turn://u:hush@h/path", E::Authority),
        ("turn://u:hush@1.2.3", E::Authority),
        ("turn://u:hush@1.2.3.256", E::Authority),
        ("turn://u:hush@a b", E::Authority),
        ("turn://u:hush@[::1", E::Authority),
        ("turn://u:hush@[1.2.3.4]:1", E::Authority),
        ("turn://u:hush@[fe80::1%eth0]:1", E::Authority),
        ("turn://u:hush@::1", E::BareIpv6),
        ("turn://u:hush@h?transport=sctp", E::Transport),
        ("turns://u:hush@h?transport=", E::Transport),
        ("turn://u:hush@h?transport=udp&transport=tcp", E::Parameter),
        ("turn://u:hush@h?foo=bar", E::Parameter),
        ("turn://u:hush@h?transport", E::Parameter),
        ("turn://u:hush%@h", E::Encoding),
        ("turn://u:hush%4@h", E::Encoding),
        ("turn://u:hush%+1@h", E::Encoding),
        ("turn://u:hush%ff@h", E::Encoding),
    ] {
        let read = uri(text).map(|uri| uri.to_string());
        assert_eq!(read, Err(error), "{text}");
        assert!(!error.to_string().contains("hush"));
    }
}

#[test]
fn a_uri_makes_a_gateway() {
    let config = Config::from_uri(&uri("turn://alice:pa$$@192.0.2.1:5000?transport=tcp").unwrap()).unwrap();
    assert_eq!(config.admin, Admin::default());
    assert_eq!(config.auth, Auth::new(Credentials::Static { username: "alice".to_owned(), password: "pa$$".into() }));
    let [listener] = &config.listeners[..] else { panic!() };
    assert_eq!(
        (listener.name.as_str(), listener.protocol, listener.port),
        ("default-listener", Protocol::TurnTcp, 5000)
    );
    assert_eq!(listener.address.ip(), "192.0.2.1".parse().ok());
    assert_eq!(listener.routes, ["allow-any"]);
    let none = |_: &str| None;
    let printed = parse(&config.to_yaml(Secrets::Shown), &ParseOptions::file(&none)).unwrap();
    assert_eq!((printed.config, printed.warnings), (config, Vec::new()));
}

#[test]
fn a_uri_routes_to_loopback_only_from_loopback() {
    for (host, endpoints) in [
        ("0.0.0.0", &["0.0.0.0/0", "::/0"][..]),
        ("[::]", &["0.0.0.0/0", "::/0"]),
        ("192.0.2.1", &["0.0.0.0/0", "::/0"]),
        ("127.0.0.1", &["0.0.0.0/0", "127.0.0.0/8", "::/0", "::1"]),
        ("[::1]", &["0.0.0.0/0", "127.0.0.0/8", "::/0", "::1"]),
        ("[::ffff:127.0.0.1]", &["0.0.0.0/0", "127.0.0.0/8", "::/0", "::1"]),
        ("localhost", &["0.0.0.0/0", "127.0.0.0/8", "::/0", "::1"]),
    ] {
        let config = Config::from_uri(&uri(&format!("turn://u:p@{host}")).unwrap()).unwrap();
        let expected: Vec<Endpoint> = endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect();
        assert_eq!(config.clusters[0].endpoints, Endpoints::Static(expected), "{host}");
    }
}

#[test]
fn a_gateway_needs_credentials_and_an_address() {
    let config = |text: &str| Config::from_uri(&uri(text).unwrap()).map(|_| ());
    assert_eq!(config("turn://127.0.0.1"), Err(TurnUriError::NoCredentials));
    assert_eq!(config("turn://u@127.0.0.1"), Err(TurnUriError::NoCredentials));
    assert_eq!(config("turn://u:p@turn.example.org"), Err(TurnUriError::NoListenerAddress));
    assert_eq!(config("turns://u:p@localhost"), Ok(()));
}

#[test]
fn placeholders_are_shown_as_unspecified() {
    let mut listener = Listener::new("l");
    listener.address = ListenerAddress::NodePlaceholder;
    assert_eq!(listener.ice_uri(), "turn:0.0.0.0:3478?transport=udp");
    listener.public_port = Some(9);
    listener.public_address = Some("turn.example.org".to_owned());
    listener.protocol = Protocol::TurnDtls;
    assert_eq!(listener.ice_uri(), "turns:turn.example.org:9?transport=udp");
}

#[test]
fn a_user_name_is_at_most_as_long_as_a_message_can_carry() {
    let named = |length: usize| uri(&format!("turn://{}:pass@192.0.2.1", "u".repeat(length)));
    let config = Config::from_uri(&named(508).unwrap()).unwrap();
    let environment = |_: &str| None;
    let printed = config.to_yaml(Secrets::Shown);
    assert_eq!(parse(&printed, &ParseOptions::file(&environment)).unwrap().config, config);
    assert_eq!(named(509), Err(TurnUriError::Username));
}

proptest! {
    #[test]
    fn any_encoded_credential_comes_back(user in "\\PC{0,20}", password in "\\PC{0,20}") {
        let encode = |text: &str| text.bytes().map(|b| format!("%{b:02x}")).collect::<String>();
        let read = uri(&format!("turn://{}:{}@[::1]:5", encode(&user), encode(&password))).unwrap();
        prop_assert_eq!(read.username.as_deref(), Some(user.as_str()));
        prop_assert_eq!(read.password.as_ref().map(Secret::reveal), Some(password.as_str()));
    }

    #[test]
    fn no_text_makes_it_panic(text in "turns?:(//)?[a-z0-9:@%\\[\\].?=&/ä]{0,40}|\\PC{0,30}") {
        if let Ok(read) = uri(&text) {
            let emitted: TurnUri = uri(&read.to_string()).unwrap();
            prop_assert_eq!((emitted.protocol, emitted.host, emitted.port), (read.protocol, read.host, read.port));
        }
    }
}
