import type { TSchema } from '@sinclair/typebox';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formatsModule from 'ajv-formats';
import type { FieldError } from '../core/errors.ts';
import { escapePointer, findUnstorable } from './json.ts';

// The module is CommonJS: its types and its value name the function differently.
const addFormats = formatsModule as unknown as (ajv: Ajv2020) => void;

const MOST_ERRORS = 20;
const COMMON = { strict: true, strictTypes: false, strictRequired: false, strictTuples: false, allowUnionTypes: true } as const;

const INPUT = withFormats(new Ajv2020({ ...COMMON, allErrors: true, useDefaults: true }));
/** Queries and paths are text: `limit=5` becomes 5. */
const TEXT_INPUT = withFormats(new Ajv2020({ ...COMMON, allErrors: true, useDefaults: true, coerceTypes: true }));
const OUTPUT = withFormats(new Ajv2020({ ...COMMON }));
/** Takes away what no schema names, so that it does not leave by mistake. */
const CUTTING = withFormats(new Ajv2020({ ...COMMON, removeAdditional: true }));

function withFormats(ajv: Ajv2020): Ajv2020 {
  addFormats(ajv);
  return ajv;
}

/** Validates in place (defaults are filled in); answers what is wrong, [] where nothing is. */
export type Check = (value: unknown) => FieldError[];

export function compileBody(schema: TSchema): Check {
  const check = toCheck(INPUT, schema);
  return (value) => {
    const unstorable = findUnstorable(value);
    return unstorable === undefined ? check(value) : [{ pointer: unstorable, message: 'holds a character that is not allowed' }];
  };
}

export const compileText = (schema: TSchema): Check => {
  const check = toCheck(TEXT_INPUT, schema);
  return (value) => {
    const unstorable = findUnstorable(value);
    if (unstorable !== undefined) return [{ pointer: unstorable, message: 'holds a character that is not allowed' }];
    return [...check(value), ...endless(value)];
  };
};

/** `1e309` is made Infinity, which no keyword for numbers looks at. */
const endless = (value: unknown): FieldError[] =>
  isJson(value)
    ? Object.entries(value).flatMap(([name, member]) =>
        typeof member === 'number' && !Number.isFinite(member) ? [{ pointer: `/${escapePointer(name)}`, message: 'is not a number' }] : [],
      )
    : [];

/** `check` says what an answer has wrong; `cut` takes out of it what its schema does not name. */
export function compileOutput(schema: TSchema): { check: Check; cut(value: unknown): void } {
  const cutting = lazy(CUTTING, schema);
  return { check: toCheck(OUTPUT, schema), cut: (value) => void cutting()(value) };
}

/** Compiled with its first use: all together they take longer than the rest of the start. */
function lazy(ajv: Ajv2020, schema: TSchema): () => ValidateFunction {
  let validate: ValidateFunction | undefined;
  return () => {
    validate ??= ajv.compile(closed(schema));
    return validate;
  };
}

function toCheck(ajv: Ajv2020, schema: TSchema): Check {
  const compiled = lazy(ajv, schema);
  return (value) => {
    const validate = compiled();
    return validate(value) ? [] : unique((validate.errors ?? []).slice(0, MOST_ERRORS).map(fieldError));
  };
}

function fieldError({ instancePath, keyword, params, message }: ErrorObject): FieldError {
  if (keyword === 'additionalProperties' || keyword === 'unevaluatedProperties') {
    const name = String(params['additionalProperty'] ?? params['unevaluatedProperty']);
    return { pointer: `${instancePath}/${escapePointer(name)}`, message: 'is not known here' };
  }
  if (keyword === 'required')
    return { pointer: `${instancePath}/${escapePointer(String(params['missingProperty']))}`, message: 'is missing' };
  if (keyword === 'enum') return { pointer: instancePath, message: `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}` };
  if (keyword === 'const') return { pointer: instancePath, message: `must be ${String(params['allowedValue'])}` };
  return { pointer: instancePath, message: message ?? 'is not valid' };
}

const unique = (errors: FieldError[]): FieldError[] => [
  ...new Map(errors.map((error) => [`${error.pointer} ${error.message}`, error])).values(),
];

type Json = Record<string, unknown>;
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The schema with every object that names its members refusing others; an object that says so itself stays open. */
export function closed<S extends TSchema>(schema: S): S {
  return close(schema, true) as S;
}

function close(schema: unknown, here: boolean): unknown {
  if (!isJson(schema)) return schema;
  const copy: Json = { ...schema };
  if (isJson(copy['properties']))
    copy['properties'] = Object.fromEntries(Object.entries(copy['properties']).map(([name, member]) => [name, close(member, true)]));
  if (isJson(copy['items'])) copy['items'] = close(copy['items'], true);
  for (const word of ['additionalProperties', 'unevaluatedProperties']) if (isJson(copy[word])) copy[word] = close(copy[word], true);
  for (const word of ['anyOf', 'oneOf']) if (Array.isArray(copy[word])) copy[word] = copy[word].map((part) => close(part, here));
  if (Array.isArray(copy['allOf'])) {
    copy['allOf'] = copy['allOf'].map((part) => close(part, false));
    if (here && copy['unevaluatedProperties'] === undefined && copy['type'] === 'object') copy['unevaluatedProperties'] = false;
  } else if (here && copy['properties'] && copy['additionalProperties'] === undefined) copy['additionalProperties'] = false;
  return copy;
}
