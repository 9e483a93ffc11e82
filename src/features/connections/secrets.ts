import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { SecretBox } from '../../infra/secret-box.ts';

const SECRETS = Type.Object({ clientSecret: Type.Optional(Type.String()), privateKey: Type.Optional(Type.String()) });

/** What a connection authenticates itself with upstream. */
export type ConnectionSecrets = Static<typeof SECRETS>;

const contextOf = (id: string): string => `connection:${id}`;

/** Sealed for that connection alone; null where there is nothing to seal. */
export function sealSecrets(box: SecretBox, id: string, secrets: ConnectionSecrets): Buffer | null {
  if (secrets.clientSecret === undefined && secrets.privateKey === undefined) return null;
  return box.seal(JSON.stringify(secrets), contextOf(id));
}

export function openSecrets(box: SecretBox, id: string, sealed: Buffer | null): ConnectionSecrets {
  if (sealed === null) return {};
  const secrets: unknown = JSON.parse(box.open(sealed, contextOf(id)).toString('utf8'));
  return Value.Check(SECRETS, secrets) ? secrets : {};
}
