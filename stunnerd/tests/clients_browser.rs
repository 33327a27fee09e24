//! Headless Chromium with two peer connections in one page, each allowed only its relayed candidates: a data channel
//! carries 10 MiB with a checked digest, and a fake camera's video is decoded on the other side.

mod clients_support;

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clients_support::{PASSWORD, Process, Server, USER, V4, V6, find_tool, real_clients};
use serde_json::{Value, json};

/// How long the page may take; the process has a little longer, to start and to clean up.
const PAGE_LIMIT: Duration = Duration::from_secs(90);
const LIMIT: Duration = Duration::from_secs(150);

const BYTES: u64 = 10 * 1024 * 1024;

/// At 30 frames per second, one second of video after the first frame.
const FRAMES: u64 = 30;

#[test]
fn a_browser_relays_data_and_video_over_ipv4() {
    if real_clients("a_browser_relays_data_and_video_over_ipv4", &["chromium", "node"]) {
        relays_data_and_video(V4);
    }
}

#[test]
fn a_browser_relays_data_and_video_over_ipv6() {
    if real_clients("a_browser_relays_data_and_video_over_ipv6", &["chromium", "node"]) {
        relays_data_and_video(V6);
    }
}

fn relays_data_and_video(ip: IpAddr) {
    let mut server = Server::start(ip);
    let seen = in_browser(&server.url());
    server.assert_running();

    assert_eq!(seen["data"]["length"], BYTES);
    assert_eq!(seen["data"]["sent"].as_str().map(str::len), Some(64), "a SHA-256 digest in hex");
    assert_eq!(seen["data"]["sent"], seen["data"]["received"]);

    let frames = |name: &str| seen["frames"][name].as_u64().expect("a number of frames");
    assert!(frames("before") > 0);
    assert!(frames("after") >= frames("before") + FRAMES);

    for pair in seen["pairs"].as_array().expect("both connections selected a pair") {
        assert_eq!(pair["local"]["type"], "relay");
        assert_eq!(pair["remote"]["type"], "relay");
        assert_eq!(pair["local"]["relayProtocol"], "udp");
        assert_eq!(pair["local"]["url"], server.url());
    }
    assert!(strings(&seen["candidates"]).all(|candidate| candidate.contains(" typ relay ")));
}

fn strings(array: &Value) -> impl Iterator<Item = &str> {
    array.as_array().expect("an array").iter().map(|value| value.as_str().expect("a string"))
}

/// Has the page of `tests/browser` do its work over the TURN server at `url` and returns what it saw.
fn in_browser(url: &str) -> Value {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(folder.join("node_modules").is_dir(), "run `npm ci` in {} (`ci/test` does)", folder.display());
    let job = json!({
        "url": url,
        "username": USER,
        "credential": PASSWORD,
        "bytes": BYTES,
        "video": true,
        "frames": FRAMES,
        "timeout": PAGE_LIMIT.as_millis() as u64,
        "chromium": find_tool("chromium"),
    });
    let mut browser = Process::spawn(Command::new("node").arg(folder.join("relay.mjs")).arg(job.to_string()));
    let status = browser.wait(LIMIT);
    assert!(status.success(), "relay.mjs: {status}");
    let output = browser.output();
    let line = output.lines().rfind(|line| line.starts_with('{')).expect("relay.mjs prints a line of JSON");
    serde_json::from_str(line).expect("valid JSON")
}
