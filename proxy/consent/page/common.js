// What both pages share. Text from elsewhere becomes text of the page and never markup.
export const element = (id) => document.getElementById(id);

export function make(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function show(heading, lead) {
  document.title = heading;
  element('heading').textContent = heading;
  element('lead').textContent = lead;
}

// Told aloud by screen readers too. `kind` is "good" or "bad".
export function notice(kind, text) {
  element('notice').replaceChildren(make('p', text, `notice ${kind}`));
}

export function forget() {
  element('notice').replaceChildren();
}

export function encode(buffer) {
  const text = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('');
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function decode(text) {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (each) => each.charCodeAt(0));
}

// The answer's JSON; an Error with the service's own sentence when it is no success.
export async function call(method, path, body) {
  const options = {method, cache: 'no-store', credentials: 'omit', redirect: 'error'};
  if (body !== undefined) {
    options.headers = {'content-type': 'application/json'};
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error('The service cannot be reached. Is it still running?');
  }
  const json = await answer.json().catch(() => ({}));
  if (answer.ok) return json;
  throw Object.assign(new Error(json.detail ?? 'The service did not accept this.'), {status: answer.status});
}

// A first or a further signature of the passkey, as the service takes it.
export async function assertion(rpId, credentialId, challenge) {
  const credential = await navigator.credentials.get({
    publicKey: {
      challenge,
      rpId,
      allowCredentials: [{type: 'public-key', id: decode(credentialId)}],
      userVerification: 'required',
      timeout: 120000,
    },
  });
  return {
    credential_id: encode(credential.rawId),
    authenticatorData: encode(credential.response.authenticatorData),
    clientDataJSON: encode(credential.response.clientDataJSON),
    signature: encode(credential.response.signature),
  };
}

// What a person can do about it; browsers say little on purpose.
export function inWords(error) {
  if (error.name === 'NotAllowedError') {
    return 'The passkey was not used: you or your browser cancelled, or it took too long. You can try again.';
  }
  if (error.name === 'InvalidStateError') return 'This device already holds a passkey that is registered here.';
  if (error.name === 'SecurityError') return 'Your browser does not let passkeys be used at this address.';
  return error.message;
}
