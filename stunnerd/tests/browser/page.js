// What runs in the browser: two peer connections in one page whose only path to each other is the TURN server.

const CHUNK = 16 * 1024;
const HIGH_WATER = 1024 * 1024;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, deadline, probe) {
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (performance.now() > deadline) throw new Error(`timed out: ${what}`);
    await sleep(100);
  }
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function randomBytes(length) {
  const bytes = new Uint8Array(length);
  // One call fills at most 65,536 bytes.
  for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(at + 65536, length)));
  return bytes;
}

// Collects candidates and errors of one side and hands its candidates to the other.
function trickle(from, to, log) {
  from.onicecandidate = ({ candidate }) => {
    if (!candidate?.candidate) return;
    log.candidates.push(candidate.candidate);
    to.addIceCandidate(candidate).catch((error) => log.errors.push(String(error)));
  };
  from.onicecandidateerror = (event) => log.errors.push(`${event.errorCode} ${event.errorText} (${event.url})`);
}

async function negotiate(offerer, answerer) {
  await offerer.setLocalDescription();
  await answerer.setRemoteDescription(offerer.localDescription);
  await answerer.setLocalDescription();
  await offerer.setRemoteDescription(answerer.localDescription);
}

async function sendAll(channel, bytes) {
  channel.bufferedAmountLowThreshold = HIGH_WATER / 4;
  for (let at = 0; at < bytes.length; at += CHUNK) {
    if (channel.bufferedAmount > HIGH_WATER) {
      await new Promise((resolve) => channel.addEventListener("bufferedamountlow", resolve, { once: true }));
    }
    channel.send(bytes.subarray(at, at + CHUNK));
  }
}

// Sends `length` random bytes and answers when the other side has them all.
async function transfer(sender, receiver, length, deadline) {
  const bytes = randomBytes(length);
  const received = new Uint8Array(length);
  let at = 0;
  receiver.binaryType = "arraybuffer";
  receiver.onmessage = ({ data }) => {
    received.set(new Uint8Array(data), at);
    at += data.byteLength;
  };
  const started = performance.now();
  await sendAll(sender, bytes);
  await until(`data channel: ${at} of ${length} bytes`, deadline, () => at >= length);
  const milliseconds = Math.round(performance.now() - started);
  return { length: at, sent: await sha256(bytes), received: await sha256(received), milliseconds };
}

async function selectedPair(connection) {
  const stats = await connection.getStats();
  const transport = [...stats.values()].find((entry) => entry.type === "transport" && entry.selectedCandidatePairId);
  const pair = stats.get(transport?.selectedCandidatePairId);
  if (!pair) return null;
  const describe = (candidate) => ({
    type: candidate.candidateType,
    address: candidate.address,
    protocol: candidate.protocol,
    relayProtocol: candidate.relayProtocol ?? null,
    url: candidate.url ?? null,
  });
  return { local: describe(stats.get(pair.localCandidateId)), remote: describe(stats.get(pair.remoteCandidateId)) };
}

async function framesDecoded(connection) {
  const stats = await connection.getStats();
  const video = [...stats.values()].find((entry) => entry.type === "inbound-rtp" && entry.kind === "video");
  return video?.framesDecoded ?? 0;
}

async function relay({ url, username, credential, bytes, frames, timeout, video }) {
  const deadline = performance.now() + timeout;
  const config = { iceServers: [{ urls: [url], username, credential }], iceTransportPolicy: "relay" };
  const [caller, callee] = [new RTCPeerConnection(config), new RTCPeerConnection(config)];
  const log = { candidates: [], errors: [] };
  const state = () => `ice ${caller.iceConnectionState}/${callee.iceConnectionState}, ${JSON.stringify(log)}`;
  try {
    trickle(caller, callee, log);
    trickle(callee, caller, log);
    if (video) {
      const camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360, frameRate: 30 } });
      for (const track of camera.getTracks()) caller.addTrack(track, camera);
      callee.ontrack = ({ streams }) => (document.getElementById("video").srcObject = streams[0]);
    }
    const sender = caller.createDataChannel("data");
    let receiver = null;
    callee.ondatachannel = ({ channel }) => (receiver = channel);
    await negotiate(caller, callee);
    await until("ICE and data channel", deadline, () => {
      const gathered = [caller, callee].every((connection) => connection.iceGatheringState === "complete");
      if (gathered && log.candidates.length === 0) throw new Error("no relayed candidate");
      return receiver && sender.readyState === "open";
    });
    const data = await transfer(sender, receiver, bytes, deadline);
    const seen = { before: 0, after: 0 };
    if (video) {
      seen.before = await until("first video frame", deadline, () => framesDecoded(callee));
      seen.after = await until("video goes on", deadline, async () => {
        const now = await framesDecoded(callee);
        return now >= seen.before + frames && now;
      });
    }
    const pairs = [await selectedPair(caller), await selectedPair(callee)];
    return { data, frames: seen, pairs, candidates: log.candidates, errors: log.errors };
  } catch (error) {
    throw new Error(`${error.message}; ${state()}`);
  } finally {
    caller.close();
    callee.close();
  }
}

globalThis.relay = relay;
