/** What applications that sign people in themselves send. */
import type { TObject } from '@sinclair/typebox';
import type { Context } from 'koa';
import { type FieldError, invalidInput } from '../core/errors.ts';
import { PAGE_BODY_LIMIT, readJson } from '../http/read-body.ts';

const KINDS: Readonly<Record<string, string>> = { object: 'an object', array: 'a list' };
const MOST_TEXTS = 10;

/** Only what is declared goes on, and only as text, lists of text, and a passkey's answer as an object. Throws 422. */
export async function readInput(ctx: Context, body: TObject): Promise<Record<string, unknown>> {
  const { value } = await readJson(ctx.req, PAGE_BODY_LIMIT);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidInput([{ pointer: '', message: 'must be an object' }]);
  const input = value as Record<string, unknown>;
  const isText = (one: unknown): boolean => typeof one === 'string' && one.length <= 16_384 && one.isWellFormed() && !one.includes('\0');
  const faults: FieldError[] = [];
  for (const [name, one] of Object.entries(input)) {
    const known = name in body.properties;
    const declared = body.properties[name];
    const areTexts = Array.isArray(one) && one.length <= MOST_TEXTS && one.every(isText);
    const kind = KINDS[String(declared?.['type'])] ?? 'text';
    const fits =
      kind === 'an object'
        ? typeof one === 'object' && one !== null && !Array.isArray(one)
        : kind === 'a list'
          ? areTexts
          : isText(one) || (name === 'resource' && areTexts);
    if (!known || !fits)
      faults.push({
        pointer: `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
        message: known ? `must be ${kind}` : 'is not known here',
      });
  }
  for (const name of body.required ?? []) if (input[name] === undefined) faults.push({ pointer: `/${name}`, message: 'is required' });
  if (faults.length > 0) throw invalidInput(faults);
  return input;
}
