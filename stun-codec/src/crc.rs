//! CRC-32 (ISO 3309, as in Ethernet and zlib) for FINGERPRINT, eight bytes a step.

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler only")]
const fn table() -> [[u32; 256]; 8] {
    let mut table = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
            bit += 1;
        }
        table[0][byte] = crc;
        byte += 1;
    }
    let mut slice = 1;
    while slice < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = table[slice - 1][byte];
            table[slice][byte] = (before >> 8) ^ table[0][(before & 0xFF) as usize];
            byte += 1;
        }
        slice += 1;
    }
    table
}

static TABLE: [[u32; 256]; 8] = table();

#[inline]
#[expect(clippy::indexing_slicing, reason = "a byte is always within 256 entries")]
fn look(slice: &[u32; 256], byte: u8) -> u32 {
    slice[usize::from(byte)]
}

/// CRC-32 of `parts`, one behind the other.
pub(crate) fn crc32(parts: &[&[u8]]) -> u32 {
    !parts.iter().fold(!0, |crc, part| update(crc, part))
}

fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLE;
    let (eights, rest) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in eights {
        let [w, x, y, z] = (crc ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        crc = look(t7, w) ^ look(t6, x) ^ look(t5, y) ^ look(t4, z);
        crc ^= look(t3, e) ^ look(t2, f) ^ look(t1, g) ^ look(t0, h);
    }
    for &byte in rest {
        let [low, ..] = crc.to_le_bytes();
        crc = (crc >> 8) ^ look(t0, low ^ byte);
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bitwise(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn check_value_of_the_standard() {
        assert_eq!(crc32(&[b"123456789"]), 0xCBF4_3926);
        assert_eq!(crc32(&[]), 0);
    }

    #[test]
    fn equals_the_bitwise_definition_at_every_length_and_split() {
        let bytes: [u8; 67] = core::array::from_fn(|i| (i * 37 + 11) as u8);
        for len in 0..bytes.len() {
            assert_eq!(crc32(&[&bytes[..len]]), bitwise(&bytes[..len]), "length {len}");
            let (head, tail) = bytes[..len].split_at(len / 3);
            assert_eq!(crc32(&[head, tail]), bitwise(&bytes[..len]), "split of {len}");
        }
    }
}
