//! The RFCs' own messages.

use stun_codec::Message;
use turn_auth::{Credential, IntegrityAlgorithm, PasswordAlgorithmKind, userhash};

const USERNAME: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";

fn vector(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::chars)
        .filter_map(|c| c.to_digit(16))
        .collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect()
}

fn credential(algorithm: PasswordAlgorithmKind) -> Credential {
    Credential::long_term(USERNAME, "example.org", "TheMatrIX", algorithm)
}

#[test]
fn rfc5769_2_4_long_term_request() {
    let bytes = vector(include_str!("../vectors/rfc5769-2.4.hex"));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.username().unwrap(), Some(USERNAME));
    assert_eq!(credential(PasswordAlgorithmKind::Md5).verify(&message), Ok(IntegrityAlgorithm::Sha1));
    assert!(credential(PasswordAlgorithmKind::Sha256).verify(&message).is_err());
    assert!(
        Credential::long_term(USERNAME, "example.org", "thematrix", PasswordAlgorithmKind::Md5)
            .verify(&message)
            .is_err()
    );
}

#[test]
fn rfc8489_b_1_is_refused_as_printed_and_its_corrected_form_verified() {
    let printed = vector(include_str!("../vectors/rfc8489-b.1.hex"));
    assert!(Message::parse(&printed).is_err());
    assert_eq!(printed[24..56], userhash(USERNAME, "example.org"));

    let bytes = vector(include_str!("../vectors/userhash-sha256.hex"));
    let message = Message::parse(&bytes).unwrap();
    let credential = credential(PasswordAlgorithmKind::Sha256);
    assert_eq!(message.userhash().unwrap(), Some(credential.userhash()));
    assert_eq!(credential.verify(&message), Ok(IntegrityAlgorithm::Sha256));
}

#[test]
fn every_prefix_of_a_vector_is_an_error() {
    for text in [include_str!("../vectors/rfc5769-2.4.hex"), include_str!("../vectors/userhash-sha256.hex")] {
        let bytes = vector(text);
        for end in 0..bytes.len() {
            assert!(Message::parse(&bytes[..end]).is_err());
        }
    }
}
