//! STUN and TURN wire format: messages, ChannelData and stream framing, without allocation.
