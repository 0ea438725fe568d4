// A person with a passkey, in a real browser: what is shown, signed and refused, and what other pages, other hosts and
// too little verification do not get.
import assert from 'node:assert/strict';
import http from 'node:http';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT, ALICE, BOB, World, exchange, freePort } from './world.mjs';
import { audit } from './accessibility.mjs';

const REBOUND = 'rebound.example';
let world;
let alice;
let anchor;

before(async () => {
  world = new World();
  await world.serve();
  await world.browse([`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`]);
  alice = await world.tab();
  anchor = await alice.register(ALICE);
});

after(async () => {
  await world.close();
});

/** Of all passkeys that are registered, by name. */
function thumbprints() {
  const listed = world.mandated('consent', 'list', '--folder', world.path('consent'));
  return [...listed.matchAll(/thumbprint {2}(\S+)/g)].map((match) => match[1]);
}

async function screenshot(page, name) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** The port; the server ends with the world. */
async function listen(server) {
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  world.cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return server.address().port;
}

/** Another site: a server of its own that serves one page. */
async function site(html) {
  const server = http.createServer((_, answer) => {
    answer.setHeader('content-type', 'text/html');
    answer.end(html);
  });
  return { url: `http://127.0.0.1:${await listen(server)}/` };
}

describe('a receipt', () => {
  test('is registered for, asked for, read, signed, and good', async () => {
    const question = world.question();
    const asked = await world.ask(question);
    const waiting = world.outcome(asked.id, 30);
    await alice.open(asked);
    const text = await alice.page.locator('main').innerText();
    for (const words of ['Summarise the quarterly reports', AGENT, 'Any instance of it.', 'mailto:alice@example.org',
      'path: a path in or below "/srv/reports/2026"',
      'query: anything', 'At most 200 times in all.', 'create_ticket at most once.', '2 hours, counted from', 'CET',
      'Only at "https://tools.acme.example".', 'Once, to another workload',
      'Only to "spiffe://acme.example/ns/agents/sa/*".']) {
      assert.ok(text.includes(words), `${words} is not in:\n${text}`);
    }
    await alice.sign();
    await alice.heading('Signed');
    const { status, chain } = await waiting;
    assert.equal(status, 'signed');
    const file = world.write('chain.json', JSON.stringify(chain));
    const checked = world.mandated('receipt', 'check', '--chain', file, '--anchor', anchor, '--tool', 'read_file',
      '--args', '{"path":"/srv/reports/2026/q1.txt"}', '--peer', AGENT, '--aud', 'https://tools.acme.example');
    assert.match(checked, /^permitted/);
  });

  test('lets calls through a real proxy, one of them once it is approved, and no others', async () => {
    const calls = [];
    const server = http.createServer((request, answer) => {
      let body = '';
      request.on('data', (piece) => { body += piece; });
      request.on('end', () => {
        const message = JSON.parse(body);
        calls.push(message.params);
        answer.setHeader('content-type', 'application/json');
        const result = { content: [{ type: 'text', text: 'done' }] };
        answer.end(JSON.stringify({ jsonrpc: '2.0', id: message.id, result }));
      });
    });
    const upstream = await listen(server);
    const question = world.question({ depth: 0, mandate: {
      budget: { calls: 3 }, require: { create_ticket: 'approval' }, approvers: { keys: [thumbprints()[0]], min: 1 },
    } });
    delete question.holder;
    const asked = await world.ask(question);
    await alice.open(asked);
    await alice.sign();
    await alice.heading('Signed');
    mkdirSync(world.path('wallet'));
    world.write('wallet/one.json', JSON.stringify((await world.outcome(asked.id)).chain));
    const port = await freePort();
    const admin = await freePort();
    const config = world.write('proxy.yaml', JSON.stringify({
      version: 1, role: 'outbound', workers: 1,
      listeners: [{ name: 'agent', address: `127.0.0.1:${port}`, tls: 'none' }],
      routes: [{ name: 'tool', path: '/mcp', upstream: 'server', mandate: { mode: 'attach' } }],
      upstreams: [{ name: 'server', url: `http://127.0.0.1:${upstream}/mcp` }],
      receipts: {
        anchors: [{ file: anchor }], consent: { url: world.origin },
        wallet: { folder: world.path('wallet'), holder_key: world.agentKey.file },
      },
      audit: { file: world.path('audit.jsonl') }, admin: { address: `127.0.0.1:${admin}` },
    }));
    const proxy = world.start(['run', '--config', config], 'proxy');
    for (let ready = 0; ready !== 200;) {
      ready = await exchange(admin, 'GET', '/ready').then((answer) => answer.status, () => 0);
      assert.equal(proxy.process.exitCode, null, proxy.log());
    }
    const call = async (name, args) => {
      const _meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {},
      };
      const params = { name, arguments: args, _meta };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
      const answer = await exchange(port, 'POST', '/mcp', {
        fields: { 'content-type': 'application/json', accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name }, body });
      return answer.json.error?.data ?? answer.json.result.content[0].text;
    };
    const refused = async (...words) => (await call(...words)).code;
    const good = { path: '/srv/reports/2026/q1.txt' };
    assert.equal(await call('read_file', good), 'done', proxy.log());
    assert.equal(await refused('read_file', { path: '/etc/passwd' }), 'argument_denied');
    assert.equal(await refused('delete_file', good), 'tool_not_granted');
    assert.equal(await call('read_file', good), 'done');
    const ticket = { project: 'REPORTS', title: 'Two pages are missing' };
    const held = await call('create_ticket', ticket);
    assert.equal(held.code, 'approval_required');
    await alice.open(held);
    const shown = await alice.page.locator('main').innerText();
    for (const words of ['create_ticket', 'project: "REPORTS"', 'title: "Two pages are missing"', ALICE])
      assert.ok(shown.includes(words), `${words} is not in:\n${shown}`);
    assert.equal(await refused('create_ticket', ticket), 'approval_required', 'nobody has signed');
    await alice.sign();
    await alice.heading('Signed');
    assert.equal(await refused('create_ticket', { ...ticket, title: 'Another' }), 'approval_required');
    assert.equal(await call('create_ticket', ticket), 'done', proxy.log());
    assert.equal(await refused('read_file', good), 'budget_spent');
    assert.deepEqual(calls.map((each) => each.name), ['read_file', 'read_file', 'create_ticket']);
  });

  test('is refused, and the agent that waits hears it', async () => {
    const asked = await world.ask();
    const waiting = world.outcome(asked.id, 30);
    await alice.open(asked);
    await alice.page.getByRole('button', { name: 'Refuse' }).click();
    await alice.heading('Refused');
    assert.deepEqual(await waiting, { status: 'refused' });
    await alice.page.reload();
    await alice.heading('Refused');
  });

  test('expires while it is looked at', async () => {
    const asked = await world.ask(world.question({ lifetime: 3 }));
    await alice.open(asked);
    assert.deepEqual(await world.outcome(asked.id, 30), { status: 'expired' });
    await alice.sign();
    await alice.heading('Too late');
  });

  test('is signed with the keyboard alone', async () => {
    const asked = await world.ask();
    await alice.open(asked);
    const named = () => alice.page.evaluate(() => document.activeElement.textContent);
    await alice.page.keyboard.press('Tab');
    assert.equal(await named(), 'Sign with passkey');
    await alice.page.keyboard.press('Tab');
    assert.equal(await named(), 'Refuse');
    await alice.page.keyboard.press('Shift+Tab');
    const outline = await alice.page.evaluate(() => getComputedStyle(document.activeElement).outlineWidth);
    assert.equal(outline, '3px');
    await alice.page.keyboard.press('Enter');
    await alice.heading('Signed');
    assert.equal(await alice.page.evaluate(() => document.activeElement.id), 'heading');
    assert.equal((await world.outcome(asked.id)).status, 'signed');
  });

  test('is signed with the passkey that its person chooses', async () => {
    const first = await alice.credentials();
    await alice.forgetAll();
    const second = await alice.register(ALICE, '--name', 'alice-key');
    await alice.take(first);
    const asked = await world.ask();
    await alice.open(asked);
    await alice.page.getByRole('radio', { name: 'alice-key' }).check();
    await screenshot(alice.page, 'two-passkeys');
    await alice.sign();
    await alice.heading('Signed');
    const { chain } = await world.outcome(asked.id);
    const kid = JSON.parse(Buffer.from(chain[0].split('.')[0], 'base64url')).kid;
    assert.equal(kid, JSON.parse(world.read(second)).webauthn.credential_id);
    world.mandated('consent', 'remove', '--folder', world.path('consent'), 'alice-key');
    await alice.open(await world.ask());
    assert.equal(await alice.page.getByRole('radio').count(), 0);
  });
});

describe('what does not count', () => {
  test('a signature without user verification: the browser gives none, and the service takes none', async () => {
    const asked = await world.ask();
    await alice.open(asked);
    await alice.verifies(false);
    await alice.sign();
    await alice.page.locator('.bad').waitFor();
    assert.match(await alice.page.locator('.bad').innerText(), /The passkey was not used/);
    const answer = await alice.page.evaluate(async () => {
      const path = location.pathname.replace('/page', '');
      const content = await (await fetch(`${path}/content`)).json();
      const { credential_id: id, input } = content.passkeys[0];
      const { encode, decode } = await import('/assets/common.js');
      const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(input));
      const made = await navigator.credentials.get({ publicKey: {
        challenge, rpId: content.rp_id, userVerification: 'discouraged',
        allowCredentials: [{ type: 'public-key', id: decode(id) }],
      } });
      const body = { credential_id: encode(made.rawId), authenticatorData: encode(made.response.authenticatorData),
        clientDataJSON: encode(made.response.clientDataJSON), signature: encode(made.response.signature) };
      const posted = await fetch(`${path}/signature`, { method: 'POST', headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body) });
      return { status: posted.status, ...(await posted.json()) };
    });
    await alice.verifies(true);
    assert.equal(answer.status, 403);
    assert.match(answer.detail, /did not verify who touched it/);
    assert.deepEqual(await world.outcome(asked.id), { status: 'pending' });
    await alice.sign();
    await alice.heading('Signed');
  });

  test('a signature for another request', async () => {
    const [one, other] = [await world.ask(), await world.ask()];
    await alice.open(one);
    let body;
    await alice.page.route('**/signature', async (route) => {
      body = route.request().postData();
      await route.abort();
    });
    await alice.sign();
    await alice.page.locator('.bad').waitFor();
    await alice.page.unroute('**/signature');
    const post = (id) => world.exchange('POST', `/requests/${id}/signature`,
      { fields: { 'content-type': 'application/json', origin: world.origin }, body });
    const wrong = await post(other.id);
    assert.equal(wrong.status, 403);
    assert.match(wrong.json.detail, /made for other content/);
    assert.equal((await post(one.id)).status, 200);
    assert.equal((await post(one.id)).status, 409);
  });

  test('a page inside another page', async () => {
    const asked = await world.ask();
    for (const path of [new URL(asked.url).pathname, '/register']) {
      const other = await site(`<iframe src="${world.origin}${path}" width="600" height="600"></iframe>`);
      const page = await world.context.newPage();
      await page.goto(other.url);
      await page.waitForTimeout(500);
      const frame = page.frames()[1];
      assert.doesNotMatch(await frame.content().catch(() => ''), /mandated|passkey/i);
      await page.close();
    }
    // Two locks: what the service answers to a frame, and what it tells the browser of frames.
    const framed = await world.exchange('GET', `/requests/${asked.id}/page`,
      { fields: { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' } });
    assert.equal(framed.status, 403);
    assert.equal(framed.fields['x-frame-options'], 'DENY');
    assert.match(framed.fields['content-security-policy'], /frame-ancestors 'none'/);
  });

  test('a request or a refusal from another site', async () => {
    const asked = await world.ask();
    const asks = async () => {
      while (!world.service.log().includes(asked.id)) await sleep(10);
      await sleep(100);
      return world.service.log().split('consent.asked').length;
    };
    const earlier = await asks();
    const other = await site('<title>elsewhere</title>');
    const page = await world.context.newPage();
    await page.goto(other.url);
    const outcomes = await page.evaluate(async ({ origin, id, question }) => {
      const told = [];
      const attempt = async (path, options) => {
        const answer = await fetch(origin + path, options).catch((error) => ({ type: error.name }));
        told.push(answer.type);
      };
      await attempt('/requests', { method: 'POST', mode: 'no-cors', body: question });
      await attempt('/requests', { method: 'POST', headers: { 'content-type': 'application/json' }, body: question });
      await attempt(`/requests/${id}/refusal`, { method: 'POST', mode: 'no-cors', body: '{}' });
      await attempt(`/requests/${id}`, { mode: 'cors' });
      return told;
    }, { origin: world.origin, id: asked.id, question: JSON.stringify(world.question()) });
    assert.deepEqual(outcomes, Array(4).fill('TypeError'), 'nothing can be read there');
    assert.equal(await asks(), earlier, 'nothing was taken');
    const form = await site(`<form method="post" enctype="text/plain"
      action="${world.origin}/requests/${asked.id}/refusal"><input name="{}" value=""><button>go</button></form>`);
    await page.goto(form.url);
    const [answered] = await Promise.all([page.waitForResponse(/refusal/), page.click('button')]);
    assert.equal(answered.status(), 403);
    assert.deepEqual(await world.outcome(asked.id), { status: 'pending' });
    await page.close();
  });

  test('a name that was made to point here (DNS rebinding)', async () => {
    const asked = await world.ask();
    const page = await world.context.newPage();
    const answer = await page.goto(`http://${REBOUND}:${world.port}/requests/${asked.id}/page`);
    assert.equal(answer.status(), 403);
    const read = await page.evaluate((id) => fetch(`/requests/${id}/content`).then((got) => got.status), asked.id);
    assert.equal(read, 403);
    await page.close();
    for (const host of [`127.0.0.1:${world.port}`, 'localhost', `localhost.:${world.port}`, REBOUND]) {
      const direct = await world.exchange('GET', `/requests/${asked.id}`, { fields: { host } });
      assert.ok([400, 403].includes(direct.status), `${host} ${direct.status}`);
    }
  });

  test('an invitation that was used, or never was', async () => {
    const { link } = world.invite(BOB, '--name', 'bob-once');
    const bob = await world.tab();
    for (const heading of ['Your passkey is registered', 'This invitation cannot be used']) {
      await bob.page.goto('about:blank');
      await bob.page.goto(link);
      const button = bob.page.getByRole('button', { name: 'Make the passkey' });
      if (heading.startsWith('Your')) await button.click();
      await bob.heading(heading);
      assert.equal(new URL(bob.page.url()).hash, '', 'the code stays in the address');
    }
    await bob.page.goto('about:blank');
    await bob.page.goto(`${world.origin}/register#00000000000000000000000000000000`);
    await bob.heading('This invitation cannot be used');
    world.mandated('consent', 'remove', '--folder', world.path('consent'), 'bob-once');
    await bob.page.close();
  });
});

describe('what an agent writes', () => {
  test('is text on the page, whatever it looks like', async () => {
    const markup = '<img src=x onerror="document.title=1"><b>bold</b> & </blockquote>';
    const hidden = `read${String.fromCodePoint(0x202e)}file`;
    const alike = `p${String.fromCodePoint(0x430)}y`;
    const asked = await world.ask(world.question({
      intent: markup,
      tools: { [hidden]: {}, [alike]: { '<u>x</u>': { constraint_type: 'exact', value: 'a  b\n"' } } }, mandate: {},
    }));
    await alice.open(asked);
    assert.equal(await alice.page.locator('#intent-text').innerText(), markup);
    const text = await alice.page.locator('#sections').innerText();
    assert.ok(text.includes('"read\\u{202e}file"'), text);
    assert.ok(text.includes(`"${alike}" (spelt "p\\u{430}y")`), text);
    assert.ok(text.includes('"<u>x</u>": exactly "a  b\\n\\""'), text);
    assert.ok(text.includes('with any arguments whatever'), text);
    assert.equal(await alice.page.locator('main img, main b, main u').count(), 0);
    assert.equal(await alice.page.title(), 'An agent asks for your signature');
    await screenshot(alice.page, 'tricks');
  });

  test('is refused where it could mislead, or is too much to read', async () => {
    const long = { a: { constraint_type: 'exact', value: 'x'.repeat(4000) } };
    const tools = (count) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`tool-${at}`, {}]));
    for (const [more, status, detail] of [
      [{ intent: `good${String.fromCodePoint(0x202e)}` }, 400, /cannot be seen/],
      [{ intent: `go${String.fromCodePoint(0x200b)}od` }, 400, /cannot be seen/],
      [{ intent: 'one\ntwo' }, 400, /cannot be seen/],
      [{ intent: 'x'.repeat(2049) }, 413, /2 KiB/],
      [{ tools: tools(13), mandate: {} }, 413, /more than 12 tools/],
      [{ tools: { one: long, two: long }, mandate: {} }, 413, /more than a person can weigh/],
      [{ mandate: { budget: { tools: { create_t1cket: 1 } } } }, 400, /which it does not grant/],
      [{ surprise: 1 }, 400, /unknown member "surprise"/],
      [{ mandate: { user: BOB } }, 400, /must not carry "user"/],
      [{ user: 'mailto:nobody@example.org' }, 409, /have a passkey here/],
    ]) {
      const answer = await world.post(world.question(more));
      assert.equal(answer.status, status, JSON.stringify(more).slice(0, 80) + answer.text);
      assert.equal(answer.fields['content-type'], 'application/problem+json');
      assert.match(answer.json.detail, detail);
    }
  });
});

describe('the approval of one call', () => {
  test('needs as many people as the receipt says, one after the other', async () => {
    const bob = await world.tab();
    const keys = [anchor, await bob.register(BOB)].map((file) => JSON.parse(world.read(file)).webauthn);
    assert.equal(thumbprints().length, 2);
    const asked = await world.ask({
      kind: 'approval', ticket: 'ticket-1', receipt: 'digest-of-the-chain', server: 'bank', tool: 'pay',
      holder: AGENT, user: ALICE, intent: 'Pay the invoices of October',
      args: { amount: 250, to: { iban: 'DE02 1203 0000 0000 2020 51' } },
      approvers: { keys: thumbprints(), min: 2 },
    });
    const waiting = world.outcome(asked.id, 30);
    await alice.open(asked);
    const text = await alice.page.locator('main').innerText();
    for (const words of ['An agent asks you to approve one call', 'pay', 'bank', 'amount: 250',
      'to: {"iban":"DE02 1203 0000 0000 2020 51"}', 'Pay the invoices of October', '0 of 2 signatures are given.'])
      assert.ok(text.includes(words), `${words} is not in:\n${text}`);
    await screenshot(alice.page, 'approval');
    await alice.sign();
    await alice.heading('Signed');
    await alice.page.getByText('1 more must follow').waitFor();
    assert.deepEqual(await world.outcome(asked.id), { status: 'pending' });
    await bob.open(asked);
    await bob.page.getByText('1 of 2 signatures are given.').waitFor();
    await bob.sign();
    await bob.heading('Signed');
    const { status, approvals } = await waiting;
    assert.equal(status, 'signed');
    const kids = approvals.map((token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')));
    assert.deepEqual(new Set(kids.map((header) => header.kid)), new Set(keys.map((key) => key.credential_id)));
    assert.ok(kids.every((header) => header.typ === 'delegation-approval+jwt' && header.alg === 'WebAuthn'));
    assert.deepEqual(JSON.parse(Buffer.from(approvals[0].split('.')[1], 'base64url')).args.amount, 250);
    await bob.page.close();
  });
});

describe('the pages', () => {
  for (const [width, scheme] of [[360, 'light'], [360, 'dark'], [1440, 'light'], [1440, 'dark']]) {
    test(`are fit to read at ${width} px, ${scheme}`, async () => {
      const page = alice.page;
      await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
      await page.emulateMedia({ colorScheme: scheme });
      const long = 'spiffe://acme.example/ns/agents/sa/' + 'a'.repeat(120);
      const asked = await world.ask(world.question({ holder: long, intent: 'w'.repeat(300) }));
      for (const [name, open] of [
        ['sign', () => alice.open(asked)],
        ['invitation', async () => {
          await page.goto('about:blank');
          await page.goto(world.invite(ALICE).link);
          await page.getByRole('button', { name: 'Make the passkey' }).waitFor();
        }],
        ['unknown', async () => {
          await page.goto(`${world.origin}/requests/${'0'.repeat(32)}/page`);
          await alice.heading('There is no such request');
        }],
      ]) {
        await open();
        await screenshot(page, `${name}-${width}-${scheme}`);
        assert.deepEqual(await page.evaluate(audit), [], name);
      }
      await page.setViewportSize({ width: 1440, height: 900 });
      await page.emulateMedia({ colorScheme: 'light' });
    });
  }

  test('put the buttons after all that is to be read', async () => {
    await alice.open(await world.ask());
    const order = await alice.page.evaluate(() => {
      const sign = document.getElementById('sign');
      return [...document.querySelectorAll('#request .value, #request blockquote, #request time')]
        .every((each) => each.compareDocumentPosition(sign) & Node.DOCUMENT_POSITION_FOLLOWING);
    });
    assert.ok(order);
  });

  test('keep their policy: no markup from text, no script from elsewhere, nothing broken on the way', async () => {
    assert.deepEqual(world.violations, []);
    await alice.open(await world.ask());
    const thrown = await alice.page.evaluate(() => {
      try {
        document.body.innerHTML = '<p>other</p>';
        return 'taken';
      } catch (error) {
        return error.name;
      }
    });
    assert.equal(thrown, 'TypeError');
    await alice.page.evaluate(() => {
      const inline = document.createElement('style');
      inline.textContent = 'button { display: none }';
      document.head.append(inline);
    });
    assert.ok(await alice.page.getByRole('button', { name: 'Refuse' }).isVisible());
    assert.ok(world.violations.length >= 2, 'the violations of this test were seen');
    world.violations.length = 0;
  });
});

test('SIGTERM: who waits is answered, and the service goes', async () => {
  const asked = await world.ask();
  const waiting = world.outcome(asked.id, 30);
  await sleep(200);
  world.service.process.kill('SIGTERM');
  assert.deepEqual(await waiting, { status: 'pending' });
  assert.equal(await world.service.ended, 0, world.service.log());
});
