import { AsyncLocalStorage } from 'node:async_hooks';

/** What is known of a request before anybody looked at who makes it. */
export interface RequestFacts {
  /** `X-Request-Id`: the caller's where sane, else ours. */
  id: string;
  /** The client's address after trusted proxies were peeled off. */
  address: string;
  /** The User-Agent, cut to 512 characters. */
  device: string;
  /** The issuer that answers to the request's host. */
  issuer: string;
  /** What the client showed at the TLS handshake, as a trusted proxy says. */
  certificate?: ShownCertificate | undefined;
}

/** As the header has it; nobody has looked into it yet. */
export interface ShownCertificate {
  text: string;
  /** Whether the proxy trusts who issued it. */
  verified: boolean;
}

export type Actor =
  | { type: 'user'; id: string }
  | { type: 'client'; id: string }
  | { type: 'api_key'; id: string; owner: { type: 'user' | 'client'; id: string } }
  | { type: 'system'; id: string }
  | { type: 'anonymous' };

/** Who does something, where, and with what right: the second argument of every use case. */
export interface Scope {
  /** The tenant that is acted in: the token's, or `X-Tenant-Id` of a platform administrator. */
  tenantId: string;
  actor: Actor;
  /** The OAuth client that carried the actor here, where one did. */
  clientId?: string | undefined;
  request: RequestFacts;
  permissions: ReadonlySet<string>;
  /** The names of the roles behind those permissions, inherited ones included, where a person acts. */
  roles?: readonly string[] | undefined;
  /** Holds the owner's role of the tenant, which only owners and the platform give and take. */
  owner?: boolean | undefined;
  /** Acts for the whole installation: a member of the root tenant, or a client of it. */
  platform: boolean;
  /** Of the session behind the token, where a person is behind it. */
  session?: { sid?: string; authTime?: number; acr?: string; amr?: readonly string[] } | undefined;
}

/** The request that the running code belongs to; undefined in jobs and at start. */
export const currentRequest = new AsyncLocalStorage<RequestFacts>();

const committing = new WeakSet<RequestFacts>();

/** Says that a transaction of this request is about to commit: whatever fails from here on, what it wrote may be there. */
export function noteCommit(): void {
  const request = currentRequest.getStore();
  if (request) committing.add(request);
}

/** Whether this request may have changed something; false where it certainly has not. */
export function mayHaveWritten(): boolean {
  const request = currentRequest.getStore();
  return request !== undefined && committing.has(request);
}

const INTERNAL: RequestFacts = { id: 'internal', address: '', device: '', issuer: '' };

/** A scope for work nobody asked for over HTTP: jobs, bootstrap, the command line. */
export function systemScope(tenantId: string, name: string, permissions: Iterable<string> = []): Scope {
  return {
    tenantId,
    actor: { type: 'system', id: name },
    request: currentRequest.getStore() ?? INTERNAL,
    permissions: new Set(permissions),
    platform: true,
  };
}

/** A scope for a person or client that is not signed in yet: sign-in, registration, reset. */
export function anonymousScope(tenantId: string, clientId?: string): Scope {
  return {
    tenantId,
    actor: { type: 'anonymous' },
    clientId,
    request: currentRequest.getStore() ?? INTERNAL,
    permissions: new Set(),
    platform: false,
  };
}
