/** Hostile requests to the protocol's endpoints and to pages; a public client `target` is there. */
import { basicAuth, MANAGER } from './app.ts';
import { HOSTILE_BODIES, HOSTILE_QUERIES, HOSTILE_TEXTS, type HostileRequest } from './hostile.ts';

const PARAMETERS = [
  'client_id',
  'client_secret',
  'client_assertion',
  'client_assertion_type',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'prompt',
  'max_age',
  'acr_values',
  'claims',
  'code',
  'code_challenge',
  'code_challenge_method',
  'code_verifier',
  'grant_type',
  'refresh_token',
  'token',
  'token_type_hint',
  'id_token_hint',
  'login_hint',
  'logout_hint',
  'post_logout_redirect_uri',
  'request',
  'request_uri',
  'resource',
  'ui_locales',
  'dpop_jkt',
  'tenant',
  'connection',
  '__proto__',
];

const BASE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  authorization_endpoint: {
    client_id: 'target',
    redirect_uri: 'https://app.test/cb',
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
  },
  token_endpoint: { grant_type: 'refresh_token', refresh_token: 'x', client_id: 'target' },
  introspection_endpoint: { token: 'x' },
  revocation_endpoint: { token: 'x', client_id: 'target' },
};

const SPECIAL = [
  ...HOSTILE_TEXTS,
  Array.from({ length: 10_000 }, (_, n) => `s${n}`).join(' '),
  '{"userinfo":{"__proto__":{"essential":true}}}',
  `{"id_token":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`,
  '"><script>alert(1)</script>',
  'eyJhbGciOiJub25lIn0.e30.',
  `eyJhbGciOiJSUzI1NiJ9.${'e'.repeat(20_000)}.x`,
];

const ILL_ENCODED = HOSTILE_QUERIES.filter((value) => value.includes('%'));

/** Every endpoint that discovery names. */
export function* protocolRequests(metadata: Record<string, string>): Generator<HostileRequest> {
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  const auth: Record<string, string> = basicAuth(MANAGER);
  for (const [name, url] of Object.entries(metadata).filter(([key]) => /_(endpoint|uri)$/.test(key))) {
    const path = new URL(url).pathname;
    const base = BASE[name === 'pushed_authorization_request_endpoint' ? 'authorization_endpoint' : name] ?? {};
    const withAuth = name === 'introspection_endpoint' ? auth : {};
    for (const parameter of PARAMETERS) {
      for (const value of SPECIAL) {
        const encoded = new URLSearchParams({ ...base, [parameter]: value }).toString();
        if (encoded.length < 60_000) yield { method: 'POST', path, headers: { ...form, ...withAuth }, body: encoded };
        if (['authorization_endpoint', 'end_session_endpoint'].includes(name) && encoded.length < 14_000)
          yield { method: 'GET', path: `${path}?${encoded}`, headers: {} };
      }
      for (const value of ILL_ENCODED) {
        const encoded = `${new URLSearchParams(base)}&${parameter}=${value}`;
        yield { method: 'POST', path, headers: { ...form, ...withAuth }, body: encoded };
        if (name === 'authorization_endpoint') yield { method: 'GET', path: `${path}?${encoded}`, headers: { accept: 'text/html' } };
      }
      yield {
        method: 'POST',
        path,
        headers: form,
        body: `${new URLSearchParams(base)}&${parameter}=1&${parameter}=2&${parameter}[]=3&${parameter}[a]=4`,
      };
    }
    for (const body of HOSTILE_BODIES.filter(({ length }) => length < 60_000))
      for (const type of ['application/x-www-form-urlencoded', 'application/json', 'text/plain', 'multipart/form-data; boundary=x', ''])
        yield { method: 'POST', path, headers: { 'content-type': type }, body };
    for (const value of [
      'Basic',
      'Basic !!!',
      `Basic ${'A'.repeat(8000)}`,
      'Basic AA==',
      'Basic AAA6AAA=',
      'Basic /////w==',
      'Basic JTA=',
      'Bearer',
      'Bearer \u00ff',
      'DPoP x',
      'Digest x',
      ',',
    ])
      for (const method of ['GET', 'POST'])
        yield {
          method,
          path,
          headers: { authorization: value, ...(method === 'POST' ? form : {}) },
          ...(method === 'POST' ? { body: String(new URLSearchParams(base)) } : {}),
        };
    for (const value of ['x', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.', 'x'.repeat(8000)])
      yield { method: 'POST', path, headers: { ...form, dpop: value }, body: String(new URLSearchParams(base)) };
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']) yield { method, path, headers: {} };
    for (const odd of [`/${path}`, `${path}/`, path.toUpperCase(), `${path}%00`, `${path}/..`, `${path};x`, path.replace('/', '/%2e/')])
      yield { method: 'GET', path: odd, headers: {} };
  }
}

/** Every page, known or not, without a session. */
export function* pageRequests(): Generator<HostileRequest> {
  for (const base of [
    '/login/',
    '/auth/',
    '/account/',
    '/docs/',
    '/demo/',
    '/dev/',
    '/assets/',
    '/session/end/',
    '/api/',
    '/health/',
    '/admin/',
    '/access/',
    '/',
  ])
    for (const segment of [
      '%00',
      '%ff',
      '%',
      'x'.repeat(10_000),
      '..%2f..%2f..%2fetc%2fpasswd',
      '..\\..\\',
      '__proto__',
      'constructor',
      '%0d%0aevil:1',
      'a/b/c',
      '%ED%A0%80',
    ])
      for (const accept of ['text/html', 'application/json']) yield { method: 'GET', path: base + segment, headers: { accept } };
  for (const path of [
    '/login/x',
    '/login/x/register',
    '/account',
    '/account/password',
    '/demo',
    '/demo/sign-in',
    '/demo/callback',
    '/dev/mailbox',
    '/dev/mailbox.json',
    '/docs',
    '/assets/app.css',
    '/openapi.json',
  ])
    for (const value of HOSTILE_QUERIES)
      for (const name of ['page', 'code', 'state', 'error', 'ui_locales', 'done', '__proto__'])
        yield { method: 'GET', path: `${path}?${name}=${value}`, headers: {} };
  for (const path of [
    '/login/x',
    '/account',
    '/account/sign-out',
    '/demo',
    '/demo/sign-in',
    '/demo/refresh',
    '/demo/sign-out',
    '/dev/mailbox',
  ])
    for (const body of HOSTILE_BODIES.filter(({ length }) => length < 60_000))
      for (const type of ['application/x-www-form-urlencoded', 'application/json', ''])
        yield { method: 'POST', path, headers: { 'content-type': type }, body };
  for (const cookie of [
    'gatehouse=%00',
    'gatehouse=%ff',
    `gatehouse=${'x'.repeat(8000)}`,
    'gatehouse=__proto__',
    '=',
    ';;;',
    '__proto__=1',
    'gatehouse="x',
  ])
    for (const path of ['/account', '/auth?client_id=target', '/session/end', '/demo', '/login/x'])
      yield { method: 'GET', path, headers: { cookie } };
  for (const value of ['x'.repeat(8000), '*', ';q=', 'xx-YY-zz;q=9,__proto__', ','])
    for (const name of [
      'accept-language',
      'user-agent',
      'accept',
      'origin',
      'referer',
      'if-none-match',
      'x-forwarded-for',
      'x-forwarded-proto',
      'forwarded',
      'sec-fetch-site',
    ])
      for (const path of ['/account', '/auth?client_id=target', '/jwks', '/docs'])
        yield { method: 'GET', path, headers: { [name]: value } };
}
