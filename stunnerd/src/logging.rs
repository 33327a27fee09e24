//! Log lines: who may write which, and how they look.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use tracing::Level;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Levels by scope: `all:INFO,turn:DEBUG`. A level alone is that of `all`. Scopes are the targets of log lines: `stunnerd`,
/// `config`, `turn`, `relay`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<(String, LevelFilter)>);

/// A list of levels that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no SCOPE:LEVEL and no level; levels are DISABLE, ERROR, WARN, INFO, DEBUG and TRACE, as in all:INFO,turn:DEBUG"
)]
pub struct BadLevels(String);

impl Levels {
    /// The same level for everything.
    pub fn all(level: Level) -> Self {
        Self(vec![("all".into(), LevelFilter::from_level(level))])
    }

    fn targets(&self) -> Targets {
        let start = Targets::new().with_default(LevelFilter::INFO);
        self.0.iter().fold(start, |targets, (scope, level)| match scope.as_str() {
            "all" => targets.with_default(*level),
            scope => targets.with_target(scope, *level),
        })
    }
}

impl FromStr for Levels {
    type Err = BadLevels;

    fn from_str(text: &str) -> Result<Self, BadLevels> {
        let parse = |part: &str| {
            let bad = || BadLevels(part.to_owned());
            let (scope, level) = part.trim().rsplit_once(':').unwrap_or(("all", part.trim()));
            let level = match level.to_ascii_uppercase().as_str() {
                "DISABLE" => LevelFilter::OFF,
                "ERROR" => LevelFilter::ERROR,
                "WARN" => LevelFilter::WARN,
                "INFO" => LevelFilter::INFO,
                "DEBUG" => LevelFilter::DEBUG,
                "TRACE" => LevelFilter::TRACE,
                _ => return Err(bad()),
            };
            if scope.is_empty() { Err(bad()) } else { Ok((scope.to_ascii_lowercase(), level)) }
        };
        text.split(',').filter(|part| !part.trim().is_empty()).map(parse).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (scope, level)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{scope}:{}", level.to_string().to_uppercase())?;
        }
        Ok(())
    }
}

/// Starts logging to standard output. Called once.
pub fn init(levels: &Levels, format: Format) {
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match format {
        Format::Text => tracing_subscriber::fmt::layer().with_ansi(false).with_filter(levels.targets()).boxed(),
        Format::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_filter(levels.targets()).boxed()
        }
    };
    Registry::default().with(layer).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enabled(levels: &str, target: &str, level: Level) -> bool {
        levels.parse::<Levels>().expect("levels").targets().would_enable(target, &level)
    }

    #[test]
    fn scopes_have_levels_and_all_is_the_rest() {
        let levels = "all:WARN,turn:DEBUG";
        assert!(enabled(levels, "turn", Level::DEBUG));
        assert!(!enabled(levels, "stunnerd", Level::INFO));
        assert!(enabled(levels, "stunnerd", Level::WARN));
        assert!(!enabled("all:DISABLE", "stunnerd", Level::ERROR));
        assert!(enabled("turn:debug", "stunnerd", Level::INFO));
        assert!(enabled("ALL:debug", "stunnerd", Level::DEBUG));
        assert!(!enabled("error", "stunnerd", Level::INFO));
    }

    #[test]
    fn nonsense_is_refused_with_what_was_expected() {
        for bad in ["LOUD", "all:LOUD", ":INFO", "all:"] {
            let error = bad.parse::<Levels>().expect_err("nonsense").to_string();
            assert!(error.contains("as in all:INFO"), "{error}");
        }
    }
}
