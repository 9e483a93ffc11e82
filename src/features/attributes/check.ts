/** What attribute definitions say about values. Pure. */
import { isIP } from 'node:net';
import type { FieldError } from '../../core/errors.ts';
import type { AttributeDefinition, AttributeEntity, AttributeScalar, AttributeSource, AttributeType, AttributeValue } from './index.ts';

export const MOST_VALUES = 100;

/** `department` of a person is at `user.department`; of anything else, at `resource.department`. */
export const pathOf = (entity: AttributeEntity, name: string): string => `${entity === 'user' ? 'user' : 'resource'}.${name}`;

/** Where values at such a path can come from, the default first. */
export function sourcesOf(path: string): readonly AttributeSource[] {
  if (path.startsWith('user.')) return ['stored'];
  if (path.startsWith('resource.')) return ['stored', 'request'];
  return path.startsWith('env.') ? ['request', 'server'] : ['request'];
}

/**
 * What is wrong with values of an entity by the definitions of their paths; values that nobody defined are as they are, and null, which removes one,
 * is always right. Pointers are below `at`.
 */
export function checkAttributes(
  definitions: readonly AttributeDefinition[],
  entity: AttributeEntity,
  values: Readonly<Record<string, AttributeValue | null>>,
  at = '',
): FieldError[] {
  const byPath = new Map(definitions.map((definition) => [definition.path, definition]));
  return Object.entries(values).flatMap(([name, value]) => {
    const definition = byPath.get(pathOf(entity, name));
    const message = definition === undefined || value === null ? undefined : faultOf(definition, value);
    return message === undefined ? [] : [{ pointer: `${at}/${name}`, message }];
  });
}

const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** What is wrong with values whoever defined what: names, lengths, lists, and how many there are. */
export function checkShape(values: Readonly<Record<string, unknown>>, at = ''): FieldError[] {
  const entries = Object.entries(values);
  if (entries.length > MOST_VALUES) return [{ pointer: at, message: `must not have more than ${MOST_VALUES} members` }];
  return entries.flatMap(([name, value]) => {
    if (!NAME.test(name)) return [{ pointer: at, message: 'has a name that is none of an attribute' }];
    const fits = Array.isArray(value) ? value.length <= 100 && value.every(isScalar) : isScalar(value);
    return fits
      ? []
      : [
          {
            pointer: `${at}/${name}`,
            message: 'must be a text of at most 1000 characters, a number, a boolean, or a list of at most 100 of these',
          },
        ];
  });
}

const isScalar = (value: unknown): boolean =>
  typeof value === 'string' ? value.length <= 1000 : Number.isFinite(value) || typeof value === 'boolean';

function faultOf({ type, cardinality, source }: AttributeDefinition, value: AttributeValue): string | undefined {
  if (source !== 'stored') return 'is not stored, as its definition says';
  if (cardinality === 'many') {
    if (!Array.isArray(value)) return 'must be a list, as its definition says';
    return value.every((each) => isOf(type, each)) ? undefined : `must be a list of values of the type ${type}`;
  }
  if (Array.isArray(value)) return 'must be one value, as its definition says';
  return isOf(type, value) ? undefined : `must be of the type ${type}`;
}

const TIME = /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const DATETIME = /^(\d{4}-\d\d-\d\d)T(([01]\d|2[0-3]):[0-5]\d:[0-5]\d)(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

function isOf(type: AttributeType, value: AttributeScalar): boolean {
  if (type === 'number') return typeof value === 'number';
  if (type === 'boolean') return typeof value === 'boolean';
  if (typeof value !== 'string') return false;
  switch (type) {
    case 'string':
      return true;
    case 'time':
      return TIME.test(value);
    case 'date':
      return isDate(value);
    case 'datetime':
      return isDate(DATETIME.exec(value)?.[1] ?? '');
    case 'ip':
      return isIP(value) !== 0 && !value.includes('%');
  }
}

/** RFC 3339 section 5.6, of a day that there is. */
function isDate(text: string): boolean {
  if (!DATE.test(text)) return false;
  const at = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}
