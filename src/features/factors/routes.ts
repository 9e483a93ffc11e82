import type { Static } from '@sinclair/typebox';
import { AppError } from '../../core/errors.ts';
import { newSecret } from '../../core/ids.ts';
import { type Locale, pickLocale } from '../../core/messages/catalogue.ts';
import { ownPerson } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { requireAssurance } from '../../http/assurance.ts';
import { DELETED, deleted } from '../../http/paging.ts';
import { ID_PARAMS, type Route, route } from '../../http/route.ts';
import type { Database } from '../../infra/postgres.ts';
import { type FactorDeps, factorNotFound, removeFactor, renameFactor, replaceRecoveryCodes } from './commands.ts';
import { demandOf, demandOfCodes } from './demand.ts';
import type { Factor, OrganizationFactor } from './index.ts';
import { CODES, ENROL_PASSKEY, ENROL_TOTP, FACTOR, FACTOR_PAGE, FACTOR_PATCH, FINISH_PASSKEY, FINISH_TOTP, factorView } from './schema.ts';
import { findFactors } from './store.ts';

/** One enrolment of a person's; `of` is what its first step answered as `enrolment`. */
interface OwnEnrolment {
  userId: string;
  of: string;
}

export interface FactorRouteDeps extends FactorDeps {
  db: Database;
  /** The service of their organisation that the person is asked by. */
  organizationFactor(userId: string): Promise<OrganizationFactor | undefined>;
  startTotp(scope: Scope, own: OwnEnrolment): Promise<Omit<Static<typeof ENROL_TOTP>, 'enrolment'>>;
  startPasskey(scope: Scope, own: OwnEnrolment): Promise<object>;
  /** The id of the new factor; undefined where it is not proven. Throws 409 `enrolment.expired`, 422. */
  finish(scope: Scope, own: OwnEnrolment & { kind: 'totp' | 'passkey' }, input: unknown, locale: Locale): Promise<string | undefined>;
}

const tag = 'Own account';
const FRESH = `The person has to have signed in during the last five minutes, with a second factor where they have one; else 401
\`authentication.insufficient\` says what to ask them for (RFC 9470).`;

const unproven = (): AppError => new AppError('factor.unproven', 422, 'This does not prove the factor');

/** What a person signs in with beside a password, with a token of scope `account`. */
export function factorRoutes(deps: FactorRouteDeps): Route[] {
  /** The person's factors, once it is certain that this sign-in may change them. */
  const checked = async (scope: Scope): Promise<readonly Factor[]> => {
    const factors = await findFactors(deps.db, ownPerson(scope));
    requireAssurance(deps, scope, demandOf(factors));
    return factors;
  };
  const find = async (scope: Scope, id: string): Promise<Factor> => {
    const found = (await findFactors(deps.db, ownPerson(scope))).find((factor) => factor.id === id);
    if (!found) throw factorNotFound();
    return found;
  };
  const finish = async (scope: Scope, kind: 'totp' | 'passkey', of: string, input: object, language: string) => {
    await checked(scope);
    const id = await deps.finish(scope, { userId: ownPerson(scope), of, kind }, input, pickLocale(language));
    if (id === undefined) throw unproven();
    return factorView(await find(scope, id));
  };
  return [
    route('GET /api/me/factors', {
      summary: 'List what you sign in with beside a password',
      tag,
      access: 'account',
      reply: FACTOR_PAGE,
      async handle(scope) {
        const userId = ownPerson(scope);
        const [factors, organization] = await Promise.all([findFactors(deps.db, userId), deps.organizationFactor(userId)]);
        return { items: factors.map(factorView), nextCursor: null, organization: organization ?? null };
      },
    }),
    route('POST /api/me/factors/totp/start', {
      summary: 'Begin to set up an authenticator app',
      description: `Answers the key to hand to the app (RFC 6238), good for ten minutes. ${FRESH}`,
      tag,
      access: 'account',
      idempotent: false,
      reply: ENROL_TOTP,
      async handle(scope) {
        await checked(scope);
        const of = newSecret();
        return { enrolment: of, ...(await deps.startTotp(scope, { userId: ownPerson(scope), of })) };
      },
    }),
    route('POST /api/me/factors/totp/finish', {
      summary: 'Prove the authenticator app by one of its codes',
      description: `Five tries. ${FRESH}`,
      tag,
      access: 'account',
      idempotent: false,
      status: 201,
      body: FINISH_TOTP,
      reply: FACTOR,
      errors: [409],
      handle: (scope, { body: { enrolment, ...input }, ctx }) => finish(scope, 'totp', enrolment, input, ctx.get('accept-language')),
    }),
    route('POST /api/me/factors/passkey/start', {
      summary: 'Begin to set up a passkey',
      description: `Answers the options for \`navigator.credentials.create\`, good for one answer within ten minutes. ${FRESH}`,
      tag,
      access: 'account',
      idempotent: false,
      reply: ENROL_PASSKEY,
      async handle(scope) {
        await checked(scope);
        const of = newSecret();
        return { enrolment: of, options: { ...(await deps.startPasskey(scope, { userId: ownPerson(scope), of })) } };
      },
    }),
    route('POST /api/me/factors/passkey/finish', {
      summary: 'Register the passkey that the authenticator made',
      description: FRESH,
      tag,
      access: 'account',
      idempotent: false,
      status: 201,
      body: FINISH_PASSKEY,
      reply: FACTOR,
      errors: [409],
      handle: (scope, { body: { enrolment, ...input }, ctx }) => finish(scope, 'passkey', enrolment, input, ctx.get('accept-language')),
    }),
    route('POST /api/me/factors/recovery-codes', {
      summary: 'Make ten new recovery codes',
      description: `Earlier ones stop working. The codes are answered once and kept as hashes only. ${FRESH}`,
      tag,
      access: 'account',
      status: 201,
      reply: CODES,
      errors: [409],
      async handle(scope) {
        const factors = await findFactors(deps.db, ownPerson(scope));
        requireAssurance(deps, scope, demandOfCodes(factors, scope.session?.sid));
        return replaceRecoveryCodes(deps, scope, ownPerson(scope));
      },
    }),
    route('PATCH /api/me/factors/{id}', {
      summary: 'Rename an authenticator app or a passkey',
      description: FRESH,
      tag,
      access: 'account',
      params: ID_PARAMS,
      versioned: false,
      body: FACTOR_PATCH,
      reply: FACTOR,
      load: (scope, { id }) => find(scope, id),
      async handle(scope, { params: { id }, body: { name }, loaded }) {
        await checked(scope);
        if (name === undefined) return factorView(loaded);
        await renameFactor(deps, scope, { userId: ownPerson(scope), id, name });
        return factorView(await find(scope, id));
      },
    }),
    route('DELETE /api/me/factors/{id}', {
      summary: 'Take a factor away',
      description: `Recovery codes go with the last factor that they stand in for. ${FRESH}`,
      tag,
      access: 'account',
      params: ID_PARAMS,
      versioned: false,
      reply: DELETED,
      errors: [409],
      load: (scope, { id }) => find(scope, id),
      async handle(scope, { params: { id } }) {
        await checked(scope);
        await removeFactor(deps, scope, { userId: ownPerson(scope), id });
        return deleted(id);
      },
    }),
  ];
}
