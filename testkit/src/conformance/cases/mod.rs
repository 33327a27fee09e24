//! The scenarios, by the part of the protocol that they are about.

mod algorithms;
mod allocate;
mod binding;
mod challenge;
mod channel;
mod channel_data;
mod credentials;
mod family;
mod forbidden;
mod framing;
mod limits;
mod permission;
mod refresh;
mod relay;
mod reservation;

use super::Case;

/// All of them. Their names are unique and never change their meaning: verdict files refer to them.
pub fn cases() -> Vec<Case> {
    [
        binding::CASES,
        framing::CASES,
        challenge::CASES,
        credentials::CASES,
        algorithms::CASES,
        allocate::CASES,
        family::CASES,
        reservation::CASES,
        refresh::CASES,
        permission::CASES,
        relay::CASES,
        channel::CASES,
        channel_data::CASES,
        forbidden::CASES,
        limits::CASES,
    ]
    .concat()
}

/// `case!(function, Kind, "section")`: the function's name is the case's.
macro_rules! case {
    ($play:ident, $kind:ident, $section:literal) => {
        $crate::conformance::Case {
            name: stringify!($play),
            section: $section,
            kind: $crate::conformance::Kind::$kind,
            play: $play,
        }
    };
}
use case;

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = super::cases().iter().map(|case| case.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
