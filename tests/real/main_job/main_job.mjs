// "I authorize this instance of agent X to perform these 3 actions on these 5 files for the next 2 hours."
//
// Agent X is the official SDK's client behind an outbound mandated; the tool is the official filesystem server behind an
// inbound one; between the two stands mTLS. Maria signs the sentence as a receipt. Each row below is one thing that must
// then be so, and is printed with the code and the sentence as they came over the wire.
import { createRequire } from "node:module";
import { generateKeyPairSync } from "node:crypto";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";

import { Key, forgeChild, forgeRoot, prove } from "./forge.mjs";
import { Wire } from "./wire.mjs";
import { World, domain, ids, user } from "./world.mjs";

const modules = createRequire(`${process.env.MANDATED_NODE_MODULES}/`);
const { Client } = modules("@modelcontextprotocol/sdk/client/index.js");
const { StreamableHTTPClientTransport } = modules("@modelcontextprotocol/sdk/client/streamableHttp.js");
const server = modules.resolve("@modelcontextprotocol/server-filesystem/dist/index.js");

const actions = ["read_text_file", "get_file_info", "write_file"];
const names = ["plan.md", "budget.csv", "notes.txt", "team.txt", "draft.md"];
const hour = 3600;

const world = new World(process.argv[2]);
const folder = world.make("files");
const files = names.map((name) => `${folder}/${name}`);
const sixth = `${folder}/salaries.csv`;
const outside = world.path("secret.txt");

// --- the table -------------------------------------------------------------------------------------------------

const rows = [];
function row(what, expected, outcome) {
  const good = outcome.code === expected;
  rows.push(good);
  const sentence = outcome.sentence.replaceAll(world.folder, "…");
  console.log(`${good ? "OK  " : "FAIL"} ${what.padEnd(58)} ${expected.padEnd(17)} ${outcome.code.padEnd(17)} ${sentence}`);
}

// A JSON-RPC answer as (code, sentence).
function outcomeOf(answer) {
  if (answer.error) {
    const { data } = answer.error;
    return { code: data?.code ?? `error ${answer.error.code}`, sentence: answer.error.message };
  }
  const text = (answer.result.content?.[0]?.text ?? "").split("\n")[0];
  return { code: answer.result.isError ? "tool error" : "allowed", sentence: text };
}

// The same through the SDK, which throws JSON-RPC errors.
async function ask(client, name, args) {
  try {
    return outcomeOf({ result: await client.callTool({ name, arguments: args }) });
  } catch (error) {
    const sentence = String(error.message).replace(/^MCP error -?\d+: /, "");
    return { code: error.data?.code ?? `error ${error.code ?? ""}`, sentence };
  }
}

const argumentsOf = (action, path) => (action === "write_file" ? { path, content: `${path} by X\n` } : { path });

// --- keys, receipts, proxies -----------------------------------------------------------------------------------

function toolsFor(paths, wanted = actions) {
  const path = { constraint_type: "one_of", values: paths };
  const all = {
    read_text_file: { path },
    get_file_info: { path },
    write_file: { path, content: { constraint_type: "wildcard" } },
  };
  return Object.fromEntries(wanted.map((action) => [action, all[action]]));
}

function keygen(name) {
  world.write(`${name}.pub.jwk`, world.mandated("receipt", "keygen", "--out", world.path(`${name}.jwk`)));
  return Key.read(world.path(`${name}.jwk`));
}

function issue(tools, mandate) {
  return JSON.parse(world.mandated(
    "receipt", "issue", "--key", world.path("maria.jwk"), "--kid", "maria-1", "--issuer", "https://acme.example/maria",
    "--holder", world.path("x.pub.jwk"), "--tools", JSON.stringify(tools), "--for", "2h", "--max-depth", "2", ...mandate));
}

function delegate(chain, tools, mandate) {
  return JSON.parse(world.mandated(
    "receipt", "delegate", "--chain", world.write("parent.json", JSON.stringify(chain)), "--key", world.path("x.jwk"),
    "--holder", world.path("b.pub.jwk"), "--tools", JSON.stringify(tools), "--for", "1h", ...mandate));
}

const embedded = (id) => ({ embedded: { state: world.path("state"), trust_domain: domain, spiffe_id: id } });
const anchors = [{ file: world.path("maria.pub.jwk"), user }];

const inbound = (port) => ({
  role: "inbound",
  workers: 1,
  identity: embedded(ids.files),
  listeners: [{ name: "agents", address: `127.0.0.1:${port}`, tls: "mtls" }],
  routes: [{
    name: "files", path: "/mcp", protocol: "mcp", upstream: "filesystem",
    allowed_peers: [`spiffe://${domain}/agent/**`], mandate: { mode: "enforce", proof: "required" },
  }],
  upstreams: [{ name: "filesystem", command: [process.execPath, server, folder], cwd: folder }],
  receipts: { anchors },
  audit: { file: world.path("inbound.jsonl"), mode: "before" },
});

const outbound = (name, port, far) => ({
  role: "outbound",
  workers: 1,
  identity: embedded(ids[name]),
  listeners: [{ name: "agent", address: `127.0.0.1:${port}`, tls: "none" }],
  routes: [{ name: "files", path: "/mcp", protocol: "mcp", upstream: "files", mandate: { mode: "attach" } }],
  upstreams: [{ name: "files", url: `https://127.0.0.1:${far}/mcp`, spiffe_ids: [ids.files], receipts: "pass" }],
  receipts: { anchors, wallet: { folder: world.path(`wallet-${name}`), holder_key: world.path(`${name}.jwk`) } },
  audit: { file: world.path(`outbound-${name}.jsonl`), mode: "before" },
});

async function startAll(ports, words = []) {
  await world.start("inbound", inbound(ports.files), words);
  await world.start("outbound-x", outbound("x", ports.x, ports.files), words);
  await world.start("outbound-b", outbound("b", ports.b, ports.files), words);
}

async function connect(name, port) {
  const client = new Client({ name: `agent-${name}`, version: "1.0.0" });
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`)));
  return client;
}

// A certificate of the trust domain, and a connection straight to the inbound proxy with it.
function credentials(id, words = []) {
  const out = world.make(`svid-${id.split("/").at(-1)}`);
  world.mandated("trust", "issue", "--state", world.path("state"), "--trust-domain", domain, "--spiffe-id", id,
    "--out", out, ...words);
  const pem = (name) => readFileSync(`${out}/${name}`);
  return { key: pem("key.pem"), cert: pem("svid.pem"), ca: pem("bundle.pem") };
}

// --- the job ---------------------------------------------------------------------------------------------------

async function allowedRows(agent) {
  for (const action of actions) {
    const outcomes = [];
    for (const file of files) outcomes.push(await ask(agent, action, argumentsOf(action, file)));
    const bad = outcomes.find((outcome) => outcome.code !== "allowed");
    row(`X: ${action} on each of the 5 files`, "allowed", bad ?? { code: "allowed", sentence: outcomes[0].sentence });
  }
  const written = files.filter((file) => readFileSync(file, "utf8") === `${file} by X\n`).length;
  row("the files hold what X wrote", "5", { code: String(written), sentence: "read from the disk" });
}

async function listRow(agent, who, expected) {
  const { tools } = await agent.listTools();
  const seen = tools.map((tool) => tool.name).sort();
  row(`${who}: tools/list shows what is granted and no more`, [...expected].sort().join(",").slice(0, 200),
    { code: seen.join(","), sentence: "" });
}

async function refusedRows(agent) {
  row("X: a sixth file", "argument_denied", await ask(agent, "read_text_file", { path: sixth }));
  row("X: a fourth action", "tool_not_granted", await ask(agent, "move_file", { source: files[0], destination: sixth }));
  row("X: ../ out of the folder", "argument_denied",
    await ask(agent, "read_text_file", { path: `${folder}/../secret.txt` }));
}

// The same and worse, by somebody who has X's or Y's credentials and talks to the inbound proxy itself.
async function attackRows(port, chain, wholeFolder, key) {
  const wire = await new Wire(port, credentials(ids.x), ids.files).open();
  const read = async (path, receipts, proof) =>
    outcomeOf(await wire.call("read_text_file", { path }, receipts, proof ?? prove(receipts, key, "read_text_file", { path }, ids.files)));
  row("straight: X with receipt and proof", "allowed", await read(files[0], [...chain]));
  row("straight: a sixth file", "argument_denied", await read(sixth, chain));
  row("straight: ../ under a receipt for the whole folder", "argument_denied",
    await read(`${folder}/../secret.txt`, wholeFolder));
  const move = { source: files[0], destination: sixth };
  row("straight: a fourth action", "tool_not_granted",
    outcomeOf(await wire.call("move_file", move, chain, prove(chain, key, "move_file", move, ids.files))));

  const stranger = new Key(generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }));
  row("a forged root: Maria's words and kid, another key", "untrusted_root",
    await read(files[0], [forgeRoot(chain[0], stranger)]));
  const wider = forgeChild(chain, key, () => ({
    cnf: { jwk: key.jwk },
    authorization_details: [{ type: "attenuating_agent_token", tools: toolsFor([...files, sixth]) }],
  }));
  row("a child that widens its parent to the sixth file", "escalation", await read(sixth, [...chain, wider]));

  const proof = prove(chain, key, "read_text_file", { path: files[0] }, ids.files);
  const first = await read(files[0], chain, proof);
  row("a proof, used once", "allowed", first);
  row("a replayed proof", "replayed", await read(files[0], chain, proof));
  const other = prove(chain, key, "read_text_file", { path: files[1] }, ids.files);
  row("a proof made for another file", "bad_proof", await read(files[0], chain, other));
  row("a receipt without a proof", "no_proof", outcomeOf(await wire.call("read_text_file", { path: files[0] }, chain)));
  row("no receipt at all", "no_receipt", outcomeOf(await wire.call("read_text_file", { path: files[0] })));

  const thief = await new Wire(port, credentials(ids.y), ids.files).open();
  const stolen = prove(chain, key, "read_text_file", { path: files[0] }, ids.files);
  row("workload Y presenting X's receipt and a fresh proof", "wrong_holder",
    outcomeOf(await thief.call("read_text_file", { path: files[0] }, chain, stolen)));
}

async function subAgentRows(agent) {
  await listRow(agent, "B", ["read_text_file"]);
  row("B: read_text_file on the one file X passed on", "allowed", await ask(agent, "read_text_file", { path: files[0] }));
  row("B: another of X's files", "argument_denied", await ask(agent, "read_text_file", { path: files[1] }));
  row("B: another of X's actions", "tool_not_granted", await ask(agent, "write_file", argumentsOf("write_file", files[0])));
}

async function restartRows(port, chain, key) {
  const call = async (proof) => {
    const wire = await new Wire(port, credentials(ids.x), ids.files).open();
    return outcomeOf(await wire.call("read_text_file", { path: files[0] }, chain, proof));
  };
  const proof = prove(chain, key, "read_text_file", { path: files[0] }, ids.files);
  row("another proof, used once", "allowed", await call(proof));
  await world.stop("inbound");
  await world.start("inbound", inbound(port));
  row("the same, replayed to a proxy that was started anew", "replayed", await call(proof));
}

async function expiredRows(ports, chain, key) {
  const later = 2 * hour + 1;
  for (const name of [...world.proxies.keys()]) await world.stop(name);
  await startAll(ports, ["--testing-clock-offset", `${later}s`]);
  const agent = await connect("x", ports.x);
  row("X: the same, two hours later", "expired", await ask(agent, "read_text_file", { path: files[0] }));
  // To this process the proxy's certificate is from the future; who attacks does not mind.
  const tls = { ...credentials(ids.x, ["--ttl", "3h"]), rejectUnauthorized: false };
  const wire = await new Wire(ports.files, tls, ids.files).open();
  const proof = prove(chain, key, "read_text_file", { path: files[0] }, ids.files, Date.now() / 1000 + later);
  row("straight: the same, two hours later", "expired",
    outcomeOf(await wire.call("read_text_file", { path: files[0] }, chain, proof)));
  await agent.close();
}

function auditRows() {
  for (const name of ["inbound", "outbound-x", "outbound-b"]) {
    const file = world.path(`${name}.jsonl`);
    const lines = existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n").length : 0;
    row(`audit verify ${name}.jsonl, ${lines} lines`, "verified", verify(file));
  }
  const copy = world.path("tampered.jsonl");
  copyFileSync(world.path("inbound.jsonl"), copy);
  const lines = readFileSync(copy, "utf8").split("\n");
  lines[4] = lines[4].replace('"permit"', '"deny"');
  writeFileSync(copy, lines.join("\n"));
  row("audit verify of a copy with one word changed in line 5", "not verified", verify(copy));
}

function verify(file) {
  try {
    return { code: "verified", sentence: world.mandated("audit", "verify", file).trim().split("\n").at(-1) };
  } catch (error) {
    return { code: error.status === 1 ? "not verified" : `exit ${error.status}`, sentence: `${error.stdout}${error.stderr}`.trim() };
  }
}

async function main() {
  for (const file of [...files, sixth]) writeFileSync(file, "as Maria left it\n");
  writeFileSync(outside, "not for agents\n");
  keygen("maria");
  const key = keygen("x");
  keygen("b");
  const mandate = [
    "--user", user, "--intent", "X may read, inspect and write these five files for the next two hours.",
    "--holder-id", ids.x, "--holders", ids.x, "--holders", ids.b, "--aud", ids.files,
  ];
  const chain = issue(toolsFor(files), mandate);
  const wholeFolder = issue({ read_text_file: { path: { constraint_type: "path_containment", root: folder } } }, mandate);
  world.make("wallet-x");
  world.make("wallet-b");
  world.write("wallet-x/five-files.json", JSON.stringify(chain));
  const forB = delegate(chain, toolsFor([files[0]], ["read_text_file"]), ["--holder-id", ids.b, "--task", "Summarise the plan."]);
  world.write("wallet-b/plan.json", JSON.stringify(forB));

  const ports = { files: await world.freePort(), x: await world.freePort(), b: await world.freePort() };
  await startAll(ports);
  const x = await connect("x", ports.x);
  const b = await connect("b", ports.b);

  console.log('"I authorize this instance of agent X to perform these 3 actions on these 5 files for the next 2 hours."\n');
  console.log(`     ${"what".padEnd(58)} ${"must be".padEnd(17)} ${"is".padEnd(17)} as it was said`);
  await listRow(x, "X", actions);
  await allowedRows(x);
  await refusedRows(x);
  await attackRows(ports.files, chain, wholeFolder, key);
  await subAgentRows(b);
  const untouched = readFileSync(sixth, "utf8") === "as Maria left it\n";
  row("the sixth file is as it was", "true", { code: String(untouched), sentence: "read from the disk" });
  await x.close();
  await b.close();
  await restartRows(ports.files, chain, key);
  await expiredRows(ports, chain, key);
  for (const name of [...world.proxies.keys()]) {
    row(`${name} drains and ends on SIGTERM`, "exit 0", { code: `exit ${await world.stop(name)}`, sentence: "" });
  }
  auditRows();

  const failed = rows.filter((good) => !good).length;
  console.log(`\n${rows.length - failed} rows as they must be, ${failed} not`);
  return failed === 0 && rows.length >= 25 ? 0 : 1;
}

process.exitCode = await main().catch((error) => {
  console.error(error);
  for (const name of ["inbound", "outbound-x", "outbound-b"]) {
    if (existsSync(world.path(`${name}.log`))) console.error(`--- ${name}\n${world.read(`${name}.log`).slice(-4000)}`);
  }
  return 1;
});
// An MCP client of the SDK may keep a stream open: everything that counts is done.
process.exit();
