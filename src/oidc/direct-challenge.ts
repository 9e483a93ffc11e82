/** How clients are asked for the challenge of a tenant that wants one before it has messages sent. */
import { Type } from '@sinclair/typebox';

export const CHALLENGE = {
  challenge: Type.Optional(
    Type.String({ maxLength: 1100, description: '`<token>.<number>` for the challenge of a 403 with `auth.challenge_required`' }),
  ),
};

export const CHALLENGE_DUE =
  'Where the tenant asks for a challenge (`settings.challenge`): 403 with `code: "auth.challenge_required"` and `challenge`: `kind` (`proof-of-work`), `token` and `difficulty`. Send the request again with `challenge`: the token, a full stop and a number, in decimals, with which SHA-256 of that text begins with `difficulty` zero bits. An answer is good once, for fifteen minutes, at this path.';
