//! A stunnerd process under test, on a port that the kernel chose.

// Each test file uses its own part of this module.
#![allow(dead_code)]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use stunner_testkit::harness::Account;

/// A running daemon; killed when dropped.
pub(crate) struct Daemon {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    config: Option<PathBuf>,
}

impl Daemon {
    /// Starts stunnerd, with a free port for PORT in its arguments, and waits until its first listener is open.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_stunnerd")), args)
    }

    /// The same after a shell command that limits the process.
    pub(crate) fn limited(limit: &str, args: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{limit} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_stunnerd")]);
        Self::spawn(shell, args)
    }

    fn spawn(mut command: Command, args: &[&str]) -> Self {
        let port = free_port().to_string();
        let mut child = command
            .args(args.iter().map(|arg| arg.replace("PORT", &port)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .env_remove("STUNNER_CONFIG_ORIGIN")
            .spawn()
            .expect("stunnerd starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, address) = mpsc::channel();
        let copy = Arc::clone(&log);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once(": UDP ") {
                    let _ = found.send(address.split(' ').next().and_then(|address| address.parse().ok()));
                }
                let mut log = copy.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        match address.recv_timeout(Duration::from_secs(20)) {
            Ok(Some(address)) => Self { child, address, log, config: None },
            other => {
                let _ = child.kill();
                panic!(
                    "stunnerd did not open its listener ({other:?}):\n{}",
                    log.lock().unwrap_or_else(PoisonError::into_inner)
                );
            }
        }
    }

    /// Starts stunnerd with a configuration document, with a free port for PORT in it.
    pub(crate) fn with_config(text: &str) -> Self {
        let path = write_config(&text.replace("PORT", &free_port().to_string()));
        let mut daemon = Self::start(&["-c", path.to_str().expect("a path")]);
        daemon.config = Some(path);
        daemon
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says so");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// How many of its threads have a name that starts so.
    pub(crate) fn threads_named(&self, prefix: &str) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let name = |task: std::io::Result<fs::DirEntry>| fs::read_to_string(task.ok()?.path().join("comm")).ok();
        tasks.filter_map(name).filter(|name| name.starts_with(prefix)).count()
    }

    /// Asks it to end, and checks that it does so with exit code 0.
    pub(crate) fn end(&mut self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                assert!(status.success(), "{status}:\n{}", self.log());
                return;
            }
            assert!(Instant::now() < deadline, "stunnerd does not end:\n{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- stunnerd's log:\n{}", self.log());
        }
        if let Some(config) = &self.config {
            let _ = fs::remove_file(config);
        }
    }
}

/// A UDP port of loopback that nobody has. Below those that the kernel gives to clients and stunnerd to its relayed sockets.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id() % 500 * 20;
    let mut ports = (0..10_000).map(|_| 10_000 + ((start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000) as u16);
    ports.find(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).expect("a free port")
}

/// The user of every test's configuration.
pub(crate) fn account() -> Account {
    Account { username: "user".into(), password: "pass".into() }
}

/// Writes a configuration to a file of its own.
pub(crate) fn write_config(text: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("config-{}-{number}.yaml", std::process::id()));
    fs::write(&path, text).expect("the scratch folder is writable");
    path
}

/// Runs stunnerd to its end, which must come by itself.
pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stunnerd"))
        .args(args)
        .stdin(Stdio::null())
        .env_remove("STUNNER_CONFIG_ORIGIN")
        .output()
        .expect("stunnerd starts")
}
