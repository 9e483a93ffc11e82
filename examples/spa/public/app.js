const { ErrorResponse, UserManager, WebStorageStateStore } = globalThis.oidc;

const { issuer, clientId, api } = await (await fetch('/config.json')).json();
let renewals = 0;
const element = (id) => document.getElementById(id);

const manager = new UserManager({
  authority: issuer,
  client_id: clientId,
  redirect_uri: `${location.origin}/callback`,
  post_logout_redirect_uri: `${location.origin}/`,
  scope: api ? 'openid profile email notes.read notes.write' : 'openid profile email',
  ...(api ? { resource: api } : {}),
  // Shared by the tabs: each renews with the refresh token that is newest, and the server forgives it when two do so at once.
  userStore: new WebStorageStateStore({ store: localStorage }),
  automaticSilentRenew: true,
});

const say = (text) => {
  element('status').textContent = text;
};

async function show(user) {
  element('signed-in').hidden = !user;
  element('signed-out').hidden = Boolean(user);
  element('call-api').hidden = !api;
  element('claims').textContent = user ? JSON.stringify(user.profile, null, 2) : '';
  say(user ? `Signed in as ${user.profile.name ?? user.profile.email ?? user.profile.sub}` : 'Not signed in');
}

/** Only the server's own word ends a sign-in here; an outage does not. */
async function failed(error) {
  if (!(error instanceof ErrorResponse)) return say(`That did not work: ${error.message}`);
  await manager.removeUser();
  await show(null);
  say(`Your session has ended (${error.error}). Sign in again.`);
}

async function renew() {
  try {
    await show(await manager.signinSilent());
    renewals += 1;
    element('renewals').textContent = `Renewed here: ${renewals}`;
  } catch (error) {
    await failed(error);
  }
}

async function callApi() {
  const user = await manager.getUser();
  const answer = await fetch(`${api}/notes`, { headers: { authorization: `Bearer ${user.access_token}` } });
  element('api').hidden = false;
  element('answer').textContent = `${answer.status} ${await answer.text()}`;
}

element('sign-in').addEventListener('click', () => manager.signinRedirect());
element('sign-out').addEventListener('click', () => manager.signoutRedirect());
element('renew').addEventListener('click', renew);
element('call-api').addEventListener('click', callApi);
manager.events.addSilentRenewError(failed);
manager.events.addUserLoaded(show);
// Another tab signed in, renewed or signed out.
addEventListener('storage', async () => show(await manager.getUser()));

try {
  if (location.pathname === '/callback') {
    await manager.signinCallback();
    history.replaceState(null, '', '/');
  }
  await show(await manager.getUser());
} catch (error) {
  history.replaceState(null, '', '/');
  await show(null);
  say(`Sign-in failed: ${error.message}`);
}
