//! From text to a configuration.

mod admin;
mod auth;
mod fields;
mod hint;
mod objects;

use serde::{Deserialize, Deserializer};

use crate::tree::Tree;
use crate::{Config, ConfigError, Problem};
use fields::{Context, Field};

/// Looks up an environment variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How strictly to read.
#[derive(Clone, Copy)]
pub struct ParseOptions<'a> {
    /// Where `$VAR` comes from; `None` leaves all text as it is.
    pub environment: Option<Environment<'a>>,
    /// What to say about fields that this version does not know.
    pub unknown_fields: UnknownFields,
}

impl<'a> ParseOptions<'a> {
    /// For a file, which somebody wrote: an unknown field is a mistake.
    #[must_use]
    pub fn file(environment: Environment<'a>) -> Self {
        Self { environment: Some(environment), unknown_fields: UnknownFields::Refuse }
    }

    /// For a config discovery service, which may be newer than its reader.
    #[must_use]
    pub fn discovered(environment: Environment<'a>) -> Self {
        Self { environment: Some(environment), unknown_fields: UnknownFields::Warn }
    }
}

/// What becomes of a document with unknown fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is refused.
    Refuse,
    /// It is accepted with a warning for each.
    Warn,
}

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The configuration, in which nothing can be wrong any more.
    pub config: Config,
    /// What is worth a line in the log: unset variables, empty secrets, unknown fields.
    pub warnings: Vec<Problem>,
}

/// Reads a document of version `v1` or `v1alpha1`, JSON or YAML.
///
/// # Errors
/// [`ConfigError`]; its text names every wrong field, what it holds (never a secret) and what was expected.
pub fn parse(text: &str, options: &ParseOptions<'_>) -> Result<Parsed, ConfigError> {
    document(Tree::parse(text)?, options)
}

fn document(tree: Tree, options: &ParseOptions<'_>) -> Result<Parsed, ConfigError> {
    if !matches!(tree, Tree::Object(_)) {
        let message = format!("{} is not a configuration, expected fields with names", tree.kind());
        return Err(ConfigError::Fields(vec![Problem { path: String::new(), message }]));
    }
    let mut cx = Context::new(options);
    let mut root = cx.object(Some(Field { path: String::new(), value: tree }));
    let version = root.take("version");
    version_of(&mut cx, version);
    let admin = root.take("admin");
    let admin = admin::read(&mut cx, admin);
    let auth = root.take("auth");
    let auth = auth::read(&mut cx, auth);
    let listeners = root.take("listeners");
    let listeners = objects::listeners(&mut cx, listeners);
    let clusters = root.take("clusters");
    let clusters = objects::clusters(&mut cx, clusters);
    cx.finish(&root);
    if !cx.problems.is_empty() {
        return Err(ConfigError::Fields(cx.problems));
    }
    Ok(Parsed { config: Config { admin, auth, listeners, clusters }, warnings: cx.warnings })
}

fn version_of(cx: &mut Context<'_>, field: Option<Field>) {
    let path = "version".to_owned();
    match cx.text(field).map(|text| text.value) {
        None => cx.problem(path, "missing, expected v1 or v1alpha1"),
        Some(version) if version == "v1" => {}
        Some(version) if version == "v1alpha1" => cx.alpha = true,
        Some(other) => cx.problem(path, format!("{other:?} is not a version, expected v1 or v1alpha1")),
    }
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let options = ParseOptions { environment: None, unknown_fields: UnknownFields::Warn };
        let parsed = document(Tree::deserialize(deserializer)?, &options);
        parsed.map(|parsed| parsed.config).map_err(serde::de::Error::custom)
    }
}
