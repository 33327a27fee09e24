//! A document with every field, edited: errors must be where the edit is, and secrets must stay secret.

use serde_json::{Value, json};
use stunner_config::{ConfigError, Secrets};

use super::document;
use crate::input::Input;

/// What every secret of the template contains, and its base64.
const MARK: &str = "qZ7xMARKv9";
const MARK_BASE64: &str = "cVo3eE1BUkt2O";

fn template() -> Value {
    json!({
        "version": "v1",
        "admin": {
            "name": "ns/gateway", "loglevel": "all:INFO,turn:DEBUG", "metrics_endpoint": "http://:8080/metrics",
            "healthcheck_endpoint": "http://127.0.0.1:8086", "user_quota": 5, "offload_engine": "None",
            "offload_interfaces": ["eth0"], "license_config": {"key": format!("key {MARK}"), "hmac": format!("hmac {MARK}")},
            "relay_port_range": "50000-50999", "strict_channel_numbers": true,
            "limits": {
                "allocations": 10000, "allocations_per_user": 20, "allocations_per_source": 0, "permissions": 64,
                "channels": 32, "connections": 16, "unauthenticated_answers_per_second": 500,
            },
        },
        "auth": {
            "type": "static", "realm": "stunner.l7mp.io",
            "credentials": {"username": "alice", "password": format!("word {MARK}"), "secret": format!("shared {MARK}")},
            "secrets": [format!("old {MARK}")], "nonce_key": format!("0123456789 {MARK}"), "nonce_lifetime": "10m",
            "strict_expiry": true, "on_removal": "refuse-refresh",
        },
        "listeners": [
            {
                "name": "udp", "protocol": "TURN-UDP", "address": "127.0.0.1", "port": 3478, "public_address": "203.0.113.1",
                "public_port": 3478, "routes": ["sfu", "names"], "relay_addresses": ["10.0.0.5=203.0.113.9", "2001:db8::5"],
            },
            {
                "name": "tls", "protocol": "TURN-TLS", "address": "$ADDR", "port": 443,
                "cert": "LS0tLS1CRUdJTg==", "key": format!("{MARK_BASE64}Q=="), "routes": [],
            },
        ],
        "clusters": [
            {"name": "sfu", "type": "STATIC", "protocol": "UDP", "endpoints": ["10.0.0.0/8:<10000-20000>", "2001:db8::/32"]},
            {"name": "names", "type": "STRICT_DNS", "protocol": "TCP", "endpoints": ["media.example.org"]},
        ],
    })
}

/// Every field that there is, by its pointer.
const FIELDS: &[&str] = &[
    "/version",
    "/admin",
    "/admin/name",
    "/admin/loglevel",
    "/admin/metrics_endpoint",
    "/admin/healthcheck_endpoint",
    "/admin/user_quota",
    "/admin/offload_engine",
    "/admin/offload_interfaces",
    "/admin/offload_interfaces/0",
    "/admin/license_config",
    "/admin/license_config/key",
    "/admin/license_config/hmac",
    "/admin/relay_port_range",
    "/admin/strict_channel_numbers",
    "/admin/limits",
    "/admin/limits/allocations",
    "/admin/limits/allocations_per_user",
    "/admin/limits/allocations_per_source",
    "/admin/limits/permissions",
    "/admin/limits/channels",
    "/admin/limits/connections",
    "/admin/limits/unauthenticated_answers_per_second",
    "/auth",
    "/auth/type",
    "/auth/realm",
    "/auth/credentials",
    "/auth/credentials/username",
    "/auth/credentials/password",
    "/auth/credentials/secret",
    "/auth/secrets",
    "/auth/secrets/0",
    "/auth/nonce_key",
    "/auth/nonce_lifetime",
    "/auth/strict_expiry",
    "/auth/on_removal",
    "/listeners",
    "/listeners/0",
    "/listeners/0/name",
    "/listeners/0/protocol",
    "/listeners/0/address",
    "/listeners/0/port",
    "/listeners/0/public_address",
    "/listeners/0/public_port",
    "/listeners/0/routes",
    "/listeners/0/routes/1",
    "/listeners/0/relay_addresses",
    "/listeners/0/relay_addresses/0",
    "/listeners/1/name",
    "/listeners/1/protocol",
    "/listeners/1/cert",
    "/listeners/1/key",
    "/clusters",
    "/clusters/0",
    "/clusters/0/name",
    "/clusters/0/type",
    "/clusters/0/protocol",
    "/clusters/0/endpoints",
    "/clusters/0/endpoints/0",
    "/clusters/1/type",
    "/clusters/1/endpoints/0",
];

/// One or two fields hold something else.
pub(super) fn edited(input: &mut Input<'_>) {
    let mut value = template();
    let mut tops = Vec::new();
    for _ in 0..=input.below(2) {
        let pointer = input.pick(FIELDS);
        let new = any_value(input, 0);
        if let Some(field) = value.pointer_mut(pointer) {
            if input.flag() {
                *field = new;
            } else if let Value::Object(fields) = field {
                fields.insert(input.text(), new);
            } else {
                *field = new;
            }
            tops.push(pointer.split('/').nth(1).expect("a pointer starts with a slash"));
        }
    }
    let text = value.to_string();
    let result = document(&text);
    if let Err(ConfigError::Fields(problems)) = &result {
        // Another version reads other fields otherwise.
        let at = |problem: &stunner_config::Problem| {
            tops.contains(&"version") || tops.iter().any(|top| problem.path.starts_with(top))
        };
        assert!(problems.iter().all(at), "{problems:?} after edits of {tops:?}");
    }
    keeps_secrets(&result);
}

/// The edits have no mark, so that wherever one shows up, it was a secret's.
fn keeps_secrets(result: &Result<stunner_config::Parsed, ConfigError>) {
    let secret = |text: &str| text.contains(MARK) || text.contains(MARK_BASE64);
    match result {
        Ok(parsed) => {
            let (json, yaml) = (parsed.config.to_json(Secrets::Masked), parsed.config.to_yaml(Secrets::Masked));
            assert!(!secret(&json) && !secret(&yaml), "{json}");
            assert!(!secret(&format!("{parsed:?}")), "{parsed:?}");
        }
        Err(error) => assert!(!secret(&format!("{error} {error:?}")), "{error}"),
    }
}

fn any_value(input: &mut Input<'_>, depth: usize) -> Value {
    const TEXTS: &[&str] = &[
        "",
        "none",
        "static",
        "ephemeral",
        "longterm",
        "plaintext",
        "v1alpha1",
        "UDP",
        "DTLS",
        "STRICT_DNS",
        "$ADDR",
        "$PORT",
        "${ODD}",
        "localhost",
        "0.0.0.0/0",
        "::ffff:10.0.0.1",
        "example.org.",
        "0",
        "-1",
        "65536",
        "1-0",
        "sfu",
        "udp",
        "\u{7f}\n",
    ];
    match input.below(if depth < 3 { 9 } else { 7 }) {
        0 => Value::Null,
        1 => input.flag().into(),
        2 => i64::from_be_bytes(input.array()).into(),
        3 => i64::from(input.u16()).into(),
        4 => f64::from_be_bytes(input.array()).into(),
        5 => input.pick(TEXTS).into(),
        6 => input.text().into(),
        7 => (0..input.below(4)).map(|_| any_value(input, depth + 1)).collect(),
        _ => Value::Object((0..input.below(4)).map(|_| (input.text(), any_value(input, depth + 1))).collect()),
    }
}

/// A secret without quotes, as people write it, that YAML takes for something else.
pub(super) fn odd_secret(input: &mut Input<'_>) {
    const FRONTS: &[&str] = &[
        "",
        "*",
        "&",
        "!",
        "!!int ",
        "!!bool ",
        "!!binary ",
        "!!float ",
        "!!null ",
        "|",
        ">",
        "@",
        "`",
        "%",
        "\"",
        "'",
        "[",
        "{",
        "- ",
        "? ",
        "0x",
        "#",
        "\\",
        "\"\\",
        "\t",
        "1.",
        "=",
        "~",
        "<<",
        ",",
        "]",
        "}",
        "&a *",
        "*a ",
    ];
    let front = input.pick(FRONTS);
    let back = input.pick(FRONTS);
    let shape = input.below(3);
    let text = match shape {
        0 => format!("version: v1\nauth:\n  credentials:\n    username: alice\n    password: {front}{MARK}{back}\n"),
        1 => format!("version: v1\nauth:\n  type: ephemeral\n  secrets:\n    - {front}{MARK}{back}\n"),
        _ => format!(
            "version: v1\nauth:\n  type: ephemeral\n  credentials:\n    secret: {front}{MARK}{back}\n  realm: x\n"
        ),
    };
    keeps_secrets(&document(&text));
}
