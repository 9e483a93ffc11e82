/**
 * An identity provider in a box: speaks the dialect of each that we know, and turns hostile on request. Each path is answered as the provider's
 * documentation says, cited where it is answered. It is reached by `fetch`, which sends the provider's hosts here by the server's own outbound fetch.
 */
import { createHash, createHmac, createPublicKey, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { createOutboundFetch } from '#src/infra/outbound-http.ts';

export const CLIENT_ID = 'gatehouse-at-upstream';
export const CLIENT_SECRET = 'a-secret-of-the-upstream-for-gatehouse';
export const MICROSOFT_TENANT = '9188040d-6c67-4c5b-b112-36a304b66dad';

/** Who signs in there. */
export interface Someone {
  sub: string;
  email?: string | undefined;
  /** As the provider says it, whatever that is. */
  emailVerified?: unknown;
  givenName?: string;
  familyName?: string;
  amr?: string[];
  sid?: string;
  /** Further claims of the ID token. */
  more?: Record<string, unknown>;
}

/** What it does wrong. */
export interface Hostility {
  nonce?: 'missing' | 'other';
  iss?: string;
  /** Of the answer (RFC 9207). */
  responseIss?: string;
  alg?: 'none' | 'hs256-public-key';
  aud?: string;
  userinfoSub?: string;
  expired?: boolean;
  unknownKey?: boolean;
  /** Milliseconds before every answer. */
  slow?: number;
  dead?: boolean;
  hugeBody?: boolean;
  /** Headers at once, and then a space now and again, without an end. */
  drip?: boolean;
  /** The discovery document does not say that it knows RFC 7636. */
  noPkce?: boolean;
  /** Where every answer sends the caller on to. */
  redirect?: string;
  /** The key set is that of before the last exchange of keys. */
  staleKeys?: boolean;
  notJson?: boolean;
  /** Where it says that people sign out; nowhere where null. */
  endSession?: string | null;
  /** The subject changes between two uses of one code or token. */
  subAtToken?: string;
}

interface Grant {
  query: URLSearchParams;
  someone: Someone;
}

export interface FakeUpstream {
  /** The issuer of the generic OpenID Connect provider. */
  issuer: string;
  /** `host:port`, for OUTBOUND_ALLOW_HOSTS. */
  host: string;
  someone: Someone;
  hostile: Hostility;
  /** Every request, `METHOD host/path`. */
  seen: string[];
  fetch: typeof globalThis.fetch;
  /** Signs in at the provider's page; answers where the browser is sent, and for Apple what it posts there. */
  authorize(url: string | URL): Promise<{ url: URL; form?: Record<string, string> }>;
  /** An access token of an app. */
  accessToken(clientId?: string): string;
  /** An ID token as an app gets it. */
  idToken(kind: 'oidc' | 'google' | 'microsoft' | 'apple' | 'line', nonce?: string, clientId?: string): Promise<string>;
  logoutToken(claims: { sub?: string; sid?: string; nonce?: string; events?: unknown; aud?: string; iat?: number }): Promise<string>;
  rotateKeys(): Promise<void>;
  close(): Promise<void>;
}

/** Where each provider's token says it is from, and how it is reached. */
const ISSUERS = {
  google: 'https://accounts.google.com',
  microsoft: `https://login.microsoftonline.com/${MICROSOFT_TENANT}/v2.0`,
  apple: 'https://appleid.apple.com',
  line: 'https://access.line.me',
} as const;

export async function startUpstream(): Promise<FakeUpstream> {
  let key = await newKey();
  let keyBefore = key;
  const codes = new Map<string, Grant>();
  const tokens = new Map<string, Grant>();
  const outbound = createOutboundFetch({ allowHosts: ['localhost'] });
  const server = createServer((request, response) => void serve(request, response).catch((error) => fail(response, error)));
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  const base = `http://${host}`;
  const fake: FakeUpstream = {
    issuer: `${base}/idp`,
    host,
    someone: { sub: 'sub-1', email: 'ada@upstream.test', emailVerified: true, givenName: 'Ada', familyName: 'Byron' },
    hostile: {},
    seen: [],
    fetch: ((input: string | URL | Request, init?: RequestInit) => {
      const url = new URL(input instanceof Request ? input.url : input);
      // Public hosts live here; what is local is reached as it is.
      const target = url.protocol === 'https:' ? `${base}/${url.host}${url.pathname}${url.search}` : url;
      return outbound(target, init);
    }) as typeof globalThis.fetch,
    async authorize(to) {
      const url = new URL(to);
      const query = url.searchParams;
      const code = `code-${randomUUID()}`;
      codes.set(code, { query, someone: { ...fake.someone } });
      const isOidc = url.host === host;
      const answer = {
        code,
        state: query.get('state') ?? '',
        // RFC 9207, which our generic provider announces.
        ...(isOidc ? { iss: fake.hostile.responseIss ?? fake.issuer } : {}),
      };
      const back = new URL(query.get('redirect_uri') ?? '');
      if (query.get('response_mode') === 'form_post') {
        const { givenName: firstName, familyName: lastName, email } = fake.someone;
        return { url: back, form: { ...answer, user: JSON.stringify({ name: { firstName, lastName }, email }) } };
      }
      for (const [name, value] of Object.entries(answer)) back.searchParams.set(name, value);
      return { url: back };
    },
    accessToken(clientId = CLIENT_ID) {
      const token = `token-${randomUUID()}`;
      tokens.set(token, { query: new URLSearchParams({ client_id: clientId }), someone: { ...fake.someone } });
      return token;
    },
    idToken: (kind, nonce, clientId = CLIENT_ID) =>
      signed(kind === 'oidc' ? fake.issuer : ISSUERS[kind], fake.someone, clientId, nonce, kind),
    async logoutToken({ events, aud, iat, ...claims }) {
      return new SignJWT({ events: events ?? { 'http://schemas.openid.net/event/backchannel-logout': {} }, ...claims } as JWTPayload)
        .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'logout+jwt' })
        .setIssuer(fake.hostile.iss ?? fake.issuer)
        .setAudience(aud ?? CLIENT_ID)
        .setIssuedAt(iat)
        .setExpirationTime('2m')
        .setJti(randomUUID())
        .sign(key.privateKey);
    },
    async rotateKeys() {
      keyBefore = key;
      key = await newKey();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await outbound.close();
    },
  };

  async function signed(issuer: string, someone: Someone, clientId: string, nonce: string | undefined, kind: string): Promise<string> {
    const { hostile } = fake;
    const now = Math.floor(Date.now() / 1000);
    const claims: JWTPayload = {
      iss: hostile.iss ?? issuer,
      aud: hostile.aud ?? clientId,
      sub: hostile.subAtToken ?? someone.sub,
      iat: now,
      exp: hostile.expired ? now - 3600 : now + 300,
      ...(hostile.nonce === 'missing' || nonce === undefined ? {} : { nonce: hostile.nonce === 'other' ? 'another' : nonce }),
      ...(someone.email === undefined ? {} : { email: someone.email }),
      ...(someone.emailVerified === undefined ? {} : { email_verified: someone.emailVerified }),
      ...(someone.givenName === undefined ? {} : { given_name: someone.givenName }),
      ...(someone.familyName === undefined ? {} : { family_name: someone.familyName }),
      ...(someone.amr === undefined ? {} : { amr: someone.amr }),
      ...(someone.sid === undefined ? {} : { sid: someone.sid }),
      // https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference: the tenant that signed the person in.
      ...(kind === 'microsoft' ? { tid: MICROSOFT_TENANT } : {}),
      ...someone.more,
    };
    if (hostile.alg === 'none') return `${json({ alg: 'none' })}.${json(claims)}.`;
    if (hostile.alg === 'hs256-public-key') {
      const head = `${json({ alg: 'HS256', kid: key.kid })}.${json(claims)}`;
      return `${head}.${createHmac('sha256', exportPem(key.publicKey)).update(head).digest('base64url')}`;
    }
    // https://developers.line.biz/en/docs/line-login/verify-id-token/: HS256 with the channel secret for web login.
    if (kind === 'line') return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(CLIENT_SECRET));
    const signer = hostile.unknownKey ? await newKey() : key;
    return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: signer.kid }).sign(signer.privateKey);
  }

  /** Codes are good once, for their client, redirect URI and verifier (RFC 6749 section 4.1.3, RFC 7636 section 4.6). */
  function redeem(form: URLSearchParams): Grant | undefined {
    const code = form.get('code') ?? '';
    const grant = codes.get(code);
    codes.delete(code);
    if (!grant || grant.query.get('redirect_uri') !== form.get('redirect_uri') || grant.query.get('client_id') !== form.get('client_id'))
      return undefined;
    const challenge = grant.query.get('code_challenge');
    const verifier = form.get('code_verifier');
    if ((challenge === null) !== (verifier === null)) return undefined;
    if (
      challenge !== null &&
      createHash('sha256')
        .update(verifier ?? '')
        .digest('base64url') !== challenge
    )
      return undefined;
    return grant;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { hostile } = fake;
    const url = new URL(request.url ?? '/', base);
    const [, site = '', ...rest] = url.pathname.split('/');
    const path = `/${rest.join('/')}`;
    fake.seen.push(`${request.method} ${site}${path}`);
    if (hostile.dead) return void request.socket.destroy();
    if (hostile.slow) await new Promise((resolve) => setTimeout(resolve, hostile.slow));
    if (hostile.hugeBody) return endless(response);
    if (hostile.drip) return drip(response);
    if (hostile.redirect !== undefined) return void response.writeHead(307, { location: hostile.redirect }).end();
    if (hostile.notJson) return void response.setHeader('content-type', 'text/html').end('<!doctype html>');
    const form = new URLSearchParams(request.method === 'POST' ? await textOf(request) : '');
    const bearer = tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
    const { someone } = bearer ?? {};
    const send = (body: unknown, status = 200): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const refuse = (error: string, status = 400): void => send({ error }, status);
    const tokenAnswer = async (kind: keyof typeof ISSUERS | 'oidc', more: object = {}): Promise<void> => {
      const grant = redeem(form);
      if (!grant) return refuse('invalid_grant');
      const token = `token-${randomUUID()}`;
      tokens.set(token, grant);
      const issuer = kind === 'oidc' ? fake.issuer : ISSUERS[kind];
      const idToken = await signed(issuer, grant.someone, String(form.get('client_id')), grant.query.get('nonce') ?? undefined, kind);
      send({ access_token: token, token_type: 'Bearer', expires_in: 3600, id_token: idToken, ...more });
    };
    const secretIsRight = form.get('client_secret') === CLIENT_SECRET;
    const discovery = (issuer: string, at: string, more: object = {}): void =>
      send({
        issuer,
        authorization_endpoint: `${at}/authorize`,
        token_endpoint: `${at}/token`,
        jwks_uri: `${at}/keys`,
        response_types_supported: ['code'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['RS256'],
        ...more,
      });

    switch (`${request.method} ${site}${path}`) {
      // OpenID Connect Discovery 1.0 section 4; RFC 9207 section 3.
      case 'GET idp/.well-known/openid-configuration':
        return discovery(fake.issuer, fake.issuer, {
          userinfo_endpoint: `${fake.issuer}/userinfo`,
          ...(hostile.noPkce ? {} : { code_challenge_methods_supported: ['S256'] }),
          authorization_response_iss_parameter_supported: true,
          // OpenID Connect RP-Initiated Logout 1.0 section 2.1.
          ...(hostile.endSession === null ? {} : { end_session_endpoint: hostile.endSession ?? `${fake.issuer}/end` }),
        });
      case 'POST idp/token':
        return secretIsRight ? tokenAnswer('oidc') : refuse('invalid_client', 401);
      case 'GET idp/userinfo':
        return someone
          ? send({ sub: hostile.userinfoSub ?? someone.sub, email: someone.email, email_verified: someone.emailVerified })
          : refuse('invalid_token', 401);
      // https://accounts.google.com/.well-known/openid-configuration
      case 'GET accounts.google.com/.well-known/openid-configuration':
        return discovery(ISSUERS.google, 'https://accounts.google.com', {
          authorization_endpoint: 'https://accounts.google.com/o/oauth2/v2/auth',
          token_endpoint: 'https://oauth2.googleapis.com/token',
          jwks_uri: 'https://www.googleapis.com/oauth2/v3/certs',
          userinfo_endpoint: 'https://openidconnect.googleapis.com/v1/userinfo',
          code_challenge_methods_supported: ['plain', 'S256'],
        });
      case 'POST oauth2.googleapis.com/token':
        return secretIsRight ? tokenAnswer('google') : refuse('invalid_client', 401);
      // https://developers.google.com/identity/protocols/oauth2/native-app and /sign-in/web/backend-auth: `aud` names the application.
      case 'GET oauth2.googleapis.com/tokeninfo': {
        const grant = tokens.get(url.searchParams.get('access_token') ?? '');
        return grant
          ? send({ aud: grant.query.get('client_id'), sub: grant.someone.sub, scope: 'openid email profile', expires_in: '3599' })
          : refuse('invalid_token');
      }
      case 'GET openidconnect.googleapis.com/v1/userinfo':
        return someone
          ? send({
              sub: hostile.userinfoSub ?? someone.sub,
              email: someone.email,
              email_verified: someone.emailVerified,
              given_name: someone.givenName,
            })
          : refuse('invalid_token', 401);
      // https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc: the issuer of `common` is a template.
      case 'GET login.microsoftonline.com/common/v2.0/.well-known/openid-configuration':
        return discovery('https://login.microsoftonline.com/{tenantid}/v2.0', 'https://login.microsoftonline.com/common/discovery', {
          authorization_endpoint: 'https://login.microsoftonline.com/common/oauth2/v2.0/authorize',
          token_endpoint: 'https://login.microsoftonline.com/common/oauth2/v2.0/token',
          jwks_uri: 'https://login.microsoftonline.com/common/discovery/v2.0/keys',
        });
      case 'POST login.microsoftonline.com/common/oauth2/v2.0/token':
        return secretIsRight ? tokenAnswer('microsoft') : refuse('invalid_client', 401);
      // https://appleid.apple.com/.well-known/openid-configuration
      case 'GET appleid.apple.com/.well-known/openid-configuration':
        return discovery(ISSUERS.apple, 'https://appleid.apple.com/auth', {
          response_modes_supported: ['query', 'fragment', 'form_post'],
        });
      case 'POST appleid.apple.com/auth/token':
        return (await isAppleSecret(form.get('client_secret') ?? '')) ? tokenAnswer('apple') : refuse('invalid_client');
      // https://developers.line.biz/en/reference/line-login/#issue-access-token
      case 'POST api.line.me/oauth2/v2.1/token':
        return secretIsRight ? tokenAnswer('line', { scope: 'openid profile' }) : refuse('invalid_client', 401);
      // https://developers.line.biz/en/reference/line-login/#verify-access-token
      case 'GET api.line.me/oauth2/v2.1/verify': {
        const grant = tokens.get(url.searchParams.get('access_token') ?? '');
        return grant ? send({ scope: 'profile', client_id: grant.query.get('client_id'), expires_in: 2591659 }) : refuse('invalid_request');
      }
      // https://developers.line.biz/en/reference/line-login/#verify-id-token
      case 'POST api.line.me/oauth2/v2.1/verify': {
        const key = new TextEncoder().encode(CLIENT_SECRET);
        const judged = await jwtVerify(form.get('id_token') ?? '', key, { audience: form.get('client_id') ?? '' }).catch(() => undefined);
        if (!judged || (form.get('nonce') && judged.payload['nonce'] !== form.get('nonce'))) return refuse('invalid_request');
        return send(judged.payload);
      }
      // https://developers.line.biz/en/reference/line-login/#get-user-profile
      case 'GET api.line.me/v2/profile':
        return someone ? send({ userId: someone.sub, displayName: someone.givenName }) : refuse('invalid_token', 401);
      // https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps#2: errors come with 200.
      case 'POST github.com/login/oauth/access_token': {
        const grant = secretIsRight ? redeem(form) : undefined;
        if (!grant) return send({ error: 'bad_verification_code', error_description: 'The code passed is incorrect or expired.' });
        const token = `token-${randomUUID()}`;
        tokens.set(token, grant);
        return send({ access_token: token, scope: 'read:user,user:email', token_type: 'bearer' });
      }
      // https://docs.github.com/en/rest/users/users#get-the-authenticated-user: `id` is a number.
      case 'GET api.github.com/user':
        return someone
          ? send({ id: Number(someone.sub), login: 'ada', name: [someone.givenName, someone.familyName].join(' '), email: null })
          : refuse('Bad credentials', 401);
      // https://docs.github.com/en/rest/users/emails#list-email-addresses-for-the-authenticated-user
      case 'GET api.github.com/user/emails':
        if (!someone) return refuse('Bad credentials', 401);
        return send([
          { email: 'old@elsewhere.test', verified: true, primary: false, visibility: null },
          ...(someone.email === undefined
            ? []
            : [{ email: someone.email, verified: someone.emailVerified, primary: true, visibility: 'private' }]),
        ]);
      // https://docs.github.com/en/rest/apps/oauth-applications#check-a-token
      case `POST api.github.com/applications/${CLIENT_ID}/token`: {
        const named = `Basic ${Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString('base64')}`;
        const { access_token: token } = JSON.parse([...form.keys()][0] ?? '{}') as { access_token?: string };
        const grant = tokens.get(token ?? '');
        if (request.headers.authorization !== named || grant?.query.get('client_id') !== CLIENT_ID)
          return send({ message: 'Not Found' }, 404);
        return send({ app: { client_id: CLIENT_ID, name: 'Gatehouse' }, user: { id: Number(grant.someone.sub) } });
      }
      // https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow#exchangecode
      case 'POST graph.facebook.com/v23.0/oauth/access_token': {
        const grant = secretIsRight ? redeem(form) : undefined;
        if (!grant) return send({ error: { message: 'Invalid verification code format.', type: 'OAuthException', code: 100 } }, 400);
        const token = `token-${randomUUID()}`;
        tokens.set(token, grant);
        return send({ access_token: token, token_type: 'bearer', expires_in: 5183944 });
      }
      // https://developers.facebook.com/docs/graph-api/reference/debug_token
      case 'GET graph.facebook.com/v23.0/debug_token': {
        const grant = tokens.get(url.searchParams.get('input_token') ?? '');
        if (url.searchParams.get('access_token') !== `${CLIENT_ID}|${CLIENT_SECRET}`) return send({ error: { code: 190 } }, 400);
        return send({
          data: grant ? { app_id: grant.query.get('client_id'), is_valid: true, user_id: grant.someone.sub } : { is_valid: false },
        });
      }
      // https://developers.facebook.com/docs/graph-api/reference/user and /guides/secure-requests#appsecret_proof
      case 'GET graph.facebook.com/v23.0/me': {
        const token = url.searchParams.get('access_token') ?? '';
        const grant = tokens.get(token);
        const proof = createHmac('sha256', CLIENT_SECRET).update(token).digest('hex');
        if (!grant || url.searchParams.get('appsecret_proof') !== proof) return send({ error: { code: 100 } }, 400);
        const { sub, email, givenName, familyName } = grant.someone;
        return send({ id: hostile.userinfoSub ?? sub, email, first_name: givenName, last_name: familyName });
      }
    }
    if (path.endsWith('/keys') || path.endsWith('/certs')) {
      const { publicKey, kid } = hostile.staleKeys ? keyBefore : key;
      return send({ keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' }] });
    }
    return refuse(`no such path: ${request.method} ${site}${path}`, 404);
  }

  return fake;
}

/** https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret */
export const APPLE = { teamId: 'ABCDE12345', keyId: 'KLMNO67890' } as const;
const applePair = await generateKeyPair('ES256', { extractable: true });
export const applePrivateKey = async (): Promise<string> => (await import('jose')).exportPKCS8(applePair.privateKey);

async function isAppleSecret(secret: string): Promise<boolean> {
  const judged = await jwtVerify(secret, applePair.publicKey, {
    algorithms: ['ES256'],
    issuer: APPLE.teamId,
    audience: 'https://appleid.apple.com',
    subject: CLIENT_ID,
    requiredClaims: ['iat', 'exp'],
  }).catch(() => undefined);
  return judged?.protectedHeader.kid === APPLE.keyId;
}

async function newKey() {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  return { privateKey, publicKey: createPublicKey(await exportSPKI(publicKey)), kid: randomUUID() };
}

const exportPem = (key: ReturnType<typeof createPublicKey>): string => key.export({ type: 'spki', format: 'pem' }).toString();

const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** JSON that goes on and on, and is never late. */
function drip(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.on('error', () => {});
  const timer = setInterval(() => response.write(' '), 100);
  response.on('close', () => clearInterval(timer));
}

/** JSON without an end. */
function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const chunk = `"${'x'.repeat(65_536)}",`;
  response.write('[');
  const pump = (): void => {
    if (response.destroyed || response.socket?.destroyed !== false) return;
    response.write(chunk, () => setImmediate(pump));
  };
  response.on('error', () => {});
  pump();
}

function fail(response: ServerResponse, error: unknown): void {
  if (!response.headersSent) response.writeHead(500);
  response.end(String(error));
}
