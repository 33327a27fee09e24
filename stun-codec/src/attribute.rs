//! Attribute types: their numbers, names and the comprehension rule.

use core::fmt;

/// A 16-bit attribute type (RFC 8489 §18.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// Whether a receiver that does not know the type must refuse the message (RFC 8489 §14).
    #[inline]
    #[must_use]
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

/// One attribute as it stands in a message; `value` is without padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attribute<'a> {
    /// What it is.
    pub typ: AttributeType,
    /// Its value, without the padding.
    pub value: &'a [u8],
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#06x}", self.0),
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

macro_rules! attribute_types {
    (known { $($known:ident = $kval:literal, $kname:literal, $kdoc:literal;)* }
     named { $($named:ident = $nval:literal, $nname:literal, $ndoc:literal;)* }) => {
        impl AttributeType {
            $(#[doc = $kdoc] pub const $known: Self = Self($kval);)*
            $(#[doc = $ndoc] pub const $named: Self = Self($nval);)*

            /// Every type this codec can read and write by its meaning, in numerical order.
            pub const KNOWN: &'static [Self] = &[$(Self::$known),*];

            /// Whether this codec has an accessor for it. Types that have a name only (those of ICE, and those that
            /// RFC 8489 §18.3.1 and RFC 8656 §18 list as reserved) are not known.
            #[inline]
            #[must_use]
            pub const fn is_known(self) -> bool {
                matches!(self.0, $($kval)|*)
            }

            /// The name in the registry, if it is one of this page.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($kval => Some($kname),)*
                    $($nval => Some($nname),)*
                    _ => None,
                }
            }
        }
    };
}

attribute_types! {
    known {
        MAPPED_ADDRESS = 0x0001, "MAPPED-ADDRESS", "RFC 8489 §14.1.";
        CHANGE_REQUEST = 0x0003, "CHANGE-REQUEST", "RFC 5780 §7.2.";
        USERNAME = 0x0006, "USERNAME", "RFC 8489 §14.3.";
        MESSAGE_INTEGRITY = 0x0008, "MESSAGE-INTEGRITY", "RFC 8489 §14.5.";
        ERROR_CODE = 0x0009, "ERROR-CODE", "RFC 8489 §14.8.";
        UNKNOWN_ATTRIBUTES = 0x000A, "UNKNOWN-ATTRIBUTES", "RFC 8489 §14.13.";
        CHANNEL_NUMBER = 0x000C, "CHANNEL-NUMBER", "RFC 8656 §18.1.";
        LIFETIME = 0x000D, "LIFETIME", "RFC 8656 §18.2.";
        XOR_PEER_ADDRESS = 0x0012, "XOR-PEER-ADDRESS", "RFC 8656 §18.3.";
        DATA = 0x0013, "DATA", "RFC 8656 §18.4.";
        REALM = 0x0014, "REALM", "RFC 8489 §14.9.";
        NONCE = 0x0015, "NONCE", "RFC 8489 §14.10.";
        XOR_RELAYED_ADDRESS = 0x0016, "XOR-RELAYED-ADDRESS", "RFC 8656 §18.5.";
        REQUESTED_ADDRESS_FAMILY = 0x0017, "REQUESTED-ADDRESS-FAMILY", "RFC 8656 §18.6.";
        EVEN_PORT = 0x0018, "EVEN-PORT", "RFC 8656 §18.7.";
        REQUESTED_TRANSPORT = 0x0019, "REQUESTED-TRANSPORT", "RFC 8656 §18.8.";
        DONT_FRAGMENT = 0x001A, "DONT-FRAGMENT", "RFC 8656 §18.9.";
        ACCESS_TOKEN = 0x001B, "ACCESS-TOKEN", "RFC 7635 §6.2.";
        MESSAGE_INTEGRITY_SHA256 = 0x001C, "MESSAGE-INTEGRITY-SHA256", "RFC 8489 §14.6.";
        PASSWORD_ALGORITHM = 0x001D, "PASSWORD-ALGORITHM", "RFC 8489 §14.12.";
        USERHASH = 0x001E, "USERHASH", "RFC 8489 §14.4.";
        XOR_MAPPED_ADDRESS = 0x0020, "XOR-MAPPED-ADDRESS", "RFC 8489 §14.2.";
        RESERVATION_TOKEN = 0x0022, "RESERVATION-TOKEN", "RFC 8656 §18.10.";
        PADDING = 0x0026, "PADDING", "RFC 5780 §7.6.";
        RESPONSE_PORT = 0x0027, "RESPONSE-PORT", "RFC 5780 §7.5.";
        CONNECTION_ID = 0x002A, "CONNECTION-ID", "RFC 6062 §6.2.1.";
        ADDITIONAL_ADDRESS_FAMILY = 0x8000, "ADDITIONAL-ADDRESS-FAMILY", "RFC 8656 §18.11.";
        ADDRESS_ERROR_CODE = 0x8001, "ADDRESS-ERROR-CODE", "RFC 8656 §18.12.";
        PASSWORD_ALGORITHMS = 0x8002, "PASSWORD-ALGORITHMS", "RFC 8489 §14.11.";
        ALTERNATE_DOMAIN = 0x8003, "ALTERNATE-DOMAIN", "RFC 8489 §14.16.";
        ICMP = 0x8004, "ICMP", "RFC 8656 §18.13.";
        SOFTWARE = 0x8022, "SOFTWARE", "RFC 8489 §14.14.";
        ALTERNATE_SERVER = 0x8023, "ALTERNATE-SERVER", "RFC 8489 §14.15.";
        CACHE_TIMEOUT = 0x8027, "CACHE-TIMEOUT", "RFC 5780 §9.1; reserved, but still sent.";
        FINGERPRINT = 0x8028, "FINGERPRINT", "RFC 8489 §14.7.";
        RESPONSE_ORIGIN = 0x802B, "RESPONSE-ORIGIN", "RFC 5780 §7.3.";
        OTHER_ADDRESS = 0x802C, "OTHER-ADDRESS", "RFC 5780 §7.4.";
        THIRD_PARTY_AUTHORIZATION = 0x802E, "THIRD-PARTY-AUTHORIZATION", "RFC 7635 §6.1.";
        MOBILITY_TICKET = 0x8030, "MOBILITY-TICKET", "RFC 8016 §4.";
    }
    named {
        RESPONSE_ADDRESS = 0x0002, "RESPONSE-ADDRESS", "RFC 3489; reserved.";
        SOURCE_ADDRESS = 0x0004, "SOURCE-ADDRESS", "RFC 3489; reserved.";
        CHANGED_ADDRESS = 0x0005, "CHANGED-ADDRESS", "RFC 3489; reserved.";
        PASSWORD = 0x0007, "PASSWORD", "RFC 3489; reserved.";
        REFLECTED_FROM = 0x000B, "REFLECTED-FROM", "RFC 3489; reserved.";
        BANDWIDTH = 0x0010, "BANDWIDTH", "An early TURN draft; reserved.";
        TIMER_VAL = 0x0021, "TIMER-VAL", "An early TURN draft; reserved.";
        PRIORITY = 0x0024, "PRIORITY", "RFC 8445 §16.1 (ICE).";
        USE_CANDIDATE = 0x0025, "USE-CANDIDATE", "RFC 8445 §16.1 (ICE).";
        ICE_CONTROLLED = 0x8029, "ICE-CONTROLLED", "RFC 8445 §16.1 (ICE).";
        ICE_CONTROLLING = 0x802A, "ICE-CONTROLLING", "RFC 8445 §16.1 (ICE).";
        ECN_CHECK_STUN = 0x802D, "ECN-CHECK STUN", "RFC 6679 §7.2.2.";
    }
}
