//! coturn's own client (`turnutils_uclient`) relays through the server to coturn's echo peer (`turnutils_peer`), without loss.

mod clients_support;

use std::{net::IpAddr, process::Command, time::Duration};

use clients_support::{PASSWORD, Process, Server, USER, V4, V6, free_port, real_clients};

const TOOLS: &[&str] = &["turnutils_uclient", "turnutils_peer"];

/// The client's start alone takes up to 6 s: it waits a random while before it sends.
const LIMIT: Duration = Duration::from_secs(90);

/// 172 bytes are 20 ms of G.711 with an RTP header.
const LENGTH: &str = "172";

/// What the client prints at its end.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    sent: u64,
    received: u64,
    lost: u64,
    dropped: u64,
}

impl Summary {
    /// Reads the lines `start_mclient: tot_send_msgs=20, tot_recv_msgs=20` (the last of them counts) and
    /// `Total lost packets 0 (0.000000%), total send dropped 0 (0.000000%)`.
    fn parse(output: &str) -> Option<Self> {
        let after = |line: &str, label: &str| -> Option<u64> {
            let rest = &line[line.find(label)? + label.len()..];
            rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
        };
        let totals = output.lines().rfind(|line| line.contains("tot_recv_msgs="))?;
        let losses = output.lines().rfind(|line| line.contains("Total lost packets "))?;
        Some(Self {
            sent: after(totals, "tot_send_msgs=")?,
            received: after(totals, "tot_recv_msgs=")?,
            lost: after(losses, "Total lost packets ")?,
            dropped: after(losses, "total send dropped ")?,
        })
    }
}

/// One run of the client against a server and a peer of its own.
struct Run {
    /// Where the client reaches the server.
    server: IpAddr,
    /// Where the relay reaches the peer.
    ip: IpAddr,
    clients: u64,
    messages: u64,
    flags: &'static [&'static str],
}

impl Run {
    fn new(ip: IpAddr, flags: &'static [&'static str]) -> Self {
        Self { server: ip, ip, clients: 1, messages: 50, flags }
    }

    fn command(&self, server: &Server, peer_port: u16, password: &str) -> Command {
        let ip = self.ip.to_string();
        let mut command = Command::new("turnutils_uclient");
        command.args(["-u", USER, "-w", password, "-l", LENGTH, "-z", "40"]);
        command.args(["-m", &self.clients.to_string(), "-n", &self.messages.to_string()]);
        command.args(["-e", &ip, "-r", &peer_port.to_string(), "-p", &server.address.port().to_string()]);
        if self.ip.is_ipv6() {
            command.arg("-x");
        }
        command.args(self.flags).arg(self.server.to_string());
        command
    }

    /// Runs it and expects every message of `sessions` sessions per client back.
    fn expect_no_loss(&self, sessions: u64) {
        let mut server = Server::start(self.server);
        let peer_port = free_port(self.ip);
        let mut peer = Command::new("turnutils_peer");
        peer.args(["-L", &self.ip.to_string(), "-p", &peer_port.to_string()]);
        let mut peer = Process::spawn(&mut peer);
        let mut client = Process::spawn(&mut self.command(&server, peer_port, PASSWORD));
        let status = client.wait(LIMIT);
        assert!(status.success(), "turnutils_uclient: {status}");
        let all = self.clients * self.messages * sessions;
        let expected = Summary { sent: all, received: all, lost: 0, dropped: 0 };
        assert_eq!(Summary::parse(&client.output()), Some(expected));
        assert!(peer.is_running(), "the peer ended during the test");
        server.assert_running();
    }
}

#[test]
fn channels_over_udp_ipv4() {
    if real_clients("channels_over_udp_ipv4", TOOLS) {
        Run::new(V4, &["-c"]).expect_no_loss(1);
    }
}

#[test]
fn channels_over_udp_ipv6() {
    if real_clients("channels_over_udp_ipv6", TOOLS) {
        Run::new(V6, &["-c"]).expect_no_loss(1);
    }
}

#[test]
fn indications_over_udp_ipv4() {
    if real_clients("indications_over_udp_ipv4", TOOLS) {
        Run::new(V4, &["-c", "-s"]).expect_no_loss(1);
    }
}

#[test]
fn indications_over_udp_ipv6() {
    if real_clients("indications_over_udp_ipv6", TOOLS) {
        Run::new(V6, &["-c", "-s"]).expect_no_loss(1);
    }
}

#[test]
fn a_client_over_ipv4_reaches_an_ipv6_peer() {
    if real_clients("a_client_over_ipv4_reaches_an_ipv6_peer", TOOLS) {
        Run { server: V4, ..Run::new(V6, &["-c"]) }.expect_no_loss(1);
    }
}

/// Both relayed addresses in one Allocate; the client then sends through the one of its peer's family.
#[test]
fn dual_allocation() {
    if real_clients("dual_allocation", TOOLS) {
        Run::new(V4, &["-Z"]).expect_no_loss(1);
    }
}

/// RTP and RTCP: the first Allocate has EVEN-PORT with the reserve bit, the second redeems its RESERVATION-TOKEN.
#[test]
fn rtp_and_rtcp_on_a_reserved_pair_of_ports() {
    if real_clients("rtp_and_rtcp_on_a_reserved_pair_of_ports", TOOLS) {
        Run::new(V4, &[]).expect_no_loss(2);
    }
}

#[test]
fn two_clients_talk_through_two_relays() {
    if real_clients("two_clients_talk_through_two_relays", TOOLS) {
        Run { clients: 2, ..Run::new(V4, &["-c", "-y"]) }.expect_no_loss(1);
    }
}

#[test]
fn dont_fragment() {
    if real_clients("dont_fragment", TOOLS) {
        Run::new(V4, &["-c", "-s", "-g"]).expect_no_loss(1);
    }
}

#[test]
fn padded_channel_data() {
    if real_clients("padded_channel_data", TOOLS) {
        Run::new(V4, &["-c", "-D"]).expect_no_loss(1);
    }
}

#[test]
fn repeated_permissions_and_channel_binds() {
    if real_clients("repeated_permissions_and_channel_binds", TOOLS) {
        Run::new(V4, &["-c", "-G"]).expect_no_loss(1);
    }
}

#[test]
fn fifty_clients_with_channels() {
    if real_clients("fifty_clients_with_channels", TOOLS) {
        Run { clients: 50, ..Run::new(V4, &["-c"]) }.expect_no_loss(1);
    }
}

#[test]
fn fifty_clients_with_indications_over_ipv6() {
    if real_clients("fifty_clients_with_indications_over_ipv6", TOOLS) {
        Run { clients: 50, ..Run::new(V6, &["-c", "-s"]) }.expect_no_loss(1);
    }
}

#[test]
fn a_wrong_password_relays_nothing() {
    if real_clients("a_wrong_password_relays_nothing", TOOLS) {
        let mut server = Server::start(V4);
        let peer_port = free_port(V4);
        let run = Run::new(V4, &["-c"]);
        let mut client = Process::spawn(&mut run.command(&server, peer_port, "wrong"));
        assert!(!client.wait(LIMIT).success());
        assert!(client.output().contains("Cannot complete Allocation"));
        server.assert_running();
    }
}

#[test]
fn the_summary_is_read_as_the_client_prints_it() {
    let output = "1: : start_mclient: msz=2, tot_send_msgs=3, tot_recv_msgs=1, tot_send_bytes ~ 9, tot_recv_bytes ~ 9\n\
                  5: : start_mclient: tot_send_msgs=40, tot_recv_msgs=39\n\
                  5: : Total lost packets 1 (2.500000%), total send dropped 0 (0.000000%)\n";
    assert_eq!(Summary::parse(output), Some(Summary { sent: 40, received: 39, lost: 1, dropped: 0 }));
    assert_eq!(Summary::parse("0: : error 401 (Unauthorized)"), None);
}
