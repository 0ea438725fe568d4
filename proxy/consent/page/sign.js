// The page on which a person signs, or refuses, what an agent asked for. What it shows comes from
// the service in words, computed from `input`; and `input` is what it hashes and has signed.
import {assertion, call, element, forget, inWords, make, notice, show} from './common.js';

const path = location.pathname.replace(/\/page$/, '');
const instant = new Intl.DateTimeFormat('en-GB', {
  weekday: 'long', day: 'numeric', month: 'long', year: 'numeric', hour: '2-digit', minute: '2-digit',
  timeZoneName: 'short',
});
const ended = {
  signed: ['Signed', 'This request was signed. You can close this page.'],
  refused: ['Refused', 'This request was refused. Nothing was signed.'],
  expired: ['Too late', 'This request has expired. Nothing was signed; the agent can ask again.'],
};
let content;

function fromNow(seconds) {
  const left = Math.round(seconds - Date.now() / 1000);
  if (left <= 0) return 'that is over';
  const units = [[86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']];
  const first = units.findIndex(([size]) => left >= size);
  const parts = [];
  let rest = left;
  for (const [size, name] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    rest %= size;
    if (count) parts.push(`${count} ${name}${count === 1 ? '' : 's'}`);
  }
  return `${parts.join(' ')} from now`;
}

function time(seconds) {
  const made = make('time', instant.format(new Date(seconds * 1000)));
  made.dateTime = new Date(seconds * 1000).toISOString();
  return made;
}

function line(each) {
  const item = make('li');
  item.append(make('span', each.text, 'value'));
  if (each.wide) {
    item.className = 'wide';
    item.append(' ', make('strong', 'Far-reaching', 'tag'));
  }
  if (each.details.length) {
    const details = make('ul');
    details.append(...each.details.map((detail) => make('li', detail, 'value')));
    item.append(details);
  }
  return item;
}

function section(each, index) {
  const made = make('section');
  const heading = make('h2', each.title);
  heading.id = `section-${index}`;
  made.setAttribute('aria-labelledby', heading.id);
  made.append(heading);
  if (each.time !== undefined) {
    const when = make('p', undefined, 'when');
    when.append(time(each.time), ` (${fromNow(each.time)})`);
    made.append(when);
  }
  if (each.lines.length) {
    const list = make('ul');
    list.append(...each.lines.map(line));
    made.append(list);
  }
  return made;
}

function chosen() {
  const picked = document.querySelector('input[name=passkey]:checked');
  return content.passkeys[picked ? Number(picked.value) : 0];
}

function tell() {
  const {telling} = chosen();
  element('intent').hidden = !telling.intent;
  element('intent-text').textContent = telling.intent;
  element('sections').replaceChildren(...telling.sections.map(section));
}

function offer(passkeys) {
  element('only').hidden = passkeys.length !== 1;
  element('choices').hidden = passkeys.length === 1;
  if (passkeys.length === 1) {
    element('only').replaceChildren('Your passkey: ', make('span', passkeys[0].name, 'value'));
    return;
  }
  passkeys.forEach(({name}, index) => {
    const label = make('label');
    const button = make('input');
    Object.assign(button, {type: 'radio', name: 'passkey', value: String(index), checked: index === 0});
    button.addEventListener('change', tell);
    label.append(button, make('span', name, 'value'));
    element('choices').append(label);
  });
}

function end(status) {
  element('request').hidden = true;
  show(...ended[status]);
  element('heading').focus();
}

function begin() {
  if (content.status !== 'pending') {
    end(content.status);
    return;
  }
  if (!content.passkeys.length) {
    show('Nothing for you to sign', 'No passkey is left here that could sign this. If you were to sign it, ask the ' +
      'operator of this service for an invitation.');
    return;
  }
  if (content.kind === 'receipt') {
    show('An agent asks for your signature', 'With it, the workload below may act for you within these limits, ' +
      'without asking again. Read all of it; then sign or refuse.');
  } else {
    show('An agent asks you to approve one call', 'With your signature exactly this call is let through, once. ' +
      'Read all of it; then sign or refuse.');
  }
  if (content.needed > 1) {
    element('progress').textContent = `${content.signed} of ${content.needed} signatures are given.`;
    element('progress').hidden = false;
  }
  offer(content.passkeys);
  tell();
  element('deadline').replaceChildren('You can decide until ', time(content.decide_until),
    ` (${fromNow(content.decide_until)}).`);
  element('request').hidden = false;
}

async function decide(work) {
  forget();
  const buttons = [element('sign'), element('refuse')];
  for (const button of buttons) button.disabled = true;
  try {
    await work();
  } catch (error) {
    // It may have ended meanwhile: signed or refused elsewhere, or expired.
    const now = error.status === 409 ? await call('GET', `${path}/content`).catch(() => null) : null;
    if (now && now.status !== 'pending') end(now.status);
    else notice('bad', inWords(error));
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

async function sign() {
  const {credential_id: credential, input} = chosen();
  const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(input));
  await call('POST', `${path}/signature`, await assertion(content.rp_id, credential, challenge));
  const left = content.needed - content.signed - 1;
  end('signed');
  if (left > 0) {
    element('lead').textContent = `Your signature is given; ${left} more must follow. You can close this page.`;
  }
}

async function refuse() {
  await call('POST', `${path}/refusal`, {});
  end('refused');
}

element('decision').addEventListener('submit', (event) => {
  event.preventDefault();
  decide(sign);
});
element('refuse').addEventListener('click', () => decide(refuse));

try {
  content = await call('GET', `${path}/content`);
  begin();
} catch (error) {
  show('There is no such request', 'It may be over, or the address may be incomplete. The agent can ask again.');
  notice('bad', error.message);
}
