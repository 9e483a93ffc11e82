/** What makes a client's registration consistent; the library's own schema is asked after this. */
import type { FieldError } from '../../core/errors.ts';
import { invalidInput } from '../../core/errors.ts';
import { faultsOfMutualTls } from './mutual-tls.ts';
import type { ClientInput } from './schema.ts';
import { faultOfOrigin, faultOfPageUri, faultOfRedirectUri, faultOfServerUri } from './uris.ts';

export interface CheckRules {
  loopback: boolean;
  /** Hosts that outgoing requests may reach although they are private, and by plain http. */
  outboundAllowHosts: readonly string[];
}

export type CompleteInput = ClientInput & {
  grant_types: NonNullable<ClientInput['grant_types']>;
  response_types: NonNullable<ClientInput['response_types']>;
  redirect_uris: string[];
  token_endpoint_auth_method: NonNullable<ClientInput['token_endpoint_auth_method']>;
  application_type: 'web' | 'native';
  require_pkce: boolean;
};

/** FAPI 2.0 Security Profile section 5.3.2.1. */
const FAPI2_METHODS: ReadonlySet<string> = new Set(['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth']);

/** Fills in the defaults of RFC 7591 section 2 and ours. */
export function completeInput(input: ClientInput): CompleteInput {
  const grants = input.grant_types ?? ['authorization_code'];
  const fapi2 = input.profile === 'fapi2';
  return {
    ...input,
    grant_types: grants,
    response_types: input.response_types ?? (grants.includes('authorization_code') ? ['code'] : []),
    redirect_uris: input.redirect_uris ?? [],
    token_endpoint_auth_method: input.token_endpoint_auth_method ?? (fapi2 ? 'private_key_jwt' : 'client_secret_basic'),
    application_type: input.application_type ?? 'web',
    require_pkce: input.require_pkce ?? true,
    ...(fapi2 ? { require_pushed_authorization_requests: true } : {}),
    // Bound to a certificate is sender-constrained too.
    ...(fapi2 && !input.tls_client_certificate_bound_access_tokens ? { dpop_bound_access_tokens: true } : {}),
  };
}

/** Throws 422 with every fault found. */
export function checkInput(input: CompleteInput, rules: CheckRules): void {
  const errors = [...faultsOfUris(input, rules), ...faultsOfGrants(input), ...faultsOfAuthentication(input), ...faultsOfMutualTls(input)];
  if (errors.length > 0) throw invalidInput(errors);
}

function faultsOfUris(input: CompleteInput, rules: CheckRules): FieldError[] {
  const errors: FieldError[] = [];
  const each = (member: string, values: readonly string[] | undefined, judge: (text: string) => string | undefined): void => {
    for (const [index, text] of (values ?? []).entries()) {
      const message = judge(text);
      if (message) errors.push({ pointer: `/${member}/${index}`, message });
    }
  };
  const one = (member: string, value: string | undefined, judge: (text: string) => string | undefined): void => {
    const message = value === undefined ? undefined : judge(value);
    if (message) errors.push({ pointer: `/${member}`, message });
  };
  const redirect = { applicationType: input.application_type, loopback: rules.loopback };
  each('redirect_uris', input.redirect_uris, (text) => faultOfRedirectUri(text, redirect));
  each('post_logout_redirect_uris', input.post_logout_redirect_uris, (text) => faultOfRedirectUri(text, redirect));
  each('allowed_origins', input.allowed_origins, (text) => faultOfOrigin(text, rules));
  for (const member of ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'initiate_login_uri'] as const)
    one(member, input[member], (text) => faultOfPageUri(text, rules));
  for (const member of ['jwks_uri', 'backchannel_logout_uri'] as const)
    one(member, input[member], (text) => faultOfServerUri(text, rules.outboundAllowHosts));
  one('default_resource', input.default_resource, (text) =>
    URL.canParse(text) && !text.includes('#') ? undefined : 'must be an absolute URI without a fragment',
  );
  return errors;
}

function faultsOfGrants(input: CompleteInput): FieldError[] {
  const errors: FieldError[] = [];
  const fault = (member: string, message: string): number => errors.push({ pointer: `/${member}`, message });
  const code = input.grant_types.includes('authorization_code');
  if (code !== input.response_types.includes('code'))
    fault('response_types', 'must name code if and only if grant_types names authorization_code');
  if (code && input.redirect_uris.length === 0) fault('redirect_uris', 'must name at least one address for authorization_code');
  if (input.grant_types.includes('refresh_token') && !code && !input.direct_login)
    fault('grant_types', 'refresh_token goes with authorization_code or a direct login');
  if (!input.require_pkce && input.token_endpoint_auth_method === 'none') fault('require_pkce', 'a public client must use PKCE');
  if (!input.require_pkce && input.profile === 'fapi2') fault('require_pkce', 'FAPI 2.0 requires PKCE');
  if ((input.permissions?.length ?? 0) > 0 && !input.grant_types.includes('client_credentials'))
    fault('permissions', 'are for the grant client_credentials, which grant_types does not name');
  return errors;
}

function faultsOfAuthentication(input: CompleteInput): FieldError[] {
  const errors: FieldError[] = [];
  const fault = (member: string, message: string): number => errors.push({ pointer: `/${member}`, message });
  const method = input.token_endpoint_auth_method;
  if (input.jwks && input.jwks_uri !== undefined) fault('jwks', 'must not stand beside jwks_uri');
  if (method === 'private_key_jwt' && !input.jwks && input.jwks_uri === undefined) fault('jwks', 'private_key_jwt needs jwks or jwks_uri');
  if (method === 'none' && input.grant_types.includes('client_credentials'))
    fault('grant_types', 'a public client has no credentials of its own');
  if (input.profile === 'fapi2' && !FAPI2_METHODS.has(method))
    fault('token_endpoint_auth_method', 'FAPI 2.0 requires private_key_jwt or a certificate');
  for (const [index, key] of (input.jwks?.keys ?? []).entries()) {
    if (['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'].some((member) => member in key))
      errors.push({ pointer: `/jwks/keys/${index}`, message: 'must be a public key' });
  }
  return errors;
}
