//! Which peers a media gateway may reach: an endpoint grammar and an immutable lookup table.
