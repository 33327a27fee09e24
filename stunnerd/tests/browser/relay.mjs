// Starts Chromium on the page of this folder and prints what the page measured, as one line of JSON.
//
//   node relay.mjs '{"url":"turn:127.0.0.1:3478","username":"user","credential":"pass","bytes":10485760,...}'

import { createServer } from "node:http";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const TYPES = { "page.html": "text/html", "page.js": "text/javascript" };

const job = JSON.parse(process.argv[2]);

// A camera needs a secure context: localhost is one.
async function serve() {
  const server = createServer(async (request, response) => {
    const name = request.url.slice(1);
    // Browsers ask for an icon, too.
    if (!(name in TYPES)) return response.writeHead(204).end();
    const body = await readFile(new URL(name, import.meta.url));
    response.writeHead(200, { "content-type": TYPES[name] }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const FLAGS = [
  "--disable-quic",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  // Loopback is no network for WebRTC otherwise; the page's resolver must not ask anybody for localhost.
  "--allow-loopback-in-peer-connection",
  "--host-resolver-rules=MAP localhost 127.0.0.1",
  ...(job.flags ?? []),
];

const profile = await mkdtemp(join(tmpdir(), "stunnerd-chromium-"));
const server = await serve();
let context;
let code = 1;
try {
  context = await chromium.launchPersistentContext(profile, {
    executablePath: job.chromium,
    headless: true,
    // Chromium's sandbox refuses to start as root, and in most containers.
    chromiumSandbox: false,
    args: FLAGS,
  });
  const page = await context.newPage();
  page.on("console", (message) => console.error(`console: ${message.text()}`));
  page.on("pageerror", (error) => console.error(`page: ${error}`));
  await page.goto(`http://localhost:${server.address().port}/page.html`);
  await page.waitForFunction(() => typeof globalThis.relay === "function");
  const result = await page.evaluate((input) => globalThis.relay(input), job);
  console.log(JSON.stringify({ browser: context.browser()?.version() ?? null, ...result }));
  code = 0;
} catch (error) {
  console.error(error.message);
} finally {
  await context?.close();
  server.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 3 });
}
process.exit(code);
