//! Target `channel_data`: ChannelData messages and the headers that a relay puts in front of payloads.

use stun_codec::{
    CHANNEL_DATA_HEADER_LEN, ChannelData, ChannelNumber, Class, INDICATION_HEADER_LEN, MessageWriter, Method,
    PacketKind, TransactionId, channel_data_header, classify, data_indication_header, is_channel_data, padding,
    send_indication_header,
};

use crate::{input::Input, naive};

/// Tries `data` as a ChannelData message, and as the payload of an indication.
///
/// # Panics
/// When the codec reads it otherwise than RFC 8656 §12.4, or writes a header that its own parser or writer would not.
pub fn channel_data(data: &[u8]) {
    read(data);
    write_indications(data);
}

fn read(data: &[u8]) {
    let kind = match data.first() {
        Some(0x40..=0x7F) => PacketKind::ChannelData,
        Some(0x00..=0x3F) => PacketKind::Stun,
        _ => PacketKind::Unknown,
    };
    assert_eq!(data.first().map_or(PacketKind::Unknown, |first| classify(*first)), kind);
    assert_eq!(is_channel_data(data), kind == PacketKind::ChannelData);

    let parsed = ChannelData::parse(data);
    let expected = if data.len() < 4 {
        Err("channel_data_truncated")
    } else if kind != PacketKind::ChannelData {
        Err("not_channel_data")
    } else if data.len() - 4 < naive::be16(data, 2) {
        Err("channel_data_length_overrun")
    } else {
        Ok((naive::be16(data, 0), &data[4..4 + naive::be16(data, 2)]))
    };
    let found = parsed.map(|found| (usize::from(found.number.get()), found.data)).map_err(|error| error.name());
    assert_eq!(found, expected);
    let Ok(ChannelData { number, data: payload }) = parsed else { return };

    assert_eq!(ChannelNumber::new(number.get()), Some(number));
    assert_eq!(number.is_rfc8656(), number.get() < 0x5000);
    let header = channel_data_header(number, payload.len() as u16);
    assert_eq!(header, data[..CHANNEL_DATA_HEADER_LEN]);
    // Whatever is shorter than the message is none, and padding or more changes nothing.
    for len in (0..data.len().min(300)).chain(payload.len()..payload.len() + 4) {
        assert!(ChannelData::parse(&data[..len]).is_err() || len >= payload.len() + 4);
    }
    let longer = [data, &[0xFF; 3]].concat();
    assert_eq!(ChannelData::parse(&longer), Ok(ChannelData { number, data: payload }));
    assert_eq!((payload.len() + padding(payload.len())) % 4, 0);
    assert!(padding(payload.len()) < 4);
}

/// An indication is the same by parts as in one piece.
fn write_indications(data: &[u8]) {
    let mut input = Input::new(data);
    let peer = input.address();
    let transaction = TransactionId(input.array());
    // Long payloads at the edge of what fits, besides what the input has.
    let mut payload = input.rest().to_vec();
    if transaction.0[0] == 0xFF {
        payload.resize(65_500 + usize::from(transaction.0[1]) % 36, 0x5A);
    }
    for method in [Method::Data, Method::Send] {
        let write = if method == Method::Data { data_indication_header } else { send_indication_header };
        let mut header = [0xAA; INDICATION_HEADER_LEN];
        let written = write(transaction, peer, payload.len() as u16, &mut header);
        let by_parts = written.map(|len| [&header[..len], &payload, &[0; 3][..padding(payload.len())]].concat());

        let mut buf = vec![0xAA; payload.len() + 64];
        let mut writer = MessageWriter::new(&mut buf, Class::Indication, method, transaction);
        writer.xor_peer_address(peer).data(&payload);
        let in_one = writer.finish().map(|len| buf[..len].to_vec());
        assert_eq!(by_parts.ok_or(()), in_one.map_err(|_| ()));
    }
}
