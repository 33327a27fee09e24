//! The `auth` section.

use std::time::Duration;

use super::fields::{Context, Field, Object};
use crate::config::MAX_USERNAME_BYTES;
use crate::{Auth, Credentials, DEFAULT_NONCE_LIFETIME, OnRemoval, Secret};

/// RFC 8489 §14.9 has fewer than 128 characters.
const MAX_REALM_CHARS: usize = 127;
const MIN_NONCE_KEY_BYTES: usize = 16;
const DAY: u32 = 86_400;

/// Where credentials cannot be read, nobody gets in, and a problem says why.
pub(super) fn read(cx: &mut Context<'_>, field: Option<Field>) -> Auth {
    let mut object = cx.object(field);
    if object.path.is_empty() {
        object.path = "auth".to_owned();
    }
    let credentials = credentials(cx, &mut object);
    let mut auth = Auth::new(credentials.unwrap_or(Credentials::None));
    if let Some(realm) = cx.text(object.take("realm")) {
        if realm.value.chars().count() > MAX_REALM_CHARS || realm.value.chars().any(char::is_control) {
            let message = format!(
                "expected a realm of at most {MAX_REALM_CHARS} characters, none of which is a control character"
            );
            cx.problem(realm.path, message);
        }
        auth.realm = realm.value;
    }
    auth.nonce_key = nonce_key(cx, object.take("nonce_key"));
    auth.nonce_lifetime = cx.read_with(object.take("nonce_lifetime"), lifetime).unwrap_or(DEFAULT_NONCE_LIFETIME);
    auth.strict_expiry = cx.boolean(object.take("strict_expiry")).unwrap_or(false);
    let on_removal = cx.one_of(object.take("on_removal"), &OnRemoval::ALL, OnRemoval::name);
    auth.on_removal = on_removal.unwrap_or_default();
    cx.finish(&object);
    auth
}

/// Exactly lower case: upstream takes no other.
fn type_of(cx: &mut Context<'_>, field: Option<Field>) -> Option<&'static str> {
    let Some(text) = cx.text(field) else {
        return Some("static");
    };
    match text.value.as_str() {
        "plaintext" => Some("static"),
        "longterm" => Some("ephemeral"),
        "static" if !cx.alpha => Some("static"),
        "ephemeral" if !cx.alpha => Some("ephemeral"),
        "none" if !cx.alpha => Some("none"),
        other => {
            let expected =
                if cx.alpha { "plaintext, longterm" } else { "static, ephemeral, none (or plaintext, longterm)" };
            cx.problem(text.path, format!("{other:?} is unknown, expected one of {expected}, in lower case"));
            None
        }
    }
}

/// `None` goes with a problem.
fn credentials(cx: &mut Context<'_>, auth: &mut Object) -> Option<Credentials> {
    let kind = type_of(cx, auth.take("type"));
    // Other keys than the type's own are fine: whoever changes the type may keep both sets.
    let path = auth.child("credentials");
    let field = auth.take("credentials");
    let mut map = cx.object(field);
    map.path = path;
    let more = auth.take("secrets");
    let more: Vec<Secret> = cx.list(more).into_iter().filter_map(|item| cx.secret(Some(item))).collect();
    match kind? {
        "static" => {
            let username = required(cx, &mut map, "username", "static")?;
            let password = required(cx, &mut map, "password", "static")?;
            if username.len() > MAX_USERNAME_BYTES {
                let message = format!("{} bytes are too long, expected at most {MAX_USERNAME_BYTES}", username.len());
                cx.problem(map.child("username"), message);
            }
            Some(Credentials::Static { username, password: password.into() })
        }
        "ephemeral" => {
            let first = match map.take("secret") {
                None if !more.is_empty() => None,
                field => Some(required_field(cx, field, &map, "secret", "ephemeral")?),
            };
            Some(Credentials::Ephemeral { secrets: first.map(Secret::from).into_iter().chain(more).collect() })
        }
        _ => Some(Credentials::None),
    }
}

fn required(cx: &mut Context<'_>, map: &mut Object, name: &'static str, kind: &str) -> Option<String> {
    let field = map.take(name);
    required_field(cx, field, map, name, kind)
}

/// The text of a key that must be there, and should not be empty. What stands there instead is not shown.
fn required_field(cx: &mut Context<'_>, field: Option<Field>, map: &Object, name: &str, kind: &str) -> Option<String> {
    let path = map.child(name);
    if field.is_none() {
        cx.problem(path, format!("missing, auth.type {kind} needs it"));
        return None;
    }
    let text = cx.verbatim(field)?;
    if text.is_empty() {
        cx.warn(path, "empty: anybody can guess that");
    }
    Some(text)
}

fn nonce_key(cx: &mut Context<'_>, field: Option<Field>) -> Option<Secret> {
    let key = cx.text(field)?;
    if key.value.len() < MIN_NONCE_KEY_BYTES {
        cx.problem(key.path, format!("expected at least {MIN_NONCE_KEY_BYTES} characters that nobody can guess"));
        return None;
    }
    Some(key.value.into())
}

fn lifetime(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.find(|c: char| !c.is_ascii_digit()).map_or((text, "s"), |at| text.split_at(at));
    let factor: Option<u32> = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = digits.parse::<u32>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    let seconds = seconds.filter(|seconds| (10..=DAY).contains(seconds));
    let expected =
        || format!("expected seconds, or a number with a unit as in `10m` or `1h`, from 10 to {DAY} seconds");
    seconds.map(|seconds| Duration::from_secs(seconds.into())).ok_or_else(expected)
}
