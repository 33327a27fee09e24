//! What the tests with real clients share: the server under test, bounded child processes, and the rule when to skip.
//!
//! `STUNNER_REAL_CLIENTS=1` (set by `ci/test`) makes these tests run, and fail if a tool is missing. Without it they skip.
//! `STUNNER_CLIENTS_SERVER=/usr/bin/turnserver` aims them at coturn instead of stunnerd.

// Each test file uses its own part of this module.
#![allow(dead_code)]

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "pass";
pub(crate) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Whether to run. A test that does not run says so, past the harness, which swallows what passing tests print.
pub(crate) fn real_clients(test: &str, tools: &[&str]) -> bool {
    if env::var("STUNNER_REAL_CLIENTS").is_ok_and(|value| value == "1") {
        for tool in tools {
            assert!(find_tool(tool).is_some(), "{tool} is not installed; `ci/test` installs what these tests need");
        }
        return true;
    }
    let tools = tools.join(" and ");
    let line = format!("skipped {test}: it needs {tools}; STUNNER_REAL_CLIENTS=1 runs it\n");
    // In one write, since tests print at the same time.
    let _ = std::io::stderr().write_all(line.as_bytes());
    false
}

pub(crate) fn find_tool(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A port of `ip` that is free, with the next one free as well. Below the ports that the kernel gives to clients and a
/// TURN server to its relayed sockets, so that none of those takes it in between.
pub(crate) fn free_port(ip: IpAddr) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 1000).expect("below 1000") * 10;
    for _ in 0..500 {
        let port = 20_000 + (start + NEXT.fetch_add(2, Ordering::Relaxed)) % 10_000;
        let is_free = |port| UdpSocket::bind((ip, port)).is_ok() && std::net::TcpListener::bind((ip, port)).is_ok();
        if is_free(port) && is_free(port + 1) {
            return port;
        }
    }
    panic!("no free port on {ip}");
}

/// A child process whose output goes to a file. Dropped, it is killed; if the test failed, its output is printed.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        static COUNT: AtomicU16 = AtomicU16::new(0);
        let name = Path::new(command.get_program()).file_name().expect("a program has a name").display().to_string();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = scratch().join(format!("{name}-{}-{number}.log", std::process::id()));
        let file = File::create(&log).expect("the scratch folder is writable");
        let errors = file.try_clone().expect("a file can be cloned");
        command.stdin(Stdio::null()).stdout(file).stderr(errors).current_dir(scratch());
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, child, log }
    }

    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end. Past `limit` the test fails; the process gets a moment to end its own children first.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            if Instant::now() > deadline {
                self.terminate();
                panic!("{} did not end within {limit:?}", self.name);
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn terminate(&mut self) {
        // The shell's own `kill`: a bare Debian has no other, and std sends only SIGKILL.
        let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]).status();
        for _ in 0..50 {
            if !self.is_running() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- output of {}:\n{}", self.name, self.output());
        }
        let _ = fs::remove_file(&self.log);
    }
}

fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The TURN server under test, on loopback, for one test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    files: PathBuf,
    process: Process,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.files);
    }
}

impl Server {
    pub(crate) fn start(ip: IpAddr) -> Self {
        let address = SocketAddr::new(ip, free_port(ip));
        let built = || env!("CARGO_BIN_EXE_stunnerd").into();
        let program = PathBuf::from(env::var_os("STUNNER_CLIENTS_SERVER").unwrap_or_else(built));
        let files = scratch().join(format!("server-{}-{}", std::process::id(), address.port()));
        fs::create_dir_all(&files).expect("the scratch folder is writable");
        let is_coturn = program.ends_with("turnserver");
        let mut command = if is_coturn { coturn(&program, address, &files) } else { stunnerd(&program, address) };
        let mut server = Self { address, files, process: Process::spawn(&mut command) };
        server.wait_until_it_answers();
        server
    }

    /// What an ICE server list calls it.
    pub(crate) fn url(&self) -> String {
        format!("turn:{}?transport=udp", self.address)
    }

    pub(crate) fn assert_running(&mut self) {
        assert!(self.process.is_running(), "the server ended during the test");
    }

    fn wait_until_it_answers(&mut self) {
        let socket = UdpSocket::bind((self.address.ip(), 0)).expect("loopback has a free port");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("100 ms is a valid time-out");
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            self.assert_running();
            let mut answer = [0; 1500];
            // Before the server has its socket, a send or receive may report an ICMP error.
            let _ = socket.send_to(&BINDING_REQUEST, self.address);
            if socket.recv(&mut answer).is_ok_and(|length| length >= 20 && answer[..2] == [0x01, 0x01]) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} answers no Binding request", self.address);
    }
}

const BINDING_REQUEST: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

fn stunnerd(program: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("turn://{USER}:{PASSWORD}@{address}"));
    command
}

/// coturn, set up to do what stunnerd does in URI mode. Browsers ask for no address family, and that means IPv4, even on
/// an IPv6 listener: it needs a relay address of both.
fn coturn(program: &Path, address: SocketAddr, files: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-n", "--lt-cred-mech", "--realm", "stunner.l7mp.io", "--user", &format!("{USER}:{PASSWORD}")])
        .args(["--listening-ip", &address.ip().to_string(), "--listening-port", &address.port().to_string()])
        .args(["--relay-ip", &V4.to_string(), "--relay-ip", &V6.to_string(), "--allow-loopback-peers"])
        .args(["--no-tls", "--no-dtls", "--no-cli", "--log-file", "stdout"])
        .arg("--pidfile")
        .arg(files.join("pid"))
        .arg("--userdb")
        .arg(files.join("db"));
    command
}
