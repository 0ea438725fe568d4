// The page on which an invited person makes a passkey. The invitation's code stands after the # of
// the address, so that it is in no server's log, and is taken out of the address at once.
import {assertion, call, decode, element, encode, forget, inWords, make, notice, show} from './common.js';

const code = location.hash.slice(1);
history.replaceState(null, '', location.pathname);
let begun;

function refusedInvitation(error) {
  show('This invitation cannot be used', 'Ask the operator of this service for another one.');
  notice('bad', error.message);
}

async function create() {
  const credential = await navigator.credentials.create({
    publicKey: {
      challenge: decode(begun.challenge),
      rp: {id: begun.rp_id, name: 'mandated'},
      user: {id: decode(begun.challenge), name: begun.user, displayName: begun.user},
      pubKeyCredParams: [{type: 'public-key', alg: -8}, {type: 'public-key', alg: -7}],
      excludeCredentials: begun.exclude.map((id) => ({type: 'public-key', id: decode(id)})),
      authenticatorSelection: {residentKey: 'preferred', userVerification: 'required'},
      attestation: 'none',
      timeout: 120000,
    },
  });
  const key = credential.response.getPublicKey();
  if (!key) throw new Error('Your browser cannot tell the public key of this passkey. Try another one.');
  return {id: encode(credential.rawId), key: encode(key)};
}

async function register() {
  const made = await create();
  const first = await assertion(begun.rp_id, made.id, decode(begun.challenge));
  const kept = await call('POST', `/registrations/${begun.id}`, {...first, public_key: made.key});
  element('invitation').hidden = true;
  show('Your passkey is registered',
    'From now on you can sign with it what agents ask of you. You can close this page.');
  const named = make('p', 'It is kept here as ', 'notice good');
  named.append(make('span', kept.name, 'value'), '.');
  element('notice').replaceChildren(named);
  element('heading').focus();
}

element('decision').addEventListener('submit', async (event) => {
  event.preventDefault();
  forget();
  element('register').disabled = true;
  try {
    await register();
  } catch (error) {
    notice('bad', inWords(error));
  } finally {
    element('register').disabled = false;
  }
});

try {
  begun = await call('POST', '/registrations', {code});
  show('Register a passkey',
    'You were invited to register one passkey here, with which you sign what agents may do for you.');
  element('user').textContent = begun.user;
  element('name').textContent = begun.name;
  element('invitation').hidden = false;
} catch (error) {
  refusedInvitation(error);
}
