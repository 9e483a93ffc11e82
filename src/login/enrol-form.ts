/** What a form that sets a factor up carries, and what is said where it goes wrong. */
import { AppError } from '../core/errors.ts';
import type { Note } from '../core/messages/catalogue.ts';
import type { Enrolment } from './enrol/kind.ts';

type Form = Readonly<Record<string, string>>;
export type Fault = { alert: Note } | { errors: Readonly<Record<string, Note>> };

const LONGEST_NAME = 60;
const FAULTS: Readonly<Record<string, Note>> = {
  'factor.limit': 'factor.limit',
  'factor.taken': 'factor.taken',
  'factor.last': 'factor.last',
  'factor.missing': 'security.codes_none',
  'enrolment.expired': 'factor.expired',
};

/** What was given proves no such factor. */
export const notProven = (kind: Enrolment['id']): Fault =>
  kind === 'totp' ? { errors: { code: 'totp.wrong' } } : { alert: 'passkey.failed' };

/** What went wrong, in words; throws on what is no fault of whoever reads the page. `kind`: what is being set up, where anything is. */
export function faultOf(error: unknown, kind?: Enrolment['id']): Fault {
  if (kind !== undefined && error instanceof AppError && error.code === 'input.invalid') return notProven(kind);
  const note = error instanceof AppError ? FAULTS[error.code] : undefined;
  if (!note) throw error;
  return { alert: note };
}

/** What the person calls it, where they say. */
export function nameIn(form: Form): { name?: string } {
  const name = [...(form['name'] ?? '')]
    .filter((letter) => !/\p{Cc}|\p{Zl}|\p{Zp}/u.test(letter))
    .slice(0, LONGEST_NAME)
    .join('')
    .trim();
  return name ? { name } : {};
}

/** What the authenticator answered; undefined where that is no JSON. */
export function readCredential(form: Form): unknown {
  try {
    return JSON.parse(form['credential'] ?? '');
  } catch {
    return undefined;
  }
}
