/** What a line of an import asks for, judged as `POST /api/users` would judge it, before anything is written. */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, invalidInput } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import type { Scope } from '../../core/scope.ts';
import { parseJson } from '../../http/json.ts';
import { compileBody } from '../../http/validate.ts';
import { columnsOfNew, type NewUser } from './columns.ts';
import { domainsOf, type NewInvitation, type UserDeps } from './commands.ts';
import { isInvited } from './create.ts';
import { grantableRoles } from './grants.ts';
import { fromExport, type ImportFormat } from './import-formats.ts';
import { NEW_USER } from './schema.ts';
import { checkMustChange, importedHash, newHash } from './secrets.ts';
import type { UserColumns } from './store.ts';

export interface Line {
  /** From 1. */
  number: number;
  text: string;
}

export interface Fault {
  code: string;
  message: string;
}

export interface NewPerson {
  columns: UserColumns;
  roleIds: readonly string[];
  password?: { hash: string; mustChange: boolean; imported: boolean };
}

/** What is to be done for a line. */
export type Wish = { line: number } & ({ fault: Fault } | { invitation: NewInvitation } | { person: NewPerson });

const check = compileBody(NEW_USER);

/** Reads and judges lines; hashes plain passwords one after the other. Throws what is no line's fault. */
export async function wishesOf(deps: UserDeps, scope: Scope, format: ImportFormat, lines: readonly Line[]): Promise<Wish[]> {
  const domains = await domainsOf(deps, scope);
  const wishes: Wish[] = [];
  for (const { number: line, text } of lines) {
    try {
      wishes.push({ line, ...(await wishOf(deps, scope, domains, read(format, text))) });
    } catch (error) {
      wishes.push({ line, fault: faultOf(error) });
    }
  }
  return wishes;
}

function read(format: ImportFormat, text: string): NewUser {
  const input = fromExport(format, parseJson(text));
  const errors = check(input);
  if (errors.length > 0) throw invalidInput(errors);
  return input;
}

async function wishOf(
  deps: UserDeps,
  scope: Scope,
  domains: readonly string[],
  input: NewUser,
): Promise<{ invitation: NewInvitation } | { person: NewPerson }> {
  const invited = isInvited(scope, domains, input);
  checkMustChange(input);
  const imported = importedHash(input);
  const columns = columnsOfNew(newId(deps.clock.now()), scope.tenantId, input, deps.clock.now());
  const roleIds = await grantableRoles(deps, scope, input.roles ?? []);
  const { email = '', roles, attributes, passwordMustChange: mustChange = false } = input;
  if (invited) return { invitation: { email, roles, attributes } };
  const hash = imported ? imported.phc : await patiently(() => newHash(deps, input.password, columns));
  return {
    person: { columns, roleIds, ...(hash === undefined ? {} : { password: { hash, mustChange, imported: imported !== undefined } }) },
  };
}

/** Whoever signs in goes first. */
async function patiently<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'service.busy' || tries >= 20) throw error;
      await sleep(1000);
    }
  }
}

const MOST_CHARACTERS = 500;

/** What a line did wrong, without its values. Throws on what is ours or the database's fault. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof AppError) || error.status >= 500) throw error;
  const details = error.errors?.map(({ pointer, message }) => `${pointer} ${message}`.trim()).join('; ');
  return { code: error.code, message: (details || error.detail || error.message).slice(0, MOST_CHARACTERS) };
}
