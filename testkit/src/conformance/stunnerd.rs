//! This project's daemon, started with configuration files of the suite's own.

use super::site::Lab;
use std::path::{Path, PathBuf};

/// The binary that STUNNERD_BIN names, or one built in the target folder.
pub(super) fn find_binary() -> Result<PathBuf, String> {
    Err("no stunnerd".into())
}

pub(super) fn open(_binary: &Path) -> Lab {
    Lab::default()
}
