//! The rules of this house that no compiler checks: which crate may depend on which, what the pure crates may not touch,
//! where `unsafe` may stand, how long a module may be, and what must not be committed.

mod house_rules_source;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use house_rules_source::{SourceFile, rust_files};
use toml::{Table, Value};

/// Who may depend on whom, transitively closed (docs/architecture.md). Dev-dependencies are free.
const ARROWS: &[(&str, &[&str])] = &[
    ("stun-codec", &[]),
    ("turn-auth", &["stun-codec"]),
    ("turn-core", &["stun-codec", "turn-auth"]),
    ("route-policy", &[]),
    ("stunner-config", &["route-policy"]),
    ("stunner-sys", &[]),
    ("stunnerd", &["route-policy", "stun-codec", "stunner-config", "stunner-sys", "turn-auth", "turn-core"]),
    ("operator-lite", &["route-policy", "stunner-config"]),
    ("stunnerctl", &["route-policy", "stun-codec", "stunner-config", "turn-auth", "turn-core"]),
];

/// Test and measurement code: may use every crate.
const FREE: &[&str] = &["stunner-testkit", "stunner-benches", "stunner-fuzz"];

/// Crates without sockets, threads, clocks, files or environment.
const PURE: &[&str] = &["stun-codec", "turn-auth", "turn-core", "route-policy", "stunner-config"];

/// What a pure crate must not name. `use` groups are expanded before the search.
const IMPURE: &[&str] = &[
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "std::thread",
    "std::process",
    "std::fs",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "tokio",
    "println!",
    "eprintln!",
];

/// Exceptions to `IMPURE`: file, word, reason.
const ARGUED: &[(&str, &str, &str)] = &[];

const UNSAFE_CRATE: &str = "stunner-sys";
const WARN_LINES: usize = 400;
const MAX_LINES: usize = 800;

/// One package of this repository.
struct Package {
    name: String,
    folder: PathBuf,
    manifest: Table,
}

impl Package {
    fn sources(&self) -> Vec<SourceFile> {
        rust_files(&self.folder.join("src")).iter().map(|path| SourceFile::read(path)).collect()
    }

    /// Names of the packages in `table` ("dependencies", ...), those of every `[target.'cfg(..)']` included.
    fn dependencies(&self, table: &str) -> Vec<String> {
        let mut tables: Vec<&Table> = self.manifest.get(table).and_then(Value::as_table).into_iter().collect();
        if let Some(targets) = self.manifest.get("target").and_then(Value::as_table) {
            tables.extend(targets.values().filter_map(|target| target.get(table)?.as_table()));
        }
        let renamed = |key: &str, value: &Value| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
        tables.into_iter().flatten().map(|(key, value)| renamed(key, value)).collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testkit is a folder of the workspace").to_owned()
}

fn read_table(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn packages() -> Vec<Package> {
    let workspace = read_table(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().expect("members is an array");
    members
        .iter()
        .map(|member| {
            let folder = root().join(member.as_str().expect("a member is a string"));
            let manifest = read_table(&folder.join("Cargo.toml"));
            let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
            Package { name, folder, manifest }
        })
        .collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Fails with every finding at once, so that one run shows all there is to do.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn dependencies_between_our_crates_follow_the_arrows() {
    let packages = packages();
    let ours: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| !FREE.contains(&package.name.as_str())) {
        let Some(allowed) = allowed.get(package.name.as_str()) else {
            findings.push(format!("{} is in no list of this test", package.name));
            continue;
        };
        let used = [package.dependencies("dependencies"), package.dependencies("build-dependencies")].concat();
        for name in used.iter().filter(|name| ours.contains(&name.as_str()) && !allowed.contains(&name.as_str())) {
            findings.push(format!("{} must not depend on {name}", package.name));
        }
    }
    assert_none("dependency arrows", &findings);
}

#[test]
fn the_codec_has_no_dependencies_and_no_std() {
    let packages = packages();
    let codec = packages.iter().find(|package| package.name == "stun-codec").expect("stun-codec is a member");
    let used = [codec.dependencies("dependencies"), codec.dependencies("build-dependencies")].concat();
    assert_none("stun-codec has no dependencies", &used);
    let crate_root = SourceFile::read(&codec.folder.join("src/lib.rs"));
    assert!(crate_root.code.contains("#![no_std]"), "stun-codec/src/lib.rs: #![no_std]");
}

#[test]
fn pure_crates_name_no_socket_thread_clock_or_file() {
    let mut findings = Vec::new();
    for package in packages().iter().filter(|package| PURE.contains(&package.name.as_str())) {
        for source in package.sources().iter().filter(|source| !source.is_test_file()) {
            let file = relative(&source.path);
            for word in IMPURE.iter().filter(|word| !ARGUED.iter().any(|(f, w, _)| *f == file && w == *word)) {
                findings.extend(source.lines_naming(word).iter().map(|line| format!("{file}:{line}: {word}")));
            }
        }
    }
    assert_none("purity", &findings);
}

#[test]
fn argued_exceptions_are_still_needed() {
    for (file, word, reason) in ARGUED {
        let source = SourceFile::read(&root().join(file));
        assert!(!source.lines_naming(word).is_empty(), "{file} no longer names {word}: drop the exception ({reason})");
    }
}

#[test]
fn unsafe_stands_only_in_sys() {
    let mut findings = Vec::new();
    for package in packages().iter().filter(|package| package.name != UNSAFE_CRATE) {
        for path in rust_files(&package.folder) {
            let source = SourceFile::read(&path);
            let lines = source.all_lines_naming("unsafe");
            findings.extend(lines.iter().map(|line| format!("{}:{line}: unsafe", relative(&path))));
        }
        let roots = rust_files(&package.folder.join("src")).into_iter().filter(|path| is_crate_root(path));
        for source in roots.map(|path| SourceFile::read(&path)) {
            if !source.code.contains("#![forbid(unsafe_code)]") {
                findings.push(format!("{}: #![forbid(unsafe_code)] is missing", relative(&source.path)));
            }
        }
    }
    assert_none("unsafe", &findings);
}

fn is_crate_root(path: &Path) -> bool {
    let in_bin = path.parent().is_some_and(|folder| folder.ends_with("src/bin"));
    in_bin || path.ends_with("src/lib.rs") || path.ends_with("src/main.rs")
}

#[test]
fn every_unsafe_in_sys_says_why_it_is_sound() {
    let mut findings = Vec::new();
    for package in packages().iter().filter(|package| package.name == UNSAFE_CRATE) {
        for path in rust_files(&package.folder) {
            let source = SourceFile::read(&path);
            findings.extend(source.unsafe_without_reason().iter().map(|line| format!("{}:{line}", relative(&path))));
        }
    }
    assert_none("`// SAFETY:` above each `unsafe` block and impl", &findings);
}

#[test]
fn every_crate_inherits_the_workspace_lints() {
    let inherits =
        |package: &&Package| package.manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
    let packages = packages();
    let findings: Vec<String> =
        packages.iter().filter(|package| inherits(package) != Some(true)).map(|package| package.name.clone()).collect();
    assert_none("[lints] workspace = true", &findings);
}

#[test]
fn modules_stay_short() {
    let mut findings = Vec::new();
    for source in packages().iter().flat_map(Package::sources).filter(|source| !source.is_test_file()) {
        let (file, lines) = (relative(&source.path), source.lines_without_tests());
        if lines > MAX_LINES {
            findings.push(format!("{file}: {lines} lines without its tests, {MAX_LINES} at most"));
        } else if lines > WARN_LINES {
            // The test harness swallows what passing tests print with macros.
            let _ = writeln!(
                std::io::stderr(),
                "warning: {file} has {lines} lines; more than {WARN_LINES} want to be two files"
            );
        }
    }
    assert_none("module length", &findings);
}

/// What git tracks; without git (a source archive) there is nothing to check.
fn tracked_files() -> Vec<PathBuf> {
    let Ok(output) = Command::new("git").arg("-C").arg(root()).args(["ls-files", "-z"]).output() else {
        return Vec::new();
    };
    let names = String::from_utf8_lossy(&output.stdout);
    names.split('\0').filter(|name| !name.is_empty()).map(|name| root().join(name)).collect()
}

#[test]
fn tracked_files_name_no_folder_of_somebodys_machine() {
    // In pieces, so that this file does not find itself.
    let folders = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];
    let mut findings = Vec::new();
    for path in tracked_files() {
        // Binary files (a fuzz corpus) and files deleted but not yet committed.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            let starts_a_path =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "}_-./~*".contains(c));
            if folders.iter().any(|folder| line.match_indices(folder).any(|(at, _)| starts_a_path(at))) {
                findings.push(format!("{}:{}: {}", relative(&path), number + 1, line.trim()));
            }
        }
    }
    assert_none("absolute paths", &findings);
}

#[test]
fn lock_files_name_only_the_public_registries() {
    let crates_io = "registry+https://github.com/rust-lang/crates.io-index";
    let mut findings = Vec::new();
    for path in tracked_files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        match path.file_name().and_then(|name| name.to_str()) {
            Some("Cargo.lock") => {
                let sources = text.lines().filter_map(|line| line.strip_prefix("source = "));
                findings.extend(sources.filter(|source| source.trim_matches('"') != crates_io).map(str::to_owned));
            }
            Some("package-lock.json") => {
                let lines = text.lines().filter(|line| line.contains("\"resolved\""));
                findings.extend(lines.map(|line| format!("{}: {}", relative(&path), line.trim())));
            }
            _ => {}
        }
    }
    assert_none("registries in lock files", &findings);
}
