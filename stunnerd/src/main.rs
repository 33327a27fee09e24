//! `stunnerd`: the command line, then the daemon's life.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Parser;
use stunner_config::{Config, ParseOptions, TurnUri, parse};
use stunnerd::{
    cli::{Args, Origin},
    compile::compile,
    daemon, logging,
};
use tracing::{Level, error, info, warn};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(usage) => {
            let _ = usage.print();
            // Exit code 1 for a bad command line, as upstream; help and version are no failure.
            return if usage.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("stunnerd: {failure:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let origin = args.origin(env)?;
    let (config, warnings) = load(&origin)?;
    start_logging(args, &config)?;
    let hostname =
        nix::unistd::gethostname().map_or_else(|_| "unknown".into(), |name| name.to_string_lossy().into_owned());
    let id = args.id(env, &hostname);
    info!(target: "stunnerd", "stunnerd {} as {id:?}", env!("CARGO_PKG_VERSION"));
    let mut random = [0; 32];
    getrandom::fill(&mut random).context("the operating system gives no random numbers")?;
    let compiled = compile(&config, random);
    if let (Origin::Uri(_), Some(why)) = (&origin, compiled.left_closed.first()) {
        bail!("{why}. Use ?transport=udp");
    }
    for line in warnings.iter().chain(&compiled.left_closed) {
        warn!(target: "config", "{line}");
    }
    if args.dry_run {
        info!(target: "stunnerd", "dry run: the configuration is good; nothing was opened");
        return Ok(());
    }
    let outcome = daemon::run(&compiled.plan, daemon::worker_count(args.udp_thread_num));
    if let Err(failure) = &outcome {
        // In the log as well, where an on-call person looks first.
        error!(target: "stunnerd", "{failure:#}");
    }
    outcome
}

fn start_logging(args: &Args, config: &Config) -> anyhow::Result<()> {
    let levels = match (&args.log, args.verbose) {
        (Some(levels), _) => levels.clone(),
        (None, true) => logging::Levels::all(Level::DEBUG),
        (None, false) => config.admin.loglevel.to_string().parse().context("admin.loglevel")?,
    };
    logging::init(&levels, args.log_format);
    Ok(())
}

/// Reads the configuration, with what is strange about it but no error.
fn load(origin: &Origin) -> anyhow::Result<(Config, Vec<String>)> {
    match origin {
        Origin::Uri(uri) => {
            let uri: TurnUri = uri.parse()?;
            Ok((Config::from_uri(&uri)?, Vec::new()))
        }
        Origin::File(path) => {
            let text = std::fs::read_to_string(path).with_context(|| {
                format!("the configuration {} cannot be read; check the path and its permissions", path.display())
            })?;
            if text.trim().is_empty() {
                bail!("the configuration {} is empty; stunnerd --help says what else can be given", path.display());
            }
            let environment = |name: &str| std::env::var(name).ok();
            let parsed = parse(&text, &ParseOptions::file(&environment))
                .with_context(|| format!("the configuration {} is not usable", path.display()))?;
            Ok((parsed.config, parsed.warnings.iter().map(ToString::to_string).collect()))
        }
    }
}
