//! ChannelData in datagrams.

use stun_codec::{ChannelData, ChannelDataError, ChannelNumber, channel_data_header, is_channel_data, padding};

#[test]
fn with_and_without_padding() {
    for len in 0..9usize {
        let payload = vec![7; len];
        let number = ChannelNumber::new(0x4321).unwrap();
        let mut datagram = channel_data_header(number, len as u16).to_vec();
        datagram.extend(&payload);
        let expected = Ok(ChannelData { number, data: &payload[..] });
        assert_eq!(ChannelData::parse(&datagram), expected, "no padding");
        datagram.resize(datagram.len() + padding(len), 0xEE);
        assert_eq!(ChannelData::parse(&datagram), expected, "padding");
        datagram.extend([0xEE; 9]);
        assert_eq!(ChannelData::parse(&datagram), expected, "trailing bytes are ignored over UDP");
    }
}

#[test]
fn too_short() {
    let datagram = [0x40, 0x00, 0, 5, 1, 2, 3, 4, 5];
    for len in 0..datagram.len() {
        let error = if len < 4 { ChannelDataError::Truncated } else { ChannelDataError::LengthOverrun };
        assert_eq!(ChannelData::parse(&datagram[..len]), Err(error), "{len} bytes");
        assert!(!error.name().is_empty() && !error.to_string().is_empty());
    }
    assert!(ChannelData::parse(&datagram).is_ok());
}

#[test]
fn the_longest_payload() {
    let mut datagram = channel_data_header(ChannelNumber::MAX, u16::MAX).to_vec();
    datagram.resize(4 + 65_535, 1);
    assert_eq!(ChannelData::parse(&datagram).unwrap().data.len(), 65_535);
    datagram.pop();
    assert_eq!(ChannelData::parse(&datagram), Err(ChannelDataError::LengthOverrun));
}

#[test]
fn only_the_first_two_bits_make_it_channel_data() {
    for first in 0..=255u8 {
        let datagram = [first, 0x12, 0, 0];
        let is_one = (0x40..0x80).contains(&first);
        assert_eq!(is_channel_data(&datagram), is_one);
        match ChannelData::parse(&datagram) {
            Ok(channel) => assert!(is_one && channel.number.get() == u16::from_be_bytes([first, 0x12])),
            Err(error) => assert!(!is_one && error == ChannelDataError::NotChannelData),
        }
    }
    assert!(!is_channel_data(&[]));
}

#[test]
fn channel_numbers() {
    for number in 0..=u16::MAX {
        let channel = ChannelNumber::new(number);
        assert_eq!(channel.is_some(), (0x4000..=0x7FFF).contains(&number));
        assert_eq!(channel.is_some_and(ChannelNumber::is_rfc8656), (0x4000..=0x4FFF).contains(&number));
    }
    assert_eq!((ChannelNumber::MIN.get(), ChannelNumber::MAX.get()), (0x4000, 0x7FFF));
}
