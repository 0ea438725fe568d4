// What the main job runs on: a folder of files, an embedded trust domain, the proxies, and the keys of a person and of
// two agents. Everything lives in one temporary folder and ends with this process.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const domain = "acme.example";
export const ids = {
  x: `spiffe://${domain}/agent/x`,
  b: `spiffe://${domain}/agent/b`,
  y: `spiffe://${domain}/agent/y`,
  files: `spiffe://${domain}/tool/files`,
};
export const user = "mailto:maria@acme.example";

const freePort = () => new Promise((resolve, reject) => {
  const server = createServer();
  server.on("error", reject);
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class World {
  constructor(binary) {
    this.binary = binary;
    this.folder = mkdtempSync(join(tmpdir(), "mandated-main-job-"));
    this.proxies = new Map();
    process.on("exit", () => this.end());
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));
  }

  path(...parts) {
    return join(this.folder, ...parts);
  }
  make(...parts) {
    mkdirSync(this.path(...parts), { recursive: true, mode: 0o700 });
    return this.path(...parts);
  }
  write(name, text) {
    writeFileSync(this.path(name), text, { mode: 0o600 });
    return this.path(name);
  }
  read(name) {
    return readFileSync(this.path(name), "utf8");
  }

  // One command of the program under test; its standard output.
  mandated(...words) {
    return execFileSync(this.binary, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], timeout: 20000 });
  }

  // Starts `mandated run` with this configuration (YAML takes JSON) and waits until it says it is ready.
  async start(name, config, words = []) {
    const admin = await freePort();
    const file = this.write(`${name}.yaml`, JSON.stringify({ version: 1, ...config, admin: { address: `127.0.0.1:${admin}` } }));
    const log = openSync(this.path(`${name}.log`), "a");
    const child = spawn(this.binary, ["run", "--config", file, ...words], { stdio: ["ignore", log, log] });
    this.proxies.set(name, child);
    for (let attempt = 0; attempt < 200 && child.exitCode === null; attempt++) {
      const ready = await fetch(`http://127.0.0.1:${admin}/ready`).then((answer) => answer.ok, () => false);
      if (ready) return;
      await pause(50);
    }
    throw new Error(`${name} did not become ready:\n${this.read(`${name}.log`).slice(-3000)}`);
  }

  async stop(name) {
    const child = this.proxies.get(name);
    this.proxies.delete(name);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), 10000);
    await ended;
    clearTimeout(late);
    return child.exitCode;
  }

  end() {
    for (const child of this.proxies.values()) child.kill("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  freePort() {
    return freePort();
  }
}
