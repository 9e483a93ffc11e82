/** Carries out what a batch of an import asks for, in one transaction; a line that cannot be stops no other. */
import { forbidden, invalidInput } from '../../core/errors.ts';
import { isManagementPermission } from '../../core/permissions.ts';
import type { Scope } from '../../core/scope.ts';
import { translate } from '../../infra/postgres.ts';
import type { Work } from '../audit/index.ts';
import type { NewPersonsPassword } from '../credentials/index.ts';
import type { UserDeps } from './commands.ts';
import { grantorOf } from './create.ts';
import { asTaken, taken } from './errors.ts';
import { insertGrants } from './grants-store.ts';
import { type Fault, faultOf, type NewPerson, type Wish } from './import-lines.ts';
import { findTaken, insertPeople, type Names } from './import-store.ts';
import { findPerson, membershipsOf } from './store.ts';

export interface ImportDeps extends UserDeps {
  /** Stores the passwords of people who have just been made; records nothing. */
  setPasswords(work: Work, passwords: readonly NewPersonsPassword[]): Promise<void>;
}

export interface ImportRun {
  importId: string;
  dryRun: boolean;
  /** Of a dry run, which writes nobody: which of these names lines of earlier batches had. */
  seenBefore(work: Work, names: readonly string[]): Promise<ReadonlySet<string>>;
}

export type Outcome = { line: number } & ({ done: 'created' | 'invited' } | { fault: Fault });

type InvitationWish = { line: number } & Extract<Wish, { invitation: unknown }>;
type PersonWish = { line: number; person: NewPerson };

/** One outcome for each wish. Throws where the whole batch has to be tried again. */
export async function carryOut(deps: ImportDeps, work: Work, scope: Scope, wishes: readonly Wish[], run: ImportRun): Promise<Outcome[]> {
  await checkStillMay(deps, work, scope);
  const outcomes: Outcome[] = [];
  const people: PersonWish[] = [];
  for (const wish of wishes) {
    if ('fault' in wish) outcomes.push({ line: wish.line, fault: wish.fault });
    else if ('person' in wish) people.push(wish);
    else outcomes.push(await invite(deps, work, scope, wish, run.dryRun));
  }
  const fitting = await withoutFaults(deps, work, scope, people);
  outcomes.push(...fitting.refused);
  const { free, refused } = await sortOut(work, fitting.people, run);
  outcomes.push(...refused);
  if (run.dryRun) outcomes.push(...free.map(({ line }): Outcome => ({ line, done: 'created' })));
  else outcomes.push(...(await createAll(deps, work, scope, free, run)));
  return outcomes;
}

/** Those whose values are as the tenant defined them. */
async function withoutFaults(
  deps: ImportDeps,
  { sql }: Work,
  { tenantId }: Scope,
  wishes: readonly PersonWish[],
): Promise<{ people: PersonWish[]; refused: Outcome[] }> {
  const errors = await deps.faultsOfAttributes(
    sql,
    tenantId,
    wishes.map(({ person }) => person.columns.attributes),
  );
  const isRight = (_wish: PersonWish, index: number): boolean => (errors[index] ?? []).length === 0;
  return {
    people: wishes.filter(isRight),
    refused: wishes.flatMap((wish, index) =>
      isRight(wish, index) ? [] : [{ line: wish.line, fault: faultOf(invalidInput(errors[index] ?? [])) }],
    ),
  };
}

/** Whoever began it may have been disabled, or lost one of the rights with which it grants roles, since. */
async function checkStillMay(deps: ImportDeps, { sql }: Work, scope: Scope): Promise<void> {
  const { actor, tenantId, platform, owner, permissions } = scope;
  const by = actor.type === 'api_key' ? actor.owner : actor;
  if (by.type !== 'user') return;
  const person = await findPerson(sql, by.id);
  const rights = [...permissions].filter(isManagementPermission);
  for (const { tenant_id: of, type, status, roles } of person?.status === 'active' ? await membershipsOf(sql, by.id) : []) {
    if (status !== 'active' || (of !== tenantId && !(platform && type === 'root'))) continue;
    const book = await deps.roles.of(of);
    const held = book.permissionsOf(roles);
    if (rights.every((right) => held.has(right)) && (!owner || book.isOwner(roles))) return;
  }
  throw forbidden('users.write');
}

const NAMES = ['username_key', 'email_key', 'phone'] as const satisfies readonly (keyof Names)[];

/** Names that one person has alone: a number that is not proven is none. */
const namesOf = (names: Names): string[] =>
  NAMES.flatMap((kind) =>
    names[kind] === null || (kind === 'phone' && names.phone_verified_at === null) ? [] : [`${kind}:${names[kind]}`],
  );

/** Whose names are free, within the batch, the lines before it, and everywhere. */
async function sortOut(work: Work, people: readonly PersonWish[], run: ImportRun): Promise<{ free: PersonWish[]; refused: Outcome[] }> {
  const all = people.flatMap(({ person }) => namesOf(person.columns));
  const used = new Set(
    people.length === 0
      ? []
      : (
          await findTaken(
            work.sql,
            people.map(({ person }) => person.columns),
          )
        ).flatMap(namesOf),
  );
  if (run.dryRun && all.length > 0) for (const name of await run.seenBefore(work, all)) used.add(name);
  const free: PersonWish[] = [];
  const refused: Outcome[] = [];
  for (const wish of people) {
    const names = namesOf(wish.person.columns);
    const clash = names.find((name) => used.has(name));
    if (clash === undefined) free.push(wish);
    else refused.push({ line: wish.line, fault: faultOf(taken(clash.slice(0, clash.indexOf(':')))) });
    for (const name of names) used.add(name);
  }
  return { free, refused };
}

async function createAll(deps: ImportDeps, work: Work, scope: Scope, wishes: readonly PersonWish[], run: ImportRun): Promise<Outcome[]> {
  if (wishes.length === 0) return [];
  try {
    return await work.sql.transaction((sql) => create(deps, { ...work, sql }, scope, wishes, run));
  } catch (error) {
    // Together they are refused, say by the limit of the tenant: each by itself, as far as it goes.
    if (wishes.length === 1) return [{ line: wishes[0]!.line, fault: faultOf(asTaken(translate(error))) }];
    const outcomes: Outcome[] = [];
    for (const wish of wishes) outcomes.push(...(await createAll(deps, work, scope, [wish], run)));
    return outcomes;
  }
}

async function create(deps: ImportDeps, work: Work, scope: Scope, wishes: readonly PersonWish[], run: ImportRun): Promise<Outcome[]> {
  const made = await insertPeople(
    work.sql,
    scope.tenantId,
    wishes.map(({ person }) => person.columns),
  );
  const people = wishes.map(({ person }) => person).filter(({ columns }) => made.has(columns.id));
  await insertGrants(
    work.sql,
    scope.tenantId,
    grantorOf(scope),
    people.map(({ columns, roleIds }) => ({ userId: columns.id, roleIds })),
  );
  await deps.setPasswords(
    work,
    people.flatMap(({ columns, password }) =>
      password ? [{ userId: columns.id, hash: password.hash, mustChange: password.mustChange }] : [],
    ),
  );
  for (const { columns, password } of people)
    work.record({
      type: 'user.created',
      outcome: 'success',
      target: { type: 'user', id: columns.id },
      data: { importId: run.importId, password: password === undefined ? 'none' : password.imported ? 'imported' : 'set' },
    });
  return wishes.map(({ line, person }) =>
    made.has(person.columns.id) ? { line, done: 'created' } : { line, fault: faultOf(taken('name')) },
  );
}

const NOTHING_DONE = new Error('nothing is done');

/** In a dry run all the same, and taken back. */
async function invite(deps: ImportDeps, work: Work, scope: Scope, wish: InvitationWish, dryRun: boolean): Promise<Outcome> {
  try {
    await work.sql.transaction(async (sql) => {
      const silent: Work = { sql, record: () => {}, later: () => {} };
      await deps.invite(dryRun ? silent : { ...work, sql }, scope, wish.invitation);
      if (dryRun) throw NOTHING_DONE;
    });
  } catch (error) {
    if (error !== NOTHING_DONE) return { line: wish.line, fault: faultOf(translate(error)) };
  }
  return { line: wish.line, done: 'invited' };
}
