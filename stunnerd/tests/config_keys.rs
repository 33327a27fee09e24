//! Every key of the document that this version serves does what it says. Those that the conformance suite plays with (quotas of a user,
//! permissions, channels, nonce lifetime, shared secret) are not repeated here.

mod daemon_support;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use daemon_support::{Daemon, account};
use stunner_testkit::harness::{Account, Client, Peer, crypto, drafts};

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const STATIC: &str = "type: static, credentials: {username: user, password: pass}";

/// A document with one open listener on loopback.
fn document(admin: &str, auth: &str, listener: &str) -> String {
    format!(
        "version: v1\nadmin: {{{admin}}}\nauth: {{{auth}}}\n\
         listeners: [{{name: udp, protocol: UDP, address: 127.0.0.1, port: PORT, routes: [all]{listener}}}]\n\
         clusters: [{{name: all, endpoints: [127.0.0.0/8]}}]\n"
    )
}

fn client(daemon: &Daemon, account: Account) -> Client {
    Client::new(LOCAL, daemon.address(), account).expect("a client")
}

/// A TURN REST account: the password follows from the secret and the name.
fn rest(secret: &str, username: String) -> Account {
    Account { password: crypto::rest_password(secret, &username), username }
}

#[test]
fn auth_realm_is_what_challenges_name() {
    let mut daemon = Daemon::with_config(&document("", &format!("{STATIC}, realm: media.example.org"), ""));
    let mut client = client(&daemon, account());
    let signer = client.signer().expect("a challenge");
    assert_eq!(signer.realm.as_deref(), Some("media.example.org"));
    client.allocate().expect("served");
    drop(client);
    daemon.end();
}

#[test]
fn auth_nonce_key_lets_another_process_take_over_the_clients() {
    let start = |key: &str| Daemon::with_config(&document("", &format!("{STATIC}, nonce_key: {key}"), ""));
    let mut first = start("one-key-of-the-fleet");
    let signer = client(&first, account()).signer().expect("a challenge");
    first.end();
    for (key, taken) in [("one-key-of-the-fleet", true), ("another-key-altogether", false)] {
        let mut second = start(key);
        let mut client = client(&second, account());
        let reply = client.exchange_allocate(&signer.sign(drafts::allocate())).expect("an answer");
        assert_eq!(reply.error().map(|(code, _)| code), if taken { None } else { Some(438) }, "{key}");
        drop(client);
        second.end();
    }
}

#[test]
fn auth_secrets_are_all_good_at_once() {
    let auth = "type: ephemeral, credentials: {secret: new}, secrets: [old]";
    let mut daemon = Daemon::with_config(&document("", auth, ""));
    for (secret, good) in [("new", true), ("old", true), ("other", false)] {
        let mut client = client(&daemon, rest(secret, "4102444800:alice".into()));
        assert_eq!(client.allocate().is_ok(), good, "{secret}");
    }
    daemon.end();
}

#[test]
fn auth_strict_expiry_decides_whether_a_call_outlives_its_credential() {
    for strict in [false, true] {
        let auth = format!("type: ephemeral, credentials: {{secret: s}}, strict_expiry: {strict}");
        let mut daemon = Daemon::with_config(&document("", &auth, ""));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
        let expires = now + 3;
        let mut client = client(&daemon, rest("s", format!("{expires}:alice")));
        client.allocate().expect("it is still good");
        // Expired is what is older than this second.
        std::thread::sleep(Duration::from_secs(expires + 2 - now));
        let refreshed = client.call(&drafts::refresh(600)).expect("an answer");
        assert_eq!(refreshed.error().map(|(code, _)| code), if strict { Some(401) } else { None }, "strict: {strict}");
        let mut late = Client::new(LOCAL, daemon.address(), rest("s", format!("{expires}:alice"))).expect("a client");
        assert!(late.allocate().expect_err("expired").to_string().contains("401"));
        drop(client);
        daemon.end();
    }
}

#[test]
fn auth_none_answers_binding_only() {
    let mut daemon = Daemon::with_config(&document("", "type: none", ""));
    let mut client = client(&daemon, account());
    assert_eq!(client.exchange(&drafts::binding()).expect("an answer").error(), None);
    assert!(client.allocate().is_err());
    daemon.end();
}

#[test]
fn admin_strict_channel_numbers_keeps_to_rfc_8656() {
    for strict in [false, true] {
        let mut daemon = Daemon::with_config(&document(&format!("strict_channel_numbers: {strict}"), STATIC, ""));
        let mut client = client(&daemon, account());
        client.allocate().expect("an allocation");
        let peer = Peer::at(LOCAL).expect("a peer");
        assert_eq!(client.bind(0x5000, peer.address()).is_ok(), !strict);
        client.bind(0x4FFF, Peer::at(LOCAL).expect("a peer").address()).expect("in both ranges");
        drop(client);
        daemon.end();
    }
}

#[test]
fn admin_limits_unauthenticated_answers_per_second_bounds_what_strangers_get() {
    let limits = "limits: {unauthenticated_answers_per_second: 1}";
    let mut daemon = Daemon::with_config(&document(limits, STATIC, ""));
    let socket = UdpSocket::bind((LOCAL, 0)).expect("a port");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a time-out");
    let mut answered = 0;
    for _ in 0..10 {
        socket.send_to(drafts::binding().as_bytes(), daemon.address()).expect("sent");
        answered += usize::from(socket.recv_from(&mut [0; 1500]).is_ok());
    }
    // A burst of two, then one per second, for about three seconds.
    assert!((2..=6).contains(&answered), "{answered} of 10 were answered");
    daemon.end();
}

#[test]
fn listener_relay_addresses_are_bound_and_advertised() {
    let relays = ", relay_addresses: [127.0.0.2=203.0.113.5]";
    let mut daemon = Daemon::with_config(&document("relay_port_range: 50100-50199", STATIC, relays));
    let mut client = client(&daemon, account());
    let relayed = client.allocate().expect("an allocation").address();
    assert_eq!(relayed.ip(), Ipv4Addr::new(203, 0, 113, 5));
    assert!((50_100..=50_199).contains(&relayed.port()));
    let peer = Peer::at(LOCAL).expect("a peer");
    client.permit(&[peer.address()]).expect("a permission");
    client.send_to(peer.address(), b"hello").expect("sent");
    let bound = peer.expect(b"hello").expect("relayed");
    assert_eq!(bound, SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), relayed.port()));
    drop(client);
    daemon.end();
}

#[test]
fn listener_public_address_is_what_the_ice_server_url_names() {
    let public = ", public_address: turn.example.org, public_port: 443";
    let mut daemon = Daemon::with_config(&document("", STATIC, public));
    daemon.end();
    assert!(daemon.log().contains("turn:turn.example.org:443?transport=udp"), "{}", daemon.log());
}

#[test]
fn admin_loglevel_is_followed_unless_the_command_line_says_otherwise() {
    let quiet = document("loglevel: 'all:ERROR'", STATIC, "");
    let path = daemon_support::write_config(&quiet.replace("PORT", "3478"));
    let path = path.to_str().expect("a path");
    assert!(daemon_support::run(&["--dry-run", "-c", path]).stdout.is_empty());
    assert!(!daemon_support::run(&["--dry-run", "-l", "all:INFO", "-c", path]).stdout.is_empty());
}

#[test]
fn when_descriptors_run_out_the_answer_is_508_and_it_serves_on() {
    let mut daemon = Daemon::limited("ulimit -n 192", &["turn://user:pass@127.0.0.1:PORT"]);
    let mut clients = Vec::new();
    let refused = loop {
        let mut client = client(&daemon, account());
        match client.allocate() {
            Ok(_) => clients.push(client),
            Err(why) => break why,
        }
        assert!(clients.len() < 192, "descriptors never ran out");
    };
    assert!(refused.to_string().contains("508"), "{refused}");
    assert!(clients.len() > 30, "only {} fitted", clients.len());
    clients.truncate(clients.len() - 5);
    client(&daemon, account()).allocate().expect("there is room again");
    drop(clients);
    daemon.end();
}
