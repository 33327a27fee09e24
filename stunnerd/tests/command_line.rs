//! What a person at a terminal meets: good starts, wrong input, and what to do about it.

mod daemon_support;

use std::net::{Ipv4Addr, UdpSocket};

use daemon_support::{Daemon, account, run, write_config};
use stunner_testkit::harness::{Client, Peer};

/// Runs stunnerd, which must fail; what it said.
fn failure(args: &[&str]) -> String {
    let output = run(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    said
}

#[test]
fn without_anything_to_serve_it_explains_how_to_start() {
    let said = failure(&[]);
    assert!(said.contains("stunnerd 'turn://user:pass@127.0.0.1:3478'") && said.contains("-c /etc/"), "{said}");
}

#[test]
fn bad_input_is_one_clear_line_and_exit_code_1() {
    for (args, expected) in [
        (&["turn://user:s3cret@"][..], "host:port"),
        (&["turn://127.0.0.1"], "password"),
        (&["turn://user:s3cret@127.0.0.1:99999"], "port"),
        (&["http://user:s3cret@127.0.0.1"], "turn"),
        (&["-c", "/nonexistent/stunnerd.yaml"], "/nonexistent/stunnerd.yaml"),
        (&["-c", "ws://cds:13478"], "file:///PATH"),
        (&["--log", "loud", "turn://user:s3cret@127.0.0.1"], "SCOPE:LEVEL"),
        (&["--no-such-option"], "--no-such-option"),
        (&["turn://user:s3cret@127.0.0.1?transport=tcp"], "?transport=udp"),
    ] {
        let said = failure(args);
        assert!(said.contains(expected), "{args:?}: {said}");
        assert!(!said.contains("s3cret"), "{args:?}: {said}");
    }
}

#[test]
fn a_bad_field_is_named_with_its_value_and_what_was_expected() {
    let config = write_config(
        "version: v1\nauth: {credentials: {username: u, password: s3cret}}\nlisteners: [{name: a, port: 70000}]\n",
    );
    let said = failure(&["-c", config.to_str().expect("a path")]);
    assert!(said.contains("listeners[0].port") && said.contains("70000") && !said.contains("s3cret"), "{said}");
}

#[test]
fn a_port_in_use_is_found_although_so_reuseport_would_hide_it() {
    let owner = Daemon::start(&["turn://user:pass@127.0.0.1:PORT"]);
    let address = owner.address();
    let said = failure(&[&format!("turn://user:pass@{address}")]);
    assert!(said.contains("no listener could be opened"), "{said}");
    let output = run(&[&format!("turn://user:pass@{address}")]);
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(log.contains("in use by another process or listener") && log.contains("ss -ulnp"), "{log}");
}

#[test]
fn a_dry_run_opens_nothing() {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let uri = format!("turn://user:pass@{}", socket.local_addr().expect("bound"));
    assert!(run(&["--dry-run", &uri]).status.success());
}

#[test]
fn what_it_says_at_the_start_has_what_an_on_call_person_looks_for_and_no_secret() {
    let mut daemon = Daemon::start(&["turn://user:s3cret@127.0.0.1:PORT"]);
    daemon.end();
    let log = daemon.log();
    let url = format!("turn:{}?transport=udp", daemon.address());
    for expected in
        [&url, "relays from IPv4 127.0.0.1", "ports 49152-65535", "authentication: static", "workers", "descriptors"]
    {
        assert!(
            log.contains(expected) || expected == "workers" && log.contains("1 worker"),
            "no {expected:?} in:\n{log}"
        );
    }
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn json_logs_are_json() {
    let output = run(&["--dry-run", "--log-format", "json", "--id", "a/b", "turn://user:pass@127.0.0.1"]);
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON object");
        assert!(value["message"].is_string() && value["level"].is_string(), "{line}");
    }
    assert!(String::from_utf8_lossy(&output.stdout).contains("a/b"));
}

#[test]
fn what_is_not_served_yet_is_named_and_the_rest_serves() {
    let mut daemon = Daemon::with_config(
        "version: v1\nadmin: {metrics_endpoint: 'http://:8080/metrics'}\n\
         auth: {type: static, credentials: {username: user, password: pass}}\n\
         listeners:\n- {name: tcp, protocol: TURN-TCP, address: 127.0.0.1, port: 3478}\n\
         - {name: udp, protocol: UDP, address: 127.0.0.1, port: PORT, routes: [sfu, gone, dns]}\n\
         clusters:\n- {name: sfu, endpoints: ['127.0.0.0/8:<1024-65535>']}\n\
         - {name: dns, type: STRICT_DNS, endpoints: [example.org]}\n",
    );
    let (server, local) = (daemon.address(), Ipv4Addr::LOCALHOST.into());
    let mut client = Client::new(local, server, account()).expect("a client");
    client.allocate().expect("an allocation");
    let peer = Peer::at(local).expect("a peer");
    client.permit(&[peer.address()]).expect("the route names loopback itself");
    client.send_to(peer.address(), b"hello").expect("sent");
    peer.expect(b"hello").expect("relayed");
    drop(client);
    daemon.end();
    let log = daemon.log();
    for expected in ["admin.metrics_endpoint", "listeners[0].protocol", "clusters[1].type"] {
        assert!(log.contains(expected), "no {expected:?} in:\n{log}");
    }
}

#[test]
fn every_limit_of_the_document_holds() {
    let document = |limits: &str| {
        format!(
            "version: v1\nadmin: {{relay_port_range: 50000-50099, limits: {{{limits}}}}}\n\
             auth: {{type: static, credentials: {{username: user, password: pass}}}}\n\
             listeners: [{{name: udp, protocol: UDP, address: 127.0.0.1, port: PORT, routes: [all]}}]\n\
             clusters: [{{name: all, endpoints: [127.0.0.0/8]}}]\n"
        )
    };
    let local = Ipv4Addr::LOCALHOST.into();
    for limit in ["allocations: 1", "allocations_per_user: 1", "allocations_per_source: 1"] {
        let mut daemon = Daemon::with_config(&document(limit));
        let mut first = Client::new(local, daemon.address(), account()).expect("a client");
        let relayed = first.allocate().expect("the first").address();
        assert!((50_000..=50_099).contains(&relayed.port()), "{relayed}");
        let mut second = Client::new(local, daemon.address(), account()).expect("a client");
        let why = second.allocate().expect_err("the second");
        assert!(why.to_string().contains("486"), "{limit}: {why}");
        drop(first);
        daemon.end();
    }
}
