//! Command line of the bench.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::time::Duration;

/// CPU time per relayed packet of TURN servers, side by side.
#[derive(Debug, Parser)]
#[command(name = "relay")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// What the binary does instead of benchmarking.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Relay datagrams with a socket per allocation and no TURN logic: the limit that servers are compared with.
    RawForwarder {
        /// Address and port that clients send to; relayed sockets get ports of the same address.
        #[arg(long)]
        listen: SocketAddrV4,
    },
}

/// What is measured and how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Servers to measure; one that is named and missing is an error. Default: all that are found.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) subjects: Vec<Kind>,
    /// The stunnerd to run, `PATH` or `LABEL=PATH`, may be given several times to compare builds. Default: beside this binary.
    #[arg(long, value_name = "[LABEL=]PATH", value_parser = labelled_path)]
    pub(crate) stunnerd: Vec<(String, PathBuf)>,
    /// One more argument for every stunnerd.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) stunnerd_arg: Vec<String>,
    /// The coturn to run.
    #[arg(long, default_value = "/usr/bin/turnserver")]
    pub(crate) coturn: PathBuf,
    /// Allocations at each server.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=16_000))]
    pub(crate) allocations: u16,
    /// Packets in flight.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=4096))]
    pub(crate) in_flight: u32,
    /// Consecutive packets on one allocation before the next has its turn.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) run: u32,
    /// Payload sizes in bytes.
    #[arg(long, value_delimiter = ',', default_value = "172,1200", value_parser = clap::value_parser!(u16).range(16..=1400))]
    pub(crate) sizes: Vec<u16>,
    /// Directions.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "c2p,p2c,both")]
    pub(crate) directions: Vec<Direction>,
    /// Measure Send and Data indications besides ChannelData.
    #[arg(long)]
    pub(crate) indications: bool,
    /// Rounds that count; one more comes before them and is dropped.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// Milliseconds of load per server, case and round.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u64).range(10..=10_000))]
    pub(crate) window_ms: u64,
    /// A rough look: 172 B only, two rounds, short windows.
    #[arg(long)]
    pub(crate) quick: bool,
    /// CPU for the servers. Default: the first of those allowed.
    #[arg(long)]
    pub(crate) server_cpu: Option<usize>,
    /// CPU for the load generator. Default: the second of those allowed.
    #[arg(long)]
    pub(crate) load_cpu: Option<usize>,
    /// Also print spread, packet rate, losses and how busy both sides were.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Prefix of the namespaces that the supervising process made room for.
    #[arg(long, hide = true)]
    pub(crate) inside: Option<String>,
}

impl Options {
    /// Measured time per server, case and round.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(if self.quick { self.window_ms.min(150) } else { self.window_ms })
    }

    /// Rounds that count.
    pub(crate) fn counted_rounds(&self) -> u32 {
        if self.quick { self.rounds.min(2) } else { self.rounds }
    }

    /// Everything that is measured, in table order.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let sizes = if self.quick { &self.sizes[..1] } else { &self.sizes[..] };
        let framings: &[Framing] =
            if self.indications { &[Framing::Channel, Framing::Indication] } else { &[Framing::Channel] };
        let mut cases = Vec::new();
        for &framing in framings {
            for &size in sizes {
                cases.extend(self.directions.iter().map(|&direction| Case { framing, size, direction }));
            }
        }
        cases
    }
}

/// Sort of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// This project's daemon.
    Stunnerd,
    /// The distribution's coturn.
    Coturn,
    /// `relay raw-forwarder`.
    Raw,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Stunnerd, Self::Coturn, Self::Raw];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stunnerd => "stunnerd",
            Self::Coturn => "coturn",
            Self::Raw => "raw",
        }
    }
}

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// Client to peer.
    C2p,
    /// Peer to client.
    P2c,
    /// Half of the packets in flight each way.
    Both,
}

/// How payload travels between client and server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// ChannelData.
    Channel,
    /// Send and Data indications.
    Indication,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) framing: Framing,
    pub(crate) size: u16,
    pub(crate) direction: Direction,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::C2p => "c2p",
            Direction::P2c => "p2c",
            Direction::Both => "both",
        };
        let framing = match self.framing {
            Framing::Channel => "",
            Framing::Indication => " ind.",
        };
        write!(f, "{:>4} B {direction}{framing}", self.size)
    }
}

fn labelled_path(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((label, path)) if !label.is_empty() && !label.contains('/') => Ok((label.to_owned(), path.into())),
        _ => Ok((Kind::Stunnerd.name().to_owned(), text.into())),
    }
}
