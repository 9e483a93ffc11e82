/** Why an upstream was not believed, from the errors of the libraries that judge it; a code for the audit log. */
import { errors as jose } from 'jose';
import { AuthorizationResponseError, ClientError, ResponseBodyError, WWWAuthenticateChallengeError } from 'openid-client';
import { UpstreamRefused } from './provider.ts';

export function refusedBy(error: unknown): UpstreamRefused {
  return error instanceof UpstreamRefused ? error : new UpstreamRefused(reasonOf(error), error);
}

function reasonOf(error: unknown): string {
  if (error instanceof AuthorizationResponseError) return error.error === 'access_denied' ? 'upstream.denied' : 'upstream.refused';
  if (error instanceof ResponseBodyError) return error.error === 'invalid_grant' ? 'code.invalid' : 'upstream.refused';
  if (error instanceof WWWAuthenticateChallengeError) return 'upstream.refused';
  if (error instanceof jose.JWTClaimValidationFailed || error instanceof jose.JWTExpired) return `id_token.${error.claim}`;
  if (error instanceof jose.JOSEAlgNotAllowed || error instanceof jose.JOSENotSupported) return 'id_token.alg';
  if (error instanceof jose.JWSSignatureVerificationFailed) return 'id_token.signature';
  if (error instanceof jose.JWKSNoMatchingKey || error instanceof jose.JWKSMultipleMatchingKeys) return 'id_token.key';
  if (error instanceof jose.JWKSTimeout || isTimeout(error)) return 'upstream.timeout';
  if (error instanceof jose.JOSEError) return 'id_token.malformed';
  if (error instanceof ClientError) return ofClient(error);
  return 'upstream.unreachable';
}

function ofClient(error: ClientError): string {
  const { cause } = error;
  const detail = cause instanceof Error ? cause : undefined;
  const facts = (detail?.cause ?? {}) as { claim?: unknown; attribute?: unknown };
  const text = detail?.message ?? error.message;
  if (isTimeout(cause) || error.code === 'OAUTH_TIMEOUT' || error.code === 'OAUTH_ABORT') return 'upstream.timeout';
  if (/"iss" \(issuer\) (response parameter|missing)|parameter "iss"/.test(text)) return 'response.iss';
  if (/"state"/.test(text)) return 'response.state';
  if (/JWT "alg"/.test(text) || error.code === 'OAUTH_UNSUPPORTED_OPERATION') return 'id_token.alg';
  if (typeof facts.claim === 'string') return `id_token.${facts.claim}`;
  const missing = /JWT "(\w+)" .*claim/.exec(text)?.[1];
  if (missing) return `id_token.${missing}`;
  if (facts.attribute === 'issuer') return 'discovery.issuer';
  if (/"sub" property/.test(text)) return 'userinfo.sub';
  if (/ID Token|"id_token"/.test(text)) return 'id_token.missing';
  if (/Invalid JWT|JWT (Header|Payload)/.test(text)) return 'id_token.malformed';
  return error.code === undefined ? 'upstream.unreachable' : 'upstream.invalid_answer';
}

function isTimeout(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1)
    if (at.name === 'TimeoutError' || /timeout/i.test(at.message) || /TIMEOUT/.test(String((at as { code?: unknown }).code ?? '')))
      return true;
  return false;
}
