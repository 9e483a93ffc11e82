import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { LIMITS, TYPE } from './schema.ts';
import { TENANT_SETTINGS } from './settings.ts';

const NAME = Type.String({ minLength: 1, maxLength: 200, pattern: '\\S', description: 'Unique in the installation' });
const DESCRIPTION = Type.Union([Type.String({ maxLength: 1000 }), Type.Null()]);
const ROLES = Type.Array(
  Type.Object({
    roleName: Type.String({ minLength: 1, maxLength: 100 }),
    description: Type.Optional(Type.String({ maxLength: 500 })),
    permissions: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { maxItems: 500, uniqueItems: true })),
    parents: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 100 }), { maxItems: 50, uniqueItems: true })),
  }),
  { maxItems: 100, description: 'Made beside the built-in ones; parents by name' },
);
const literals = <T extends string>(...names: T[]) => Type.Union(names.map((name) => Type.Literal(name)));
const DEFINITIONS = Type.Array(
  Type.Object({
    path: Type.String({ minLength: 3, maxLength: 128, pattern: '^(user|resource|action|env)\\.[A-Za-z][A-Za-z0-9_.-]{0,63}$' }),
    type: literals('string', 'number', 'boolean', 'time', 'date', 'datetime', 'ip'),
    cardinality: Type.Optional(literals('one', 'many')),
    source: Type.Optional(literals('stored', 'request')),
    personalData: Type.Optional(Type.Boolean()),
    description: Type.Optional(Type.String({ maxLength: 500 })),
  }),
  { maxItems: 200, description: 'Attribute definitions' },
);

const FIELDS = { roles: ROLES, attributeDefinitions: DEFINITIONS, settings: TENANT_SETTINGS, limits: LIMITS };

export const TEMPLATE_INPUT = Type.Object({
  name: NAME,
  description: Type.Optional(DESCRIPTION),
  type: TYPE,
  ...Type.Partial(Type.Object(FIELDS)).properties,
});
export type TemplateInput = Static<typeof TEMPLATE_INPUT>;

/** For PUT: the same; name and type stay where they are left out. */
export const TEMPLATE_REPLACEMENT = Type.Object({ ...TEMPLATE_INPUT.properties, name: Type.Optional(NAME), type: Type.Optional(TYPE) });
export type TemplateReplacement = Static<typeof TEMPLATE_REPLACEMENT>;

export const TEMPLATE_PATCH = Type.Object({
  name: Type.Optional(NAME),
  description: Type.Optional(DESCRIPTION),
  type: Type.Optional(TYPE),
  roles: Type.Optional(Type.Union([ROLES, Type.Null()])),
  attributeDefinitions: Type.Optional(Type.Union([DEFINITIONS, Type.Null()])),
  settings: Type.Optional(Type.Union([Type.Record(Type.String({ maxLength: 64 }), Type.Unknown()), Type.Null()])),
  limits: Type.Optional(Type.Union([LIMITS, Type.Null()])),
});

export const TEMPLATE = Type.Object({
  id: Type.String(),
  name: NAME,
  description: DESCRIPTION,
  type: TYPE,
  ...FIELDS,
  createdAt: Type.String({ format: 'date-time' }),
  updatedAt: Type.String({ format: 'date-time' }),
});
export type TemplateView = Static<typeof TEMPLATE>;
export const TEMPLATE_PAGE = pageSchema(TEMPLATE);
export const TEMPLATE_QUERY = Type.Object({ ...PAGE_QUERY, name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })) });
