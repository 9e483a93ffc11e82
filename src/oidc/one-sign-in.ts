/**
 * A sign-in makes one session, and one grant in it, however often the browser comes back from it at the same instant: a double click, two tabs. Their
 * ids are made of what only the interaction has. Its own id is half of that, which the database does not know; the other half (`cid`) nobody outside does.
 * In the flush one of them writes both, and the others join.
 */
import { Provider, type Session } from 'oidc-provider';
import { sha256 } from '../core/ids.ts';

/** The id of what is made in an interaction for somebody, the same each time. */
const idWithin = (interaction: { uid: string; cid: string }, kind: string, accountId: string, clientId = ''): string =>
  sha256([kind, interaction.uid, interaction.cid, accountId, clientId].join('\n'));

export function makeOneSessionEach(provider: Provider): void {
  const interactionNow = () => Provider.ctx?.oidc?.entities.Interaction;
  const session = provider.Session.prototype as Session & { iat?: number | undefined };
  const { loginAccount, ensureClientContainer } = session;
  session.loginAccount = function (details) {
    const interaction = interactionNow();
    // One that is stored goes on under its own uid.
    if (interaction && this.iat === undefined) {
      this.uid = idWithin(interaction, 'uid', details.accountId);
      this.jti = idWithin(interaction, 'session', details.accountId);
    }
    loginAccount.call(this, details);
  };
  session.ensureClientContainer = function (clientId) {
    const interaction = interactionNow();
    if (interaction && this.accountId && !this.sidFor(clientId))
      this.sidFor(clientId, idWithin(interaction, 'sid', this.accountId, clientId));
    ensureClientContainer.call(this, clientId);
  };
  const grant = provider.Grant.prototype as unknown as { accountId?: string; clientId?: string; generateTokenId(): string };
  const { generateTokenId } = grant;
  grant.generateTokenId = function () {
    const interaction = interactionNow();
    if (!interaction || !this.accountId) return generateTokenId.call(this);
    return idWithin(interaction, 'grant', this.accountId, this.clientId);
  };
}
