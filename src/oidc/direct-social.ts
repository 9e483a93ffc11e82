import { Type } from '@sinclair/typebox';

const text = Type.Optional(Type.String({ maxLength: 8192 }));

/** What an app brings that has asked another provider by itself. */
export const SOCIAL_LOGIN = {
  fields: {
    provider: Type.String({ maxLength: 64, description: 'The key of a connection, or its id' }),
    access_token: text,
    id_token: text,
    code: text,
    redirectUri: text,
    codeVerifier: text,
    nonce: Type.Optional(Type.String({ maxLength: 255, description: 'The one that the ID token was asked for with' })),
  },
  summary: 'Sign in by what another provider gave the app',
  description:
    'One of `access_token`, `id_token`, and `code` with `redirectUri` and `codeVerifier`; a token that was made for another application is refused. 403 with `code: "auth.link_required"` where an account has the same address: the person signs in to it on the pages once, by which the two are linked.',
};
