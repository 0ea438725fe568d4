/**
 * For an AI agent beside a `mandated` proxy: ask a person for a delegation receipt, hand a narrower one on to another
 * agent, and attach one to a call that does not go through the proxy. Everything is decided by the proxy; here are only
 * words.
 */
import { request as httpRequest } from "node:http";

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What a receipt grants: tool, argument, constraint. A tool that is not named is refused. */
export type Tools = { [tool: string]: { [argument: string]: { [member: string]: Json } } };

/** A public JWK. */
export type Jwk = { [member: string]: string };

/** Other members of a receipt's `mandate`, such as `budget`. */
export type Mandate = { [member: string]: Json };

/** What another agent needs to delegate to this one. */
export interface Identity {
  /** SPIFFE ID; absent where the proxy has no identity. */
  holder?: string;
  holder_key: Jwk;
}

/** One figure of a budget; of all hops the smallest counts. */
export interface Figure {
  left: number;
  hops: { hop: number; limit: number; spent: number; left: number }[];
}

export interface Granted {
  id: string;
  holder?: string;
  tools: Tools;
  mandate?: Mandate;
  /** Seconds since 1970. */
  expires: number;
  seconds_left: number;
  depth_left: number;
}

/** A receipt of the wallet. */
export interface Receipt extends Granted {
  file?: string;
  budget?: { [figure: string]: Figure };
}

/** An entry of the wallet that does not stand. */
export interface Fallen {
  id: string;
  file: string;
  refusal: { code: string; hop?: number; detail: string };
}

/** A narrower receipt for another holder: `chain` is what that holder takes. */
export interface Delegation extends Granted {
  /** Id of the receipt it was made from. */
  receipt: string;
  chain: string[];
}

/** A receipt and its proof, good for one call: put either `meta` or `headers` on it. */
export interface Attachment {
  /** Id of the receipt that is used. */
  receipt: string;
  chain: string[];
  proof: string;
  /** Entries for `params._meta` of an MCP request. */
  meta: { "io.mandated/receipt": string[]; "io.mandated/proof": string };
  /** HTTP header fields. */
  headers: { "Delegation-Receipt": string; "Delegation-Proof": string };
}

interface Problem {
  code?: string;
  detail?: string;
  hop?: number;
  tool?: string;
  argument?: string;
  constraint?: Json;
}

/** The proxy did not do what it was asked for. `code` is stable; the message is a sentence for people. */
export class Refused extends Error {
  override name = "Refused";
  readonly code: string;
  readonly hop: number | undefined;
  readonly tool: string | undefined;
  readonly argument: string | undefined;
  readonly constraint: Json | undefined;

  constructor(
    readonly status: number,
    problem: Problem,
  ) {
    super(problem.detail ?? `The proxy answered with status ${status}.`);
    this.code = problem.code ?? "";
    this.hop = problem.hop;
    this.tool = problem.tool;
    this.argument = problem.argument;
    this.constraint = problem.constraint;
  }
}

/** The person refused, or let the request expire. */
export class NotSigned extends Error {
  override name = "NotSigned";

  constructor(readonly status: "refused" | "expired") {
    super(status === "refused" ? "The request was refused." : "The request expired.");
  }
}

type State =
  | { status: "pending" | "refused" | "expired" }
  | { status: "signed"; receipt: Receipt };

const LONGEST_WAIT = 30; // seconds, of one question

/** A person was asked: show `url`, then wait. */
export class Request {
  constructor(
    private readonly sidecar: Sidecar,
    readonly id: string,
    readonly url: string,
    /** Seconds since 1970. */
    readonly expires: number,
  ) {}

  /** The receipt, once it is signed; it is in the wallet then. Rejects with NotSigned, or when `signal` aborts. */
  async wait(signal?: AbortSignal): Promise<Receipt> {
    for (;;) {
      const path = `/requests/${this.id}?wait=${LONGEST_WAIT}`;
      const state = (await this.sidecar.call("GET", path, undefined, signal)) as State;
      if (state.status === "signed") return state.receipt;
      if (state.status !== "pending") throw new NotSigned(state.status);
    }
  }
}

export interface Asked {
  /** Who is asked, e.g. `mailto:alice@example.org`. */
  user: string;
  tools: Tools;
  /** Seconds. */
  lifetime: number;
  /** The task, in words. */
  intent: string;
  /** How many times the receipt may be handed on. */
  depth?: number;
  mandate?: Mandate;
}

export interface Delegated {
  /** The other agent, as its `identity()` says. */
  holder: string;
  holder_key: Jwk;
  tools: Tools;
  /** Seconds; by default as long as the receipt it is made from. */
  lifetime?: number;
  /** How many times it may be handed on; by default not at all. */
  depth?: number;
  /** The narrower task, in words. */
  task?: string;
  mandate?: Mandate;
  /** Id of the receipt to make it from; by default the narrowest that admits it. */
  receipt?: string;
}

export interface Attached {
  tool: string;
  args?: { [name: string]: Json };
  /** Who enforces receipts there, and is to take this call. */
  aud: string;
  /** Id of the receipt to use; by default the narrowest that permits the call. */
  receipt?: string;
}

/** The proxy beside this agent, at its `local_api.socket`; by default what MANDATED_SOCKET names. */
export class Sidecar {
  readonly #path: string;

  constructor(path: string | undefined = process.env["MANDATED_SOCKET"]) {
    if (path === undefined) throw new TypeError("no path was given, and MANDATED_SOCKET is not set");
    this.#path = path;
  }

  identity(): Promise<Identity> {
    return this.call("GET", "/identity") as Promise<Identity>;
  }

  /** The wallet, with what is left of each receipt. */
  async receipts(): Promise<(Receipt | Fallen)[]> {
    return ((await this.call("GET", "/receipts")) as { receipts: (Receipt | Fallen)[] }).receipts;
  }

  /** Puts a receipt into the wallet that somebody made for this agent. */
  take(chain: string[]): Promise<Receipt> {
    return this.call("POST", "/receipts", { chain }) as Promise<Receipt>;
  }

  /** Asks a person for a receipt. */
  async ask(asked: Asked): Promise<Request> {
    const answer = (await this.call("POST", "/requests", asked)) as { id: string; url: string; expires: number };
    return new Request(this, answer.id, answer.url, answer.expires);
  }

  /** A narrower receipt for another agent. */
  delegate(delegated: Delegated): Promise<Delegation> {
    return this.call("POST", "/delegations", delegated) as Promise<Delegation>;
  }

  /** For one call with exactly these arguments; not needed where the call goes through the proxy. */
  async attach(attached: Attached): Promise<Attachment> {
    const made = (await this.call("POST", "/attachments", attached)) as Omit<Attachment, "meta" | "headers">;
    return {
      ...made,
      meta: { "io.mandated/receipt": made.chain, "io.mandated/proof": made.proof },
      headers: { "Delegation-Receipt": made.chain.join(", "), "Delegation-Proof": made.proof },
    };
  }

  /** One request to the local API, and its answer. Rejects with Refused. */
  async call(method: "GET" | "POST", path: string, body?: object, signal?: AbortSignal): Promise<unknown> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const { status, answer } = await exchange(this.#path, method, path, text, signal);
    const document: unknown = JSON.parse(answer);
    if (status >= 300) throw new Refused(status, document as Problem);
    return document;
  }
}

function exchange(
  socketPath: string,
  method: string,
  path: string,
  text: string | undefined,
  signal: AbortSignal | undefined,
): Promise<{ status: number; answer: string }> {
  return new Promise((resolve, reject) => {
    const headers =
      text === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const options = { socketPath, method, path, headers, agent: false as const, ...(signal && { signal }) };
    const sent = httpRequest(options, (response) => {
      let answer = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => (answer += piece));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, answer }));
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(text);
  });
}
