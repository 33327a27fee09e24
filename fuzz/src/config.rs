//! Target `config`: the dataplane document, and the small grammars in it.

mod template;

use std::{fmt::Display, str::FromStr};

use stunner_config::{
    Config, ConfigError, Endpoint, HttpEndpoint, LogLevels, ParseOptions, Parsed, Problem, RelayAddress, Secrets,
    TurnUri, UnknownFields, check_domain, parse,
};

use crate::input::Input;

/// Tries `data` as a document, as each of the small texts in one, and as edits of a document that is right.
///
/// # Panics
/// When printing loses something, when an error names no field, or when it gives a secret away.
pub fn config(data: &[u8]) {
    if let Some((0, edits)) = data.split_first() {
        let mut input = Input::new(edits);
        template::odd_secret(&mut input);
        template::edited(&mut input);
        return;
    }
    let text = String::from_utf8_lossy(data);
    let _ = document(&text);
    small_texts(text.trim());
}

fn environment(name: &str) -> Option<String> {
    match name {
        "ADDR" => Some("192.0.2.1".to_owned()),
        "PORT" => Some("3479".to_owned()),
        "ODD" => Some("\n: $ADDR \"{".to_owned()),
        _ => None,
    }
}

/// With and without an environment; strictly, and as from somebody newer.
fn ways() -> [ParseOptions<'static>; 3] {
    let plain = |unknown_fields| ParseOptions { environment: None, unknown_fields };
    [ParseOptions::file(&environment), plain(UnknownFields::Refuse), plain(UnknownFields::Warn)]
}

/// Returns what came of the last way, the most tolerant one.
fn document(text: &str) -> Result<Parsed, ConfigError> {
    let [file, strict, tolerant] = ways().map(|options| parse(text, &options));
    for result in [&file, &strict, &tolerant] {
        match result {
            Ok(parsed) => printed(&parsed.config),
            Err(error) => explained(error),
        }
    }
    if let (Ok(strict), Ok(tolerant)) = (&strict, &tolerant) {
        assert_eq!(strict, tolerant);
    }
    assert!(strict.is_err() || tolerant.is_ok());
    for parsed in [&file, &strict].into_iter().flatten() {
        parsed.warnings.iter().for_each(named);
    }
    tolerant
}

/// What is printed is read again, and then it is the same.
fn printed(config: &Config) {
    let read = |text: &str| {
        let options = ParseOptions { environment: None, unknown_fields: UnknownFields::Refuse };
        parse(text, &options).unwrap_or_else(|error| panic!("{error} in {text}")).config
    };
    let json = config.to_json(Secrets::Shown);
    assert_eq!(read(&json), *config, "{json}");
    let yaml = config.to_yaml(Secrets::Shown);
    assert_eq!(read(&yaml), *config, "{yaml}");
    assert_eq!(read(&json).to_json(Secrets::Shown), json);
    assert!(!json.contains('\n'));

    // Whatever a reader may rely on.
    let mut names: Vec<_> = config.listeners.iter().map(|listener| &listener.name).collect();
    assert!(names.iter().all(|name| !name.is_empty()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), config.listeners.len());
    assert!(config.listeners.iter().all(|listener| listener.port != 0 && listener.public_port != Some(0)));
    let mut names: Vec<_> = config.clusters.iter().map(|cluster| &cluster.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), config.clusters.len());
}

/// An error says what to mend, in one line that a log can hold.
fn explained(error: &ConfigError) {
    let text = error.to_string();
    assert!(!text.is_empty());
    assert!(!text.contains(char::is_control), "{text:?}");
    if let ConfigError::Fields(problems) = error {
        assert!(!problems.is_empty());
        problems.iter().for_each(named);
    }
}

/// The path leads from the top; it is empty for the document as a whole.
fn named(problem: &Problem) {
    let Problem { path, message } = problem;
    assert!(!message.is_empty());
    let top = path.split(['.', '[']).next().unwrap_or_default();
    let known = ["version", "admin", "auth", "listeners", "clusters"].contains(&top);
    assert!(
        known || message.starts_with("unknown field") || path.is_empty() && message.contains("configuration"),
        "{problem}"
    );
}

/// Texts with a grammar of their own survive printing.
fn small_texts(text: &str) {
    survives::<Endpoint>(text);
    survives::<RelayAddress>(text);
    survives::<LogLevels>(text);
    if let Ok(url) = HttpEndpoint::parse(text, 8080) {
        assert_eq!(HttpEndpoint::parse(&url.to_string(), 1).as_ref(), Ok(&url));
    }
    let known = check_domain(text).is_ok();
    assert!(!known || text.parse::<std::net::IpAddr>().is_err());
    if let Ok(uri) = text.parse::<TurnUri>() {
        uri_survives(&uri);
    }
}

fn survives<T: FromStr<Err: Display> + Display + PartialEq + std::fmt::Debug>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => match value.to_string().parse::<T>() {
            Ok(again) => assert_eq!(again, value),
            Err(error) => panic!("{value} is printed, but {error}"),
        },
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// What a browser is told names the same server; a configuration that is nothing but a URI is a whole one.
fn uri_survives(uri: &TurnUri) {
    let bare = TurnUri { username: None, password: None, ..uri.clone() };
    assert_eq!(uri.to_string().parse().as_ref(), Ok(&bare), "{uri}");
    match Config::from_uri(uri) {
        Ok(config) => {
            // Those of TLS and DTLS have no certificate until stunnerd makes one, which no document may say.
            if !uri.protocol.is_secure() {
                printed(&config);
            }
            assert_eq!(config.listeners[0].port, uri.port);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
