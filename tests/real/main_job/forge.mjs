// Receipts and proofs made by hand, so that attacks need no help from the program under attack: compact JWS with
// EdDSA (RFC 8037), payloads of draft-niyikiza-oauth-attenuating-agent-tokens-01 sections 3 and 5.
import { createHash, createPrivateKey, createPublicKey, randomUUID, sign } from "node:crypto";
import { readFileSync } from "node:fs";

const base64url = (bytes) => Buffer.from(bytes).toString("base64url");

// RFC 8785 for what these tests put into proofs: strings, integers, arrays, objects.
export function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

export class Key {
  constructor(jwk) {
    this.private = createPrivateKey({ key: jwk, format: "jwk" });
    const { crv, kty, x } = createPublicKey(this.private).export({ format: "jwk" });
    this.jwk = { crv, kty, x };
    this.thumbprint = createHash("sha256").update(JSON.stringify(this.jwk)).digest("base64url");
  }
  static read(file) {
    return new Key(JSON.parse(readFileSync(file, "utf8")));
  }
  jws(header, payload) {
    const input = `${base64url(JSON.stringify(header))}.${base64url(canonical(payload))}`;
    return `${input}.${base64url(sign(null, Buffer.from(input), this.private))}`;
  }
}

export function decode(token) {
  const [header, payload] = token.split(".");
  return [header, payload].map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
}

// The root again, word for word, under somebody else's key.
export function forgeRoot(root, key) {
  const [header, payload] = decode(root);
  return key.jws(header, payload);
}

// A child of the chain's leaf that says whatever `changes` says.
export function forgeChild(chain, key, changes) {
  const parent = chain.at(-1);
  const [header, claims] = decode(parent);
  const signed = parent.slice(0, parent.lastIndexOf("."));
  const child = {
    ...claims,
    jti: randomUUID(),
    iss: `urn:ietf:params:oauth:jwk-thumbprint:sha-256:${key.thumbprint}`,
    del_depth: claims.del_depth + 1,
    par_hash: createHash("sha256").update(signed).digest("base64url"),
    ...changes(claims),
  };
  delete header.kid;
  return key.jws({ ...header, alg: "EdDSA" }, child);
}

export function prove(chain, key, tool, args, audience, now = Date.now() / 1000) {
  const [, leaf] = decode(chain.at(-1));
  return key.jws(
    { alg: "EdDSA", typ: "delegation-proof+jwt" },
    { jti: randomUUID(), iat: Math.floor(now), aat_id: leaf.jti, aat_tool: tool, aat_aud: audience, hta: args },
  );
}
