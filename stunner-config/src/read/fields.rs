//! Reading fields one by one: what is wrong is noted, and reading goes on, so that one run shows all there is to mend.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::hint::hint;
use super::{ParseOptions, UnknownFields};
use crate::environment::expand;
use crate::tree::Tree;
use crate::{Problem, Secret};

/// More findings than anybody reads at once.
const MAX_FINDINGS: usize = 50;

pub(super) struct Context<'a> {
    options: &'a ParseOptions<'a>,
    /// Whether the document is of version v1alpha1.
    pub(super) alpha: bool,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// A value and where it is.
pub(super) struct Field {
    pub(super) path: String,
    pub(super) value: Tree,
}

/// A text, variables replaced, and where it is.
pub(super) struct Text {
    pub(super) path: String,
    pub(super) value: String,
}

/// The fields of an object that nobody has asked for yet.
pub(super) struct Object {
    pub(super) path: String,
    fields: Vec<(String, Tree)>,
    known: Vec<&'static str>,
}

impl Object {
    /// The field, unless it is absent or null.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field> {
        self.known.push(name);
        let at = self.fields.iter().position(|(field, _)| field == name)?;
        let (_, value) = self.fields.remove(at);
        (value != Tree::Null).then(|| Field { path: self.child(name), value })
    }

    /// The path of a field.
    pub(super) fn child(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(options: &'a ParseOptions<'a>) -> Self {
        Self { options, alpha: false, problems: Vec::new(), warnings: Vec::new() }
    }

    pub(super) fn problem(&mut self, path: String, message: impl Into<String>) {
        if self.problems.len() < MAX_FINDINGS {
            self.problems.push(Problem { path, message: message.into() });
        }
    }

    pub(super) fn warn(&mut self, path: String, message: impl Into<String>) {
        if self.warnings.len() < MAX_FINDINGS {
            self.warnings.push(Problem { path, message: message.into() });
        }
    }

    /// Whether variables are left in place for somebody else to replace.
    pub(super) fn leaves_variables(&self) -> bool {
        self.options.environment.is_none()
    }

    /// An object; an absent one has no fields.
    pub(super) fn object(&mut self, field: Option<Field>) -> Object {
        let (path, fields) = match field {
            Some(Field { path, value: Tree::Object(fields) }) => (path, fields),
            Some(Field { path, value }) => {
                self.problem(path.clone(), format!("{} is not an object, expected fields with names", value.kind()));
                (path, Vec::new())
            }
            None => (String::new(), Vec::new()),
        };
        Object { path, fields, known: Vec::new() }
    }

    /// Speaks about the fields of an object that nobody asked for.
    pub(super) fn finish(&mut self, object: &Object) {
        for (name, _) in &object.fields {
            let hint = hint(name, &object.known);
            let message = format!("unknown field{hint}");
            // The name may be anything.
            let path = object.child(&name.escape_debug().take(80).collect::<String>());
            match self.options.unknown_fields {
                UnknownFields::Refuse => self.problem(path, message),
                UnknownFields::Warn => self.warn(path, message),
            }
        }
    }

    /// The items of a list; an absent one has none.
    pub(super) fn list(&mut self, field: Option<Field>) -> Vec<Field> {
        match field {
            Some(Field { path, value: Tree::List(items) }) => {
                let item = |(at, value)| Field { path: format!("{path}[{at}]"), value };
                items.into_iter().enumerate().map(item).collect()
            }
            Some(Field { path, value }) => {
                self.problem(path, format!("{} is not a list", value.kind()));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// A text with variables replaced, which may be empty.
    pub(super) fn text_or_empty(&mut self, field: Option<Field>) -> Option<Text> {
        let Field { path, value } = field?;
        let raw = self.plain(&path, value)?;
        let Some(environment) = self.options.environment else {
            return Some(Text { path, value: raw });
        };
        let mut unset = Vec::new();
        let value = expand(&raw, environment, |name| unset.push(name.to_owned())).into_owned();
        for name in unset {
            self.warn(path.clone(), format!("the environment variable {name} is not set, and replaced by nothing"));
        }
        Some(Text { path, value })
    }

    /// A text with variables replaced; an empty one is absent.
    pub(super) fn text(&mut self, field: Option<Field>) -> Option<Text> {
        self.text_or_empty(field).filter(|text| !text.value.is_empty())
    }

    /// A text as it stands there.
    pub(super) fn verbatim(&mut self, field: Option<Field>) -> Option<String> {
        let Field { path, value } = field?;
        self.plain(&path, value)
    }

    /// A secret as it stands there.
    pub(super) fn secret(&mut self, field: Option<Field>) -> Option<Secret> {
        self.verbatim(field).map(Secret::from)
    }

    fn plain(&mut self, path: &str, value: Tree) -> Option<String> {
        match value {
            Tree::Text(text) => Some(text),
            Tree::Integer(number) => Some(number.to_string()),
            // No value in the message: it may be a secret, and has lost its spelling.
            Tree::Bool(_) | Tree::Float(_) => {
                self.problem(path.to_owned(), "expected a string: put the value in quotes");
                None
            }
            Tree::Null | Tree::List(_) | Tree::Object(_) => {
                self.problem(path.to_owned(), format!("{} is not a string", value.kind()));
                None
            }
        }
    }

    /// Replaces variables in a text that stands where another kind of value is wanted.
    fn scalar(&mut self, field: Option<Field>) -> Option<Field> {
        match field? {
            Field { path, value: value @ Tree::Text(_) } => {
                let text = self.text(Some(Field { path, value }))?;
                Some(Field { path: text.path, value: Tree::Text(text.value) })
            }
            field => Some(field),
        }
    }

    /// A whole number of the range. `what` names it: `a port`.
    pub(super) fn integer<T: TryFrom<i128> + PartialOrd + Display>(
        &mut self,
        field: Option<Field>,
        what: &str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        let Field { path, value } = self.scalar(field)?;
        let number = match &value {
            Tree::Integer(number) => Some(*number),
            Tree::Text(digits) => digits.parse().ok(),
            _ => None,
        };
        let good = number.and_then(|number| T::try_from(number).ok()).filter(|number| range.contains(number));
        if good.is_none() {
            let shown = value.shown();
            self.problem(path, format!("{shown} is not {what}, expected {}..{}", range.start(), range.end()));
        }
        good
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, field: Option<Field>) -> Option<bool> {
        let Field { path, value } = self.scalar(field)?;
        let good = match &value {
            Tree::Bool(value) => Some(*value),
            Tree::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Tree::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        if good.is_none() {
            self.problem(path, format!("{} is not a switch, expected true or false", value.shown()));
        }
        good
    }

    /// A text with a grammar of its own, whose errors say what was expected.
    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, field: Option<Field>) -> Option<T> {
        self.read_with(field, str::parse)
    }

    /// Likewise, by a function.
    pub(super) fn read_with<T, E: Display>(
        &mut self,
        field: Option<Field>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(field)?;
        self.read_text(text, read)
    }

    /// Likewise, of a text that is at hand.
    pub(super) fn read_text<T, E: Display>(
        &mut self,
        text: Text,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match read(&text.value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(text.path, format!("{}: {error}", Tree::Text(text.value).shown()));
                None
            }
        }
    }

    /// One of a few names, in any case.
    pub(super) fn one_of<T: Copy>(
        &mut self,
        field: Option<Field>,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Option<T> {
        let text = self.text(field)?;
        let good = all.iter().copied().find(|value| name(*value).eq_ignore_ascii_case(&text.value));
        if good.is_none() {
            let names = all.iter().map(|value| name(*value)).collect::<Vec<_>>().join(", ");
            self.problem(text.path, format!("{} is unknown, expected one of {names}", Tree::Text(text.value).shown()));
        }
        good
    }

    /// Texts, sorted, without duplicates; empty ones are wrong.
    pub(super) fn names(&mut self, field: Option<Field>, what: &str) -> Vec<String> {
        let mut names = Vec::new();
        for item in self.list(field) {
            let path = item.path.clone();
            match self.text_or_empty(Some(item)) {
                Some(text) if is_name(&text.value) => names.push(text.value),
                Some(text) => self.problem(path, not_a_name(&text.value, what)),
                None => {}
            }
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Whether a text can name an object: something printable.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024 && !text.chars().any(char::is_control)
}

pub(super) fn not_a_name(text: &str, what: &str) -> String {
    let shown = Tree::Text(text.to_owned()).shown();
    format!("{shown} is not {what}, expected 1 to 1024 bytes without control characters")
}
