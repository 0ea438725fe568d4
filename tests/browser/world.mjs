// What the browser tests stand on: a temporary folder, the service as it ships, an agent that asks over HTTP, and
// Debian's Chromium with a virtual authenticator (W3C Web Authentication section 11).
import { spawn, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const require = createRequire(join(process.env.MANDATED_BROWSER_MODULES, 'playwright-core', 'index.js'));
const { chromium } = require('playwright-core');

export const BINARY = process.env.MANDATED_BINARY;
export const ALICE = 'mailto:alice@example.org';
export const BOB = 'mailto:bob@example.org';
export const AGENT = 'spiffe://acme.example/ns/agents/sa/x';

export async function freePort() {
  const probe = net.createServer();
  await new Promise((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  return port;
}

/** One HTTP exchange with fields of the caller's choice: { status, fields, text, json }. */
export function exchange(port, method, path, { fields = {}, body } = {}) {
  return new Promise((done, failed) => {
    const request = http.request({ host: '127.0.0.1', port, method, path, headers: fields, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece) => { text += piece; });
      answer.on('end', () => {
        const isJson = (answer.headers['content-type'] ?? '').includes('json');
        done({ status: answer.statusCode, fields: answer.headers, text, json: isJson ? JSON.parse(text) : undefined });
      });
    });
    request.on('error', failed);
    request.end(body);
  });
}

export class World {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'mandated-browser-'));
    this.cleanups = [];
    this.violations = [];
  }

  path(name) { return join(this.folder, name); }

  async close() {
    for (const cleanup of this.cleanups.reverse()) await cleanup();
    rmSync(this.folder, { recursive: true, force: true });
  }

  mandated(...words) { return execFileSync(BINARY, words, { encoding: 'utf8', timeout: 30000 }); }

  start(words, log) {
    const process_ = spawn(BINARY, words, { stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    process_.stderr.on('data', (piece) => { text += piece; });
    const ended = new Promise((done) => process_.on('exit', (code) => done(code)));
    this.cleanups.push(async () => {
      process_.kill('SIGTERM');
      await ended;
    });
    return { process: process_, ended, log: () => `${log}: ${text}` };
  }

  // ---- the service --------------------------------------------------------------------------------------------------

  async serve() {
    this.port = await freePort();
    this.origin = `http://localhost:${this.port}`;
    this.service = this.start(['consent', 'serve', '--folder', this.path('consent'), '--address',
      `127.0.0.1:${this.port}`, '--origin', this.origin], 'consent');
    for (let tries = 0; ; ++tries) {
      try {
        await this.exchange('GET', '/');
        return;
      } catch (error) {
        if (tries === 200) throw new Error(`${error}\n${this.service.log()}`);
        await sleep(25);
      }
    }
  }

  exchange(method, path, { fields = {}, ...rest } = {}) {
    return exchange(this.port, method, path, { fields: { host: `localhost:${this.port}`, ...fields }, ...rest });
  }

  /** The link that `mandated consent invite` prints, and the anchor file it names. */
  invite(user = ALICE, ...words) {
    const text = this.mandated('consent', 'invite', '--folder', this.path('consent'), '--user', user,
      '--origin', this.origin, ...words);
    return { link: /http:\S+/.exec(text)[0], anchor: /anchor in (\S+)/.exec(text)[1] };
  }

  // ---- the agent ----------------------------------------------------------------------------------------------------

  /** A key pair: the path of the private JWK, and the public one. */
  key(name) {
    const text = this.mandated('receipt', 'keygen', '--out', this.path(`${name}.jwk`));
    return { file: this.path(`${name}.jwk`), jwk: JSON.parse(text) };
  }

  question(more = {}) {
    this.agentKey ??= this.key('agent');
    return {
      kind: 'receipt', user: ALICE, holder: AGENT, holder_key: this.agentKey.jwk, lifetime: 7200, depth: 1,
      intent: 'Summarise the quarterly reports and file one ticket about what is missing.',
      tools: {
        read_file: { path: { constraint_type: 'path_containment', root: '/srv/reports/2026' } },
        search: { query: { constraint_type: 'wildcard' }, limit: { constraint_type: 'range', max: 100 } },
        create_ticket: {
          project: { constraint_type: 'one_of', values: ['REPORTS', 'FINANCE'] },
          title: { constraint_type: 'length', max: 120 },
        },
      },
      mandate: {
        budget: { calls: 200, tools: { create_ticket: 1 } }, holders: ['spiffe://acme.example/ns/agents/sa/*'],
        aud: ['https://tools.acme.example'],
      },
      ...more,
    };
  }

  post(question) {
    const fields = { 'content-type': 'application/json' };
    return this.exchange('POST', '/requests', { fields, body: JSON.stringify(question) });
  }

  async ask(question = this.question()) {
    const answer = await this.post(question);
    if (answer.status !== 201) throw new Error(`${answer.status} ${answer.text}`);
    return answer.json;
  }

  async outcome(id, wait = 0) {
    const answer = await this.exchange('GET', `/requests/${id}${wait ? `?wait=${wait}` : ''}`);
    return answer.json;
  }

  // ---- the person ---------------------------------------------------------------------------------------------------

  async browse(more = []) {
    const context = await chromium.launchPersistentContext(mkdtempSync(join(this.folder, 'profile-')), {
      executablePath: '/usr/bin/chromium', headless: true, viewport: { width: 1440, height: 900 },
      timezoneId: 'Europe/Berlin', locale: 'en-GB',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
        '--disable-component-update', '--disable-sync', ...more],
    });
    this.cleanups.push(() => context.close());
    this.context = context;
    await context.addInitScript(() => {
      window.addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP ${event.violatedDirective} ${event.blockedURI}`);
      });
    });
    return context;
  }

  /** A tab of its own with an authenticator that verifies its user, unless it is told otherwise. */
  async tab() {
    const page = await this.context.newPage();
    page.on('console', (message) => {
      const broken = /CSP|Content Security Policy|TrustedHTML|Trusted Type/i;
      if (broken.test(message.text())) this.violations.push(message.text());
    });
    page.on('pageerror', (error) => this.violations.push(String(error)));
    const devtools = await this.context.newCDPSession(page);
    await devtools.send('WebAuthn.enable');
    const { authenticatorId } = await devtools.send('WebAuthn.addVirtualAuthenticator', {
      options: {
        protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    const person = new Person(this, page, devtools, authenticatorId);
    return person;
  }

  write(name, text) {
    writeFileSync(this.path(name), text);
    return this.path(name);
  }

  read(path) { return readFileSync(path, 'utf8'); }
}

class Person {
  constructor(world, page, devtools, authenticator) {
    Object.assign(this, { world, page, devtools, authenticator });
  }

  async heading(text) {
    await this.page.getByRole('heading', { level: 1, name: text }).waitFor({ timeout: 10000 });
  }

  /** Through the page, as an invited person does. The anchor's file. */
  async register(user, ...words) {
    const { link, anchor } = this.world.invite(user, ...words);
    await this.page.goto('about:blank');
    await this.page.goto(link);
    await this.page.getByRole('button', { name: 'Make the passkey' }).click();
    await this.heading('Your passkey is registered');
    return anchor;
  }

  async open(asked) {
    await this.page.goto(asked.url);
    await this.heading(/^An agent asks/);
  }

  sign() { return this.page.getByRole('button', { name: 'Sign with passkey' }).click(); }

  verifies(isUserVerified) {
    return this.devtools.send('WebAuthn.setUserVerified', { authenticatorId: this.authenticator, isUserVerified });
  }

  async credentials() {
    const found = await this.devtools.send('WebAuthn.getCredentials', { authenticatorId: this.authenticator });
    return found.credentials;
  }

  async take(credentials) {
    for (const credential of credentials)
      await this.devtools.send('WebAuthn.addCredential', { authenticatorId: this.authenticator, credential });
  }

  async forgetAll() {
    await this.devtools.send('WebAuthn.clearCredentials', { authenticatorId: this.authenticator });
  }
}
