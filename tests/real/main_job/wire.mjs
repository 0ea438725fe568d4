// An MCP client with nothing in between: JSON-RPC over HTTPS with a client certificate, straight to the inbound proxy.
// This is how an attacker would come who has left its own sidecar aside.
import { request } from "node:https";

export class Wire {
  // `tls`: {key, cert, ca} in PEM. SPIFFE IDs are no host names, so the server's is compared here.
  constructor(port, tls, serverId) {
    this.port = port;
    this.tls = tls;
    this.serverId = serverId;
    this.session = undefined;
    this.id = 0;
  }

  post(message, headers = {}) {
    const body = JSON.stringify(message);
    const options = {
      host: "127.0.0.1", port: this.port, path: "/mcp", method: "POST", agent: false, ...this.tls,
      checkServerIdentity: (_, certificate) =>
        certificate.subjectaltname === `URI:${this.serverId}` ? undefined : new Error("another server answered"),
      headers: {
        "content-type": "application/json", accept: "application/json, text/event-stream",
        "content-length": Buffer.byteLength(body), ...(this.session ?? {}), ...headers,
      },
    };
    return new Promise((resolve, reject) => {
      const sent = request(options, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (piece) => { text += piece; });
        response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
        response.on("error", reject);
      });
      sent.setTimeout(60000, () => sent.destroy(new Error("no answer within 60 s")));
      sent.on("error", reject);
      sent.end(body);
    });
  }

  async open() {
    const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "wire", version: "1" } };
    const answer = await this.post({ jsonrpc: "2.0", id: this.id++, method: "initialize", params });
    if (answer.status !== 200) throw new Error(`initialize: ${answer.status} ${answer.text}`);
    this.session = { "mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": "2025-11-25" };
    await this.post({ jsonrpc: "2.0", method: "notifications/initialized" });
    return this;
  }

  // The JSON-RPC answer to one tools/call, whether it came as JSON or as an event.
  async call(name, args, receipts = undefined, proof = undefined) {
    const headers = {};
    if (receipts) headers["delegation-receipt"] = receipts.join(", ");
    if (proof) headers["delegation-proof"] = proof;
    const id = this.id++;
    const message = { jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: args } };
    const answer = await this.post(message, headers);
    const events = answer.text.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5));
    const texts = answer.headers["content-type"]?.startsWith("text/event-stream") ? events : [answer.text];
    const messages = texts.filter((text) => text.trim()).map((text) => JSON.parse(text));
    const reply = messages.find((candidate) => candidate.id === id);
    if (!reply) throw new Error(`no JSON-RPC answer: ${answer.status} ${answer.text}`);
    return reply;
  }
}
