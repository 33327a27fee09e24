//! Target `stream`: what a TCP connection brings, cut into frames.

use stun_codec::{
    ChannelData, ChannelNumber, Message, ParseError, channel_data_header, padding,
    stream::{FrameError, Framing, frame},
};

use crate::{input::Input, naive};

/// Frames a stream: one of any bytes, then one of messages that are known.
///
/// # Panics
/// When frames depend on how the stream is split, or when `NeedMore` asks for too much.
pub fn stream(data: &[u8]) {
    let (cuts, bytes) = data.split_at(data.len().min(8));
    let (frames, end) = cut_at_once(bytes);
    assert_eq!(cut_in_pieces(bytes, cuts), (frames, end));
    prefixes(bytes);
    known(data);
}

/// The lengths of frames one behind the other, and how the stream ends.
type Cut = (Vec<usize>, Option<FrameError>);

fn cut_at_once(mut bytes: &[u8]) -> Cut {
    let mut frames = Vec::new();
    loop {
        match frame(bytes) {
            Err(error) => return (frames, Some(error)),
            Ok(Framing::NeedMore(wanted)) => {
                assert!(wanted > bytes.len());
                return (frames, None);
            }
            Ok(framing) => {
                let len = whole(framing, bytes);
                frames.push(len);
                bytes = &bytes[len..];
            }
        }
    }
}

/// The bytes until the next frame; what is in them must be what the framing says.
fn whole(framing: Framing, bytes: &[u8]) -> usize {
    match framing {
        Framing::NeedMore(_) => panic!("not whole"),
        Framing::Stun(len) => {
            // All that framing cannot see is how attributes fit.
            let parsed = Message::parse(&bytes[..len]).map(|_| ());
            assert!(matches!(parsed, Ok(()) | Err(ParseError::AttributeOverrun)), "{parsed:?}");
            len
        }
        Framing::ChannelData { len, padded } => {
            assert_eq!(padded, len + padding(len));
            let parsed = ChannelData::parse(&bytes[..len]).expect("a whole message");
            assert_eq!(parsed.data, &bytes[4..len]);
            padded
        }
    }
}

/// Feeds the stream in pieces of the sizes in `cuts`, asking only when as much is there as was asked for.
fn cut_in_pieces(bytes: &[u8], cuts: &[u8]) -> Cut {
    let mut frames = Vec::new();
    let (mut received, mut consumed, mut piece) = (0, 0, 0);
    let mut wanted = 0;
    loop {
        let held = &bytes[consumed..received];
        if held.len() >= wanted {
            match frame(held) {
                // What was not an error when less was there has become one.
                Err(error) => return (frames, Some(error)),
                Ok(Framing::NeedMore(more)) => {
                    assert!(more > held.len() && more >= wanted, "{more} after {wanted} with {}", held.len());
                    wanted = more;
                }
                Ok(framing) => {
                    let len = whole(framing, held);
                    frames.push(len);
                    (consumed, wanted) = (consumed + len, 0);
                    continue;
                }
            }
        }
        if received == bytes.len() {
            // An error may hide in what was not asked about yet.
            return (frames, frame(&bytes[consumed..]).err());
        }
        let size = cuts.get(piece % cuts.len().max(1)).map_or(1, |cut| usize::from(*cut) + 1);
        received = (received + size).min(bytes.len());
        piece += 1;
    }
}

/// With each byte more an answer only gets more definite: a frame stays that frame, an error stays an error, and `NeedMore` holds
/// until as much is there.
fn prefixes(bytes: &[u8]) {
    let mut before: Result<Framing, FrameError> = Ok(Framing::NeedMore(1));
    for len in 0..=bytes.len().min(400) {
        let now = frame(&bytes[..len]);
        match before {
            Ok(Framing::NeedMore(wanted)) if len < wanted => {
                // Early knowledge of an error is welcome.
                assert!(
                    now.is_err() || matches!(now, Ok(Framing::NeedMore(more)) if more >= wanted),
                    "{now:?} after {wanted}"
                );
            }
            Ok(Framing::NeedMore(_)) => (),
            Ok(_) => assert_eq!(now, before),
            Err(_) => assert!(now.is_err()),
        }
        before = now;
    }
}

/// A stream that is made of frames comes apart into these frames.
fn known(data: &[u8]) {
    let mut input = Input::new(data);
    let cuts: [u8; 8] = input.array();
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    while !input.is_empty() && expected.len() < 16 {
        let start = bytes.len();
        if input.flag() {
            let body = input.bytes();
            bytes.extend(naive::framed([0, 1], [9; 12], body));
        } else {
            let number = ChannelNumber::new(0x4000 | input.u16() & 0x3FFF).expect("in range");
            let payload = input.bytes();
            bytes.extend(channel_data_header(number, payload.len() as u16));
            bytes.extend_from_slice(payload);
            bytes.extend(std::iter::repeat_n(0, padding(payload.len())));
        }
        expected.push(bytes.len() - start);
    }
    assert_eq!(cut_in_pieces(&bytes, &cuts), (expected, None));
}
