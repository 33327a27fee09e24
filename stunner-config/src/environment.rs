//! `$VAR` and `${VAR}` in values.

use std::borrow::Cow;

/// Replaces each `$VAR` and `${VAR}`; `unset` hears of names that have no value. A `$` before anything else stays.
pub(crate) fn expand<'t>(
    text: &'t str,
    lookup: &dyn Fn(&str) -> Option<String>,
    mut unset: impl FnMut(&str),
) -> Cow<'t, str> {
    if !text.contains('$') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        match name(after) {
            Some((name, behind)) => {
                match lookup(name) {
                    Some(value) => out.push_str(&value),
                    None => unset(name),
                }
                rest = behind;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The variable's name at the start of what follows a `$`, and what is behind it.
fn name(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        let (name, behind) = braced.split_once('}')?;
        return is_name(name).then_some((name, behind));
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (name, behind) = text.split_at(end);
    is_name(name).then_some((name, behind))
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn variables_are_replaced_and_other_dollars_stay() {
        let lookup = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "LONG_1" => Some("$A".to_owned()),
            _ => None,
        };
        for (text, expected, missing) in [
            ("", "", ""),
            ("plain", "plain", ""),
            ("$A", "1", ""),
            ("${A}b", "1b", ""),
            ("$Ab", "", "Ab"),
            ("x$A-$A.", "x1-1.", ""),
            ("$LONG_1", "$A", ""),
            ("${NONE}x$OTHER", "x", "NONE OTHER"),
            ("$", "$", ""),
            ("$$A", "$1", ""),
            ("5$ $1 ${} ${1} ${A", "5$ $1 ${} ${1} ${A", ""),
            ("ä$Aö", "ä1ö", ""),
        ] {
            let mut unset = Vec::new();
            assert_eq!(expand(text, &lookup, |name| unset.push(name.to_owned())), expected, "{text}");
            assert_eq!(unset.join(" "), missing, "{text}");
        }
    }
}
