//! Setting up allocations at a server, and keeping them.

use super::packet;
use super::sockets::{CHANNEL_PEER, Sockets};
use super::turn::{Progress, TurnClient};
use crate::batch::{Outgoing, Received};
use crate::cli::Kind;
use crate::netns::client_address;
use crate::raw_forwarder;
use crate::subject::Server;
use anyhow::{Context as _, Result, ensure};
use std::collections::VecDeque;
use std::net::SocketAddrV4;
use std::thread::sleep;
use std::time::{Duration, Instant};
use stun_codec::ChannelNumber;

/// Clients that wait for an answer at a time.
const WINDOW: usize = 64;
/// Small, because it is a local link and because a server needs a moment to start.
const RETRANSMIT: Duration = Duration::from_millis(100);
const TRIES: u32 = 100;
/// Younger ones than this need no refresh: permissions last five minutes (RFC 8656 §9).
const KEEP: Duration = Duration::from_secs(120);
/// Largest request.
const REQUEST: usize = 512;

/// One allocation as the load needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocation {
    pub(crate) relayed: SocketAddrV4,
    pub(crate) channel: ChannelNumber,
}

/// All allocations at one server.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) label: String,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddrV4,
    pub(crate) allocations: Vec<Allocation>,
    dialogs: Vec<Dialog>,
    refreshed: Instant,
}

impl Session {
    /// Makes `count` allocations at `server`, each with a channel to one peer and a permission for the other.
    pub(crate) fn open(sockets: &mut Sockets, server: &mut Server, count: u16) -> Result<Self> {
        let mut dialogs: Vec<_> = (0..count).map(|number| Dialog::new(server.kind, number)).collect();
        drive(sockets, server.address, &mut dialogs).or_else(|error| {
            server.check()?;
            Err(error.context(format!("setting up allocations at {}", server.label)))
        })?;
        let allocations: Option<Vec<_>> = dialogs.iter().map(Dialog::allocation).collect();
        let allocations = allocations.with_context(|| format!("{} gave no relayed address", server.label))?;
        let mut addresses: Vec<_> = allocations.iter().map(|allocation| allocation.relayed).collect();
        addresses.sort_unstable();
        addresses.dedup();
        ensure!(addresses.len() == dialogs.len(), "{} gave one relayed address to several clients", server.label);
        let (label, pid, address) = (server.label.clone(), server.pid(), server.address);
        Ok(Self { label, pid, address, allocations, dialogs, refreshed: Instant::now() })
    }

    /// Refreshes allocations, permissions and channels if they need it soon.
    pub(crate) fn keep(&mut self, sockets: &mut Sockets) -> Result<()> {
        if self.refreshed.elapsed() > KEEP {
            self.refreshed = Instant::now();
            self.dialogs.iter_mut().for_each(Dialog::refresh);
            drive(sockets, self.address, &mut self.dialogs).with_context(|| format!("refreshing at {}", self.label))?;
        }
        Ok(())
    }

    /// Whether this is the raw forwarder, which knows only channels.
    pub(crate) fn is_raw(&self) -> bool {
        self.dialogs.iter().any(|dialog| matches!(dialog, Dialog::Raw { .. }))
    }
}

/// A client's side of the set-up.
#[derive(Debug)]
enum Dialog {
    Turn(Box<TurnClient>),
    Raw { channel: ChannelNumber, relayed: Option<SocketAddrV4> },
}

impl Dialog {
    fn new(kind: Kind, number: u16) -> Self {
        // RFC 8656 §12: 0x4000 to 0x4FFF.
        let channel = ChannelNumber::new(0x4000 | (number & 0x0FFF)).expect("a number from the channel range");
        match kind {
            Kind::Raw => Self::Raw { channel, relayed: None },
            Kind::Stunnerd | Kind::Coturn => Self::Turn(Box::new(TurnClient::new(number, channel))),
        }
    }

    fn allocation(&self) -> Option<Allocation> {
        let (channel, relayed) = match self {
            Self::Turn(client) => (client.channel(), client.relayed()),
            Self::Raw { channel, relayed } => (*channel, *relayed),
        };
        Some(Allocation { relayed: relayed?, channel })
    }

    fn refresh(&mut self) {
        if let Self::Turn(client) = self {
            client.refresh();
        }
    }

    fn request(&self, out: &mut [u8; REQUEST]) -> Result<usize> {
        match self {
            Self::Turn(client) => client.request(out),
            Self::Raw { channel, .. } => {
                let message = raw_forwarder::setup_request(channel.get(), CHANNEL_PEER);
                out[..message.len()].copy_from_slice(&message);
                Ok(message.len())
            }
        }
    }

    fn response(&mut self, bytes: &[u8]) -> Result<Progress> {
        match self {
            Self::Turn(client) => client.response(bytes),
            Self::Raw { relayed, .. } => Ok(match raw_forwarder::parse_setup(bytes) {
                Some((_, address)) => {
                    *relayed = Some(address);
                    Progress::Done
                }
                None => Progress::None,
            }),
        }
    }
}

/// A dialog that waits for an answer.
struct Waiting {
    number: u16,
    sent: Option<Instant>,
    tries: u32,
}

/// Brings all dialogs to their end, some at a time.
fn drive(sockets: &mut Sockets, server: SocketAddrV4, dialogs: &mut [Dialog]) -> Result<()> {
    let mut fresh = 0..u16::try_from(dialogs.len())?;
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    loop {
        while waiting.len() < WINDOW
            && let Some(number) = fresh.next()
        {
            waiting.push_back(Waiting { number, sent: None, tries: 0 });
        }
        if waiting.is_empty() {
            return Ok(());
        }
        for one in &mut waiting {
            if one.sent.is_none_or(|sent| sent.elapsed() > RETRANSMIT) {
                ensure!(one.tries < TRIES, "client {} gets no answer", one.number);
                one.tries += 1;
                one.sent = Some(Instant::now());
                send(sockets, server, one.number, &dialogs[usize::from(one.number)])?;
            }
        }
        let mut outcome = Ok(());
        let count = sockets.to_clients.receive(|Received { destination, bytes, .. }| {
            let Some(position) = waiting.iter().position(|one| destination == Some(client_address(one.number))) else {
                return;
            };
            let one = &mut waiting[position];
            match dialogs[usize::from(one.number)].response(bytes) {
                Ok(Progress::None) => {}
                Ok(Progress::Next) => (one.sent, one.tries) = (None, 0),
                Ok(Progress::Done) => drop(waiting.remove(position)),
                Err(error) => outcome = Err(error),
            }
        })?;
        outcome?;
        if count == 0 {
            sleep(Duration::from_micros(100));
        }
    }
}

fn send(sockets: &mut Sockets, server: SocketAddrV4, number: u16, dialog: &Dialog) -> Result<()> {
    let mut request = [0; REQUEST];
    let length = dialog.request(&mut request)?;
    let headers = packet::headers(packet::client(client_address(number)), server, length);
    let outgoing = Outgoing { destination: server.into(), head: &headers, tail: &request[..length] };
    sockets.from_clients.send(1, |_| outgoing).context("sending a request")?;
    Ok(())
}
