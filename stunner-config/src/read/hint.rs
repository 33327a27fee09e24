//! Guesses at misspelt fields.

/// What the author of an unknown field may have meant.
pub(super) fn hint(name: &str, known: &[&'static str]) -> String {
    if matches!(name, "min_relay_port" | "max_relay_port") {
        return ", ports of relayed addresses are set by `admin.relay_port_range`".to_owned();
    }
    let simple = |name: &str| -> Vec<u8> {
        name.bytes().take(64).filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase()).collect()
    };
    let asked = simple(name);
    let near = known.iter().map(|known| (distance(&asked, &simple(known)), *known)).min();
    match near {
        Some((distance, known)) if distance <= 2.max(known.len() / 4) && distance < known.len() => {
            format!(", did you mean `{known}`?")
        }
        _ if known.is_empty() => String::new(),
        _ => format!(", expected one of {}", known.join(", ")),
    }
}

/// How many letters to add, drop or change; a shared beginning counts as near, since fields are often cut short.
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len() >= 3 && (b.starts_with(a) || a.starts_with(b) && b.len() >= 3) {
        return 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row[b.len()]
}
