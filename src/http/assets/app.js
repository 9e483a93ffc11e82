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
  const always = !form.querySelector('[name=password]');
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
    const when = left < 120 ? relative.format(left, 'second') : relative.format(Math.ceil(left / 60), 'minute');
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
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
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
each('form', submitOnce);
each('[data-countdown]', addCountdown);
each('[data-copy]', addCopy);
window.addEventListener('pageshow', () => {
  wakeUp();
  // For browsers that honour autofocus on form fields only.
  if (document.activeElement === document.body) document.querySelector('[role=alert][autofocus]')?.focus();
});
