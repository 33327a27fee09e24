//! The `admin` section.

use route_policy::PortRange;

use super::fields::{Context, Field, is_name, not_a_name};
use crate::{Admin, HttpEndpoint, License, Limits, OffloadEngine};

pub(super) fn read(cx: &mut Context<'_>, field: Option<Field>) -> Admin {
    let mut admin = Admin::default();
    let mut object = cx.object(field);
    if let Some(name) = cx.text(object.take("name")) {
        if !is_name(&name.value) {
            cx.problem(name.path, not_a_name(&name.value, "a name"));
        }
        admin.name = name.value;
    }
    if let Some(levels) = cx.parsed(object.take("loglevel")) {
        admin.loglevel = levels;
    }
    let url = |port| move |text: &str| HttpEndpoint::parse(text, port);
    admin.metrics_endpoint = cx.read_with(object.take("metrics_endpoint"), url(HttpEndpoint::METRICS_PORT));
    // Absent is the default, empty is off.
    if let Some(text) = cx.text_or_empty(object.take("healthcheck_endpoint")) {
        let given = (!text.value.is_empty()).then_some(text);
        admin.healthcheck_endpoint = given.and_then(|text| cx.read_text(text, url(HttpEndpoint::HEALTH_PORT)));
    }
    let quota = cx.integer(object.take("user_quota"), "a quota", i64::from(i32::MIN)..=u32::MAX.into());
    admin.user_quota = quota.and_then(|quota| u32::try_from(quota).ok()).unwrap_or(0);
    let engine = cx.one_of(object.take("offload_engine"), &OffloadEngine::ALL, OffloadEngine::name);
    admin.offload_engine = engine.unwrap_or_default();
    admin.offload_interfaces = cx.names(object.take("offload_interfaces"), "an interface");
    admin.license_config = object.take("license_config").map(|field| license(cx, field));
    admin.relay_port_range = cx.read_with(object.take("relay_port_range"), port_range);
    admin.strict_channel_numbers = cx.boolean(object.take("strict_channel_numbers")).unwrap_or(false);
    let limits_field = object.take("limits");
    admin.limits = limits(cx, limits_field);
    cx.finish(&object);
    admin
}

fn license(cx: &mut Context<'_>, field: Field) -> License {
    let mut object = cx.object(Some(field));
    let key = cx.secret(object.take("key")).unwrap_or_default();
    let hmac = cx.secret(object.take("hmac")).unwrap_or_default();
    cx.finish(&object);
    License { key, hmac }
}

fn limits(cx: &mut Context<'_>, field: Option<Field>) -> Limits {
    let mut object = cx.object(field);
    let any = 0..=u32::MAX;
    let some = 1..=u32::MAX;
    let limits = Limits {
        allocations: cx.integer(object.take("allocations"), "a limit", any.clone()),
        allocations_per_user: cx.integer(object.take("allocations_per_user"), "a limit", any.clone()),
        allocations_per_source: cx.integer(object.take("allocations_per_source"), "a limit", any),
        permissions: cx.integer(object.take("permissions"), "a limit", some.clone()),
        channels: cx.integer(object.take("channels"), "a limit", some.clone()),
        connections: cx.integer(object.take("connections"), "a limit", some.clone()),
        unauthenticated_answers_per_second: cx.integer(
            object.take("unauthenticated_answers_per_second"),
            "a limit",
            some,
        ),
    };
    cx.finish(&object);
    limits
}

fn port_range(text: &str) -> Result<PortRange, &'static str> {
    let port = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    let range = text.split_once('-').and_then(|(first, last)| PortRange::new(port(first)?, port(last)?));
    range.ok_or("expected two ports of 1..65535 as in `49152-65535`, the lower one first")
}
