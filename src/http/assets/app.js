// Only adds to pages that work without it. All words come from the page, in its language.

function addReveal(input) {
  const words = input.dataset;
  const box = document.createElement('div');
  const button = document.createElement('button');
  box.className = 'secret';
  input.replaceWith(box);
  button.type = 'button';
  button.className = 'reveal';
  button.textContent = words.show;
  button.setAttribute('aria-label', words.showLabel);
  button.setAttribute('aria-controls', input.id);
  button.addEventListener('click', () => {
    const hidden = input.type === 'password';
    input.type = hidden ? 'text' : 'password';
    button.textContent = hidden ? words.hide : words.show;
    button.setAttribute('aria-label', hidden ? words.hideLabel : words.showLabel);
    input.focus();
  });
  // A password left readable would be offered as a form entry by the browser.
  input.form?.addEventListener('submit', () => {
    input.type = 'password';
  });
  box.append(input, button);
}

function addCapsHint(input) {
  const hint = document.createElement('p');
  hint.className = 'caps';
  hint.hidden = true;
  hint.setAttribute('role', 'status');
  (input.closest('.secret') ?? input).after(hint);
  const look = (event) => {
    if (!event.getModifierState) return;
    const on = event.getModifierState('CapsLock');
    hint.hidden = !on;
    hint.textContent = on ? input.dataset.caps : '';
  };
  input.addEventListener('keydown', look);
  input.addEventListener('keyup', look);
  input.addEventListener('blur', () => {
    hint.hidden = true;
  });
}

/** 0 nothing, 1 too short or easy, 2 fair, 3 good. A hint only: the server judges. */
function strengthOf(password, min) {
  const length = [...password].length;
  if (length === 0) return 0;
  const different = new Set(password.toLowerCase()).size;
  const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^a-zA-Z\d]/].filter((kind) => kind.test(password)).length;
  const score = Math.min(length, different * 1.6) + (kinds - 1) * 1.5;
  if (length < min || score < 11) return 1;
  return score < 16 ? 2 : 3;
}

function addStrength(box) {
  const input = document.getElementById(box.dataset.strength);
  const hint = box.querySelector('.hint');
  const first = hint.textContent;
  const min = Number(box.dataset.min);
  input.addEventListener('input', () => {
    const level = strengthOf(input.value, min);
    const { tooShort, weak, fair, strong } = box.dataset;
    const words = [first, [...input.value].length < min ? tooShort : weak, fair, strong][level];
    box.dataset.level = String(level);
    if (hint.textContent !== words) hint.textContent = words;
  });
}

function submitOnce(form) {
  form.addEventListener('submit', (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = 'yes';
    const pressed = event.submitter ?? form.querySelector('button[type=submit]');
    // After the browser has collected the fields: a disabled button would not be sent.
    setTimeout(() => {
      for (const button of form.querySelectorAll('button:not([type=button])')) button.disabled = true;
      if (!pressed?.classList.contains('primary')) return;
      pressed.dataset.words = pressed.textContent;
      pressed.textContent = document.body.dataset.busy;
    });
  });
}

/** The smallest number with which SHA-256 of `<token>.<number>` begins with so many zero bits; a few hundred tries at a time, so that the page stays alive. */
async function solve(token, difficulty) {
  const encoder = new TextEncoder();
  const tries = 512;
  for (let from = 0; ; from += tries) {
    const texts = Array.from({ length: tries }, (_, at) => `${token}.${from + at}`);
    const hashes = await Promise.all(texts.map((text) => crypto.subtle.digest('SHA-256', encoder.encode(text))));
    const found = hashes.findIndex((hash) => Math.clz32(new DataView(hash).getUint32(0)) >= difficulty);
    if (found >= 0) return texts[found];
  }
}

/** Work is begun when the form is used, and the form is sent when it is done. */
function addChallenge(input) {
  const { form } = input;
  if (!window.crypto?.subtle) return;
  const sends = ['email-otp', 'sms-otp', 'magic-link'];
  let work;
  const begin = () => {
    work ??= solve(input.dataset.challenge, Number(input.dataset.difficulty)).then((answer) => {
      input.value = answer;
    });
    return work;
  };
  const always = 'whole' in input.dataset;
  if (always) form.addEventListener('focusin', begin, { once: true });
  form.addEventListener('submit', (event) => {
    const { submitter } = event;
    const needed = always ? !submitter?.hasAttribute('formnovalidate') : submitter?.name === 'method' && sends.includes(submitter.value);
    if (!needed || input.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    begin().then(() => form.requestSubmit(submitter));
  });
}

const bytesOf = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
const textOf = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');

/** Options of WebAuthn as the server writes them, for the browser's functions; most browsers, but not all, can do this by themselves. */
function optionsOf(options) {
  const withBytes = (list) => list?.map((one) => ({ ...one, id: bytesOf(one.id) }));
  return {
    ...options,
    challenge: bytesOf(options.challenge),
    ...(options.user ? { user: { ...options.user, id: bytesOf(options.user.id) } } : {}),
    ...(options.allowCredentials ? { allowCredentials: withBytes(options.allowCredentials) } : {}),
    ...(options.excludeCredentials ? { excludeCredentials: withBytes(options.excludeCredentials) } : {}),
  };
}

/** The answer of an authenticator as JSON text. */
function answerOf({ id, rawId, type, authenticatorAttachment, response }) {
  const named = {};
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle'])
    if (response[name]) named[name] = textOf(response[name]);
  if (response.attestationObject) {
    delete named.authenticatorData;
    named.transports = response.getTransports?.() ?? [];
  }
  const attachment = authenticatorAttachment ? { authenticatorAttachment } : {};
  return JSON.stringify({ id, rawId: textOf(rawId), type, ...attachment, clientExtensionResults: {}, response: named });
}

/** A form whose hidden field `name` is filled by an authenticator before it is sent. */
function addPasskey(form, name, ask) {
  const fault = document.querySelector('[data-passkey-fault]');
  const field = form.elements[name];
  const say = (words) => {
    fault.textContent = words;
    fault.hidden = false;
    fault.tabIndex = -1;
    fault.focus();
  };
  let asking = false;
  form.addEventListener('submit', (event) => {
    if (field.value) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!window.PublicKeyCredential) return say(fault.dataset.unsupported);
    if (asking) return;
    asking = true;
    fault.hidden = true;
    ask()
      .then((found) => {
        field.value = answerOf(found);
        form.requestSubmit(event.submitter);
      })
      .catch(() => say(fault.dataset.failed))
      .finally(() => {
        asking = false;
      });
  });
  // Back from the next page: what was answered is used up.
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) field.value = '';
  });
}

/** Ends the browser's offer to fill in a passkey: it asks one thing at a time. */
let offering;

/** Asks the server for a challenge of its own for each try, and the authenticator for the answer to it. */
async function askForPasskey(form, more = {}) {
  const answer = await fetch(form.action, {
    method: 'POST',
    headers: { accept: 'application/json' },
    body: new URLSearchParams({ _csrf: form.elements._csrf.value, method: 'passkey' }),
    signal: more.signal,
  });
  if (!answer.ok) throw new Error(String(answer.status));
  const { challenge } = await answer.json();
  return navigator.credentials.get({ ...more, publicKey: optionsOf(challenge) });
}

function sendPasskey(form, found) {
  const sending = document.createElement('form');
  sending.method = 'post';
  sending.action = form.action;
  for (const [name, value] of Object.entries({ _csrf: form.elements._csrf.value, passkey: answerOf(found) })) {
    const field = document.createElement('input');
    Object.assign(field, { type: 'hidden', name, value });
    sending.append(field);
  }
  document.body.append(sending);
  sending.submit();
}

/** Passkeys among what the browser offers to fill in: whoever picks one is signed in without typing. */
async function addAutofill({ form }) {
  if (!(await window.PublicKeyCredential?.isConditionalMediationAvailable?.())) return;
  offering = new AbortController();
  form.addEventListener('submit', () => offering.abort());
  sendPasskey(form, await askForPasskey(form, { mediation: 'conditional', signal: offering.signal }));
}

/** Asks at once. Where that comes to nothing, the button leads to the page that says more, as without a script. */
function addPasskeyButton(button) {
  if (!window.PublicKeyCredential) return;
  let asked = false;
  button.addEventListener('click', (event) => {
    if (asked) return;
    event.preventDefault();
    asked = true;
    offering?.abort();
    askForPasskey(button.form)
      .then((found) => sendPasskey(button.form, found))
      .catch(() => button.form.requestSubmit(button));
  });
  window.addEventListener('pageshow', () => {
    asked = false;
  });
}

function wakeUp() {
  for (const form of document.forms) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll('button:disabled')) {
      button.disabled = false;
      if (button.dataset.words) button.textContent = button.dataset.words;
      delete button.dataset.words;
    }
  }
}

function addCountdown(line) {
  const relative = new Intl.RelativeTimeFormat(document.documentElement.lang);
  const action = document.querySelector('[data-countdown-action]');
  const end = Date.now() + Number(line.dataset.countdown) * 1000;
  const block = (event) => event.preventDefault();
  action?.setAttribute('aria-disabled', 'true');
  action?.addEventListener('click', block);
  const tick = () => {
    const left = Math.ceil((end - Date.now()) / 1000);
    if (left <= 0) {
      line.textContent = line.dataset.now;
      action?.removeAttribute('aria-disabled');
      action?.removeEventListener('click', block);
      return;
    }
    const [size, unit] = left < 120 ? [1, 'second'] : left <= 7200 ? [60, 'minute'] : [3600, 'hour'];
    const when = relative.format(Math.ceil(left / size), unit);
    line.textContent = line.dataset.text.replace('{when}', when);
    setTimeout(tick, 1000);
  };
  tick();
}

function addCopy(button) {
  if (!navigator.clipboard) return;
  const words = button.textContent;
  button.hidden = false;
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).innerText.trim());
    button.textContent = button.dataset.copied;
    setTimeout(() => {
      button.textContent = words;
    }, 2000);
  });
}

const each = (selector, add) => document.querySelectorAll(selector).forEach(add);
each('input[data-password]', (input) => {
  const focused = document.activeElement === input;
  addReveal(input);
  addCapsHint(input);
  if (focused) input.focus();
});
each('[data-strength]', addStrength);
each('[data-challenge]', addChallenge);
each('form[data-passkey-create]', (form) =>
  addPasskey(form, 'credential', () => navigator.credentials.create({ publicKey: optionsOf(JSON.parse(form.dataset.passkeyCreate)) })),
);
each('form[data-passkey-get]', (form) => addPasskey(form, 'passkey', () => askForPasskey(form)));
each('button[data-passkey]', addPasskeyButton);
// Without it there is the button, and the password.
each('input[autocomplete~=webauthn]', (input) => addAutofill(input).catch(() => {}));
each('[data-print]', (button) => {
  button.hidden = false;
  button.addEventListener('click', () => window.print());
});
each('form', submitOnce);
each('[data-countdown]', addCountdown);
each('[data-copy]', addCopy);
window.addEventListener('pageshow', () => {
  wakeUp();
  // For browsers that honour autofocus on form fields only.
  if (document.activeElement === document.body) document.querySelector('[role=alert][autofocus]')?.focus();
});
