// A person with a passkey, as the consent service meets one: what a browser and an authenticator would send.
//   person.mjs register LINK KEYFILE    makes a passkey for an invitation
//   person.mjs sign PAGE KEYFILE        signs what the request behind that page asks for
//   person.mjs refuse PAGE
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

function call(method, url, body) {
  return new Promise((resolve, reject) => {
    const headers = { origin: url.origin, ...(body && { 'content-type': 'application/json' }) };
    const sent = request(url, { method, headers }, async (response) => {
      let text = '';
      for await (const piece of response) text += piece;
      if (response.statusCode < 300) resolve(JSON.parse(text));
      else reject(new Error(`${method} ${url}: ${response.statusCode} ${text}`));
    });
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

// W3C Web Authentication section 6.3.3, with user presence and verification.
function assertion(passkey, origin, rpId, challenge) {
  const client = Buffer.from(JSON.stringify({ type: 'webauthn.get', challenge, origin, crossOrigin: false }));
  const authenticator = Buffer.concat([sha256(rpId), Buffer.from([5, 0, 0, 0, 0])]);
  return {
    credential_id: passkey.id,
    authenticatorData: authenticator.toString('base64url'),
    clientDataJSON: client.toString('base64url'),
    signature: sign(null, Buffer.concat([authenticator, sha256(client)]), passkey.key).toString('base64url'),
  };
}

async function register(link, file) {
  const begun = await call('POST', new URL('/registrations', link), { code: link.hash.slice(1) });
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const passkey = { id: randomBytes(16).toString('base64url'), key: privateKey };
  await call('POST', new URL(`/registrations/${begun.id}`, link), {
    ...assertion(passkey, link.origin, begun.rp_id, begun.challenge),
    public_key: publicKey.export({ type: 'spki', format: 'der' }).toString('base64url'),
  });
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
  writeFileSync(file, JSON.stringify({ id: passkey.id, key }), { mode: 0o600 });
}

async function signRequest(page, file) {
  const { id, key } = JSON.parse(readFileSync(file, 'utf8'));
  const content = await call('GET', new URL('content', page));
  const { input } = content.passkeys.find((each) => each.credential_id === id);
  const challenge = sha256(input).toString('base64url');
  const passkey = { id, key: createPrivateKey(key) };
  await call('POST', new URL('signature', page), assertion(passkey, page.origin, content.rp_id, challenge));
}

const [what, url, file] = process.argv.slice(2);
const where = new URL(url);
if (what === 'register') await register(where, file);
else if (what === 'sign') await signRequest(where, file);
else await call('POST', new URL('refusal', where), {});
