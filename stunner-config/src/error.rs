//! What is wrong with a document.

use std::fmt;

/// One finding about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `listeners[1].port`. Empty for the document as a whole.
    pub path: String,
    /// What the field holds (never a secret) and what was expected.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// Why a document is no configuration. Nothing of it may be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is nothing in it, which is how a file looks while somebody writes it.
    Empty,
    /// More bytes than any configuration needs.
    TooLarge {
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Neither JSON nor YAML.
    Syntax(String),
    /// Fields are wrong: all that were found, in the order of the document.
    Fields(Vec<Problem>),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the document is empty"),
            Self::TooLarge { bytes, limit } => {
                write!(f, "the document has {bytes} bytes, of which {limit} are allowed")
            }
            Self::Syntax(message) => write!(f, "neither JSON nor YAML: {message}"),
            Self::Fields(problems) => {
                for (at, problem) in problems.iter().enumerate() {
                    if at > 0 {
                        f.write_str("; ")?;
                    }
                    write!(f, "{problem}")?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ConfigError {}
