//! What README.md and docs/ show is what there is: configurations parse, commands print what stands below them, tables of keys, limits
//! and flags are complete, links lead somewhere.

mod daemon_support;

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use daemon_support::write_config;
use stunner_config::{ParseOptions, parse};
use turn_core::Limits;

/// How long a command may take until it has printed all that it shows.
const PATIENCE: Duration = Duration::from_secs(30);

/// The port that examples use; a free one takes its place when they run.
const PORT: &str = "3478";

struct Page {
    path: PathBuf,
    text: String,
}

/// A fenced block: its language and its text.
type Block<'t> = (&'t str, &'t str);

impl Page {
    fn all() -> Vec<Self> {
        let docs = fs::read_dir(root().join("docs")).expect("docs is a folder");
        let docs = docs.map(|entry| entry.expect("docs can be listed").path());
        let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        let top = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root().join(name));
        let read = |path: PathBuf| Self { text: fs::read_to_string(&path).expect("a readable page"), path };
        pages.chain(top).map(read).collect()
    }

    fn configuration() -> String {
        fs::read_to_string(root().join("docs/configuration.md")).expect("docs/configuration.md")
    }

    fn name(&self) -> String {
        self.path.strip_prefix(root()).unwrap_or(&self.path).display().to_string()
    }

    fn blocks(&self) -> Vec<Block<'_>> {
        let mut parts = self.text.split("\n```");
        parts.next();
        let opened = parts.step_by(2);
        opened.map(|block| block.split_once('\n').expect("a fence has a line of its own")).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("stunnerd is a folder of the workspace")
}

#[test]
fn every_configuration_parses() {
    let variables = [("STUNNER_ADDR", "192.0.2.1"), ("NONCE_KEY", "0123456789abcdef")];
    let environment = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
    let mut seen = 0;
    for page in Page::all() {
        for (_, text) in page.blocks().iter().filter(|(language, _)| *language == "yaml") {
            let parsed = parse(text, &ParseOptions::file(&environment));
            let parsed = parsed.unwrap_or_else(|error| panic!("{}: {error}\n{text}", page.name()));
            assert!(parsed.warnings.is_empty(), "{}: {:?}\n{text}", page.name(), parsed.warnings);
            let file = scratch_file(text);
            let mut command = stunnerd(&["--dry-run", "-c"]);
            let output = command.arg(&file.0).envs(variables).output().expect("stunnerd starts");
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && !printed.contains("WARN"), "{}: {printed}\n{text}", page.name());
            seen += 1;
        }
    }
    assert!(seen > 0, "no configuration found");
}

#[test]
fn every_command_prints_what_stands_below_it() {
    let mut seen = 0;
    for page in Page::all() {
        let mut document = None;
        for (language, text) in page.blocks() {
            match language {
                "yaml" => document = Some(text),
                "console" => {
                    let commands = format!("\n{text}");
                    for session in commands.split("\n$ ").skip(1) {
                        let (command, shown) = session.split_once('\n').unwrap_or((session, ""));
                        seen += usize::from(run(&page.name(), command, shown, document));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(seen > 0, "no command found");
}

#[test]
fn every_link_leads_to_a_file() {
    for page in Page::all() {
        let targets = page.text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = page.path.parent().expect("a page is in a folder");
            assert!(file.is_empty() || folder.join(file).exists(), "{}: {target} does not exist", page.name());
            let heading = |line: &str| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
            let found = page.text.lines().filter(|line| line.starts_with('#')).any(|line| heading(line) == anchor);
            assert!(!file.is_empty() || found, "{}: no heading for {target}", page.name());
        }
    }
}

#[test]
fn every_file_of_the_code_map_exists() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md");
    let (mut folder, mut seen) = (None, 0);
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            let name = heading.trim_start_matches('#').trim().strip_prefix('`').and_then(|name| name.strip_suffix('`'));
            folder = name.map(|name| root().join(name).join("src"));
        }
        let (Some(folder), Some(row)) = (&folder, line.strip_prefix("| ")) else { continue };
        let files =
            row.split(" |").next().into_iter().flat_map(|cell| cell.split(", ")).map(|file| file.trim_matches('`'));
        for file in files.filter(|file| file.ends_with(".rs")) {
            assert!(folder.join(file).is_file(), "docs/architecture.md: no {file} in {}", folder.display());
            seen += 1;
        }
    }
    assert!(seen > 0, "no code map found");
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let page = Page::configuration();
    let documented: BTreeSet<String> =
        first_cells(&page).map(|cell| cell.trim_end_matches(" +").trim_matches('`').to_owned()).collect();
    for (section, fields) in [
        ("", "?: 1"),
        ("admin.", "admin: {?: 1}"),
        ("admin.limits.", "admin: {limits: {?: 1}}"),
        ("auth.", "auth: {?: 1}"),
        ("listeners[].", "listeners: [{name: a, ?: 1}]"),
        ("clusters[].", "clusters: [{name: a, ?: 1}]"),
    ] {
        let document = format!("{{version: v1, {}}}", fields.replace('?', &"q".repeat(40)));
        let error = parse(&document, &ParseOptions::file(&|_| None)).expect_err("an unknown field").to_string();
        let known = error.split_once("expected one of ").expect("the error lists the known fields").1;
        let known = known.split(';').next().unwrap_or_default();
        let known: BTreeSet<String> = known.split(", ").map(|key| format!("{section}{key}")).collect();
        let keys: BTreeSet<String> = if section.is_empty() {
            known.iter().filter(|key| *key == "version").cloned().collect()
        } else {
            known.clone()
        };
        let missing: Vec<_> = keys.difference(&documented).collect();
        assert!(missing.is_empty(), "not in docs/configuration.md: {missing:?}");
        let deeper = |key: &&String| key.strip_prefix(section).is_some_and(|rest| !rest.contains(['.', '[']));
        let stale: Vec<_> =
            documented.iter().filter(|key| is_key(key)).filter(deeper).filter(|key| !known.contains(*key)).collect();
        assert!(section.is_empty() || stale.is_empty(), "no such field: {stale:?}");
    }
}

#[test]
fn the_limits_that_the_page_names_are_the_defaults() {
    let page = Page::configuration();
    let limits = Limits::default();
    for (name, value) in [
        ("permissions", limits.permissions),
        ("channels", limits.channels),
        ("connections", limits.connections),
        ("allocations", limits.allocations as usize),
        ("allocations_per_user", limits.allocations_per_user as usize),
        ("allocations_per_source", limits.allocations_per_source as usize),
        ("unauthenticated_answers_per_second", limits.unauthenticated_answers_per_second as usize),
    ] {
        let start = format!("| `admin.limits.{name}` |");
        let row = page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row {start}"));
        let default = row.split('|').nth(3).map(str::trim);
        assert_eq!(default, Some(value.to_string().as_str()), "{row}");
    }
}

#[test]
fn the_flags_of_the_page_are_those_of_the_help() {
    let page = Page::configuration();
    let output = stunnerd(&["--help"]).output().expect("stunnerd starts");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    let flags = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
    };
    let rows: String = first_cells(&page).map(|cell| format!("{cell} ")).collect();
    let options: String =
        help.lines().map(str::trim).filter(|line| line.starts_with('-')).map(|line| format!("{line} ")).collect();
    assert_eq!(flags(&rows), flags(&options));
}

/// The first cell of every row of every table.
fn first_cells(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| line.strip_prefix("| ")).filter_map(|row| row.split(" |").next())
}

fn is_key(cell: &str) -> bool {
    ["admin.", "auth.", "listeners[].", "clusters[]."].iter().any(|section| cell.starts_with(section))
}

/// Runs a command line of ours and waits until it has printed, in order, all lines that are shown; `…` stands for anything. Of other commands
/// only scripts must exist. True if it was run.
fn run(page: &str, line: &str, shown: &str, document: Option<&str>) -> bool {
    let line = line.replace("cargo run --release -p stunnerd -- ", "stunnerd ");
    let mut words: Vec<String> = line.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect();
    let variables = words.iter().take_while(|word| word.contains('=')).count();
    let variables: Vec<String> = words.drain(..variables).collect();
    if words.first().is_none_or(|program| program != "stunnerd") {
        let script = words.get(1).filter(|_| words[0] == "bash");
        assert!(script.is_none_or(|script| root().join(script).exists()), "{page}: no file for {line}");
        return false;
    }
    let port = free_port();
    let config = words.iter().position(|word| word == "-c" || word == "--config");
    let file = config.map(|at| {
        let document = document.unwrap_or_else(|| panic!("{page}: no configuration above {line}"));
        let file = scratch_file(&document.replace(PORT, &port));
        words[at + 1] = file.0.display().to_string();
        file
    });
    let arguments: Vec<String> = words[1..].iter().map(|word| word.replace(PORT, &port)).collect();
    let mut command = stunnerd(&arguments);
    command.envs(variables.iter().filter_map(|variable| variable.split_once('=')));
    let expected: Vec<String> = shown.lines().map(|line| line.replace(PORT, &port)).collect();
    let printed = print_until(&mut command, &expected);
    drop(file);
    if let Err((missing, printed)) = printed {
        panic!("{page}: $ {line}\ndid not print: {missing}\nbut:\n{}", printed.join("\n"));
    }
    true
}

/// Ends with the first line that never came and what came instead.
fn print_until(command: &mut Command, expected: &[String]) -> Result<(), (String, Vec<String>)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("stunnerd starts");
    let (sender, lines) = mpsc::channel();
    let streams: [Box<dyn std::io::Read + Send>; 2] =
        [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
    for stream in streams {
        let sender = sender.clone();
        thread::spawn(move || {
            BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
    }
    drop(sender);
    let child = Ended(child);
    let (mut expected, mut printed) = (expected.iter().peekable(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    while let Some(next) = expected.peek() {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if matches(&line, next) {
                    expected.next();
                }
                printed.push(line);
            }
            Err(_) => return Err(((*next).clone(), printed)),
        }
    }
    drop(child);
    Ok(())
}

/// Whether the parts between `…` come in the line, one after the other.
fn matches(line: &str, shape: &str) -> bool {
    let mut rest = line;
    shape.split('…').map(str::trim).all(|part| {
        let found = rest.find(part);
        rest = found.map_or("", |at| &rest[at + part.len()..]);
        found.is_some()
    })
}

/// A process of ours that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn stunnerd<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stunnerd"));
    command.args(arguments).env_remove("STUNNER_CONFIG_ORIGIN").stdin(Stdio::null());
    command
}

/// A file that is gone when this is.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn scratch_file(text: &str) -> Scratch {
    Scratch(write_config(text))
}

/// A UDP port of loopback that nobody has, outside of the ranges that the kernel, relays and other tests take theirs from.
fn free_port() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id() % 500 * 20;
    let mut ports = (0..10_000).map(|_| 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let free = ports.find(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, *port as u16)).is_ok());
    free.expect("a free port").to_string()
}
