import { type Static, Type } from '@sinclair/typebox';
import { PAGE_QUERY, pageSchema } from '../../http/paging.ts';
import { ID } from '../../http/route.ts';

const orNull = <S extends ReturnType<typeof Type.String>>(schema: S) => Type.Union([schema, Type.Null()]);
const INSTANT = Type.String({ format: 'date-time' });
const DESCRIPTION = Type.String({ maxLength: 500 });

const PATH = Type.String({
  pattern: '^(user|resource|action|env)\\.[A-Za-z][A-Za-z0-9_.-]{0,63}$',
  description:
    'With its prefix: `user.department`. On a person the value stands without it, on anything else that stores values without `resource.`',
});
const TYPE = Type.Union((['string', 'number', 'boolean', 'time', 'date', 'datetime', 'ip'] as const).map((each) => Type.Literal(each)));
const CARDINALITY = Type.Union([Type.Literal('one'), Type.Literal('many')]);
const SOURCE = Type.Union([Type.Literal('stored'), Type.Literal('request'), Type.Literal('server')], {
  description:
    '`stored` with us, sent with the `request` of a decision, or made by the `server`. `user.` is stored; `resource.` stored or sent; `action.` sent; `env.` sent or made by the server. Where nothing is said: stored if it can be, else sent',
});

export const NEW_DEFINITION = Type.Object({
  path: PATH,
  type: TYPE,
  cardinality: Type.Optional(CARDINALITY),
  source: Type.Optional(SOURCE),
  attributeGroupId: Type.Optional(orNull(ID)),
  personalData: Type.Optional(Type.Boolean()),
  description: Type.Optional(orNull(DESCRIPTION)),
});

/** For PUT and PATCH: what is named changes; null clears. */
export const DEFINITION_CHANGE = Type.Partial(NEW_DEFINITION);
export type DefinitionChange = Static<typeof DEFINITION_CHANGE>;

export const DEFINITION = Type.Object({
  id: Type.String(),
  path: Type.String(),
  type: TYPE,
  cardinality: CARDINALITY,
  source: SOURCE,
  attributeGroupId: orNull(Type.String()),
  personalData: Type.Boolean(),
  description: orNull(Type.String()),
  createdAt: INSTANT,
  updatedAt: INSTANT,
});
export type DefinitionView = Static<typeof DEFINITION>;

export const DEFINITION_QUERY = Type.Object({
  ...PAGE_QUERY,
  path: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  attributeGroupId: Type.Optional(ID),
  userId: Type.Optional(
    Type.String({ minLength: 1, maxLength: 255, description: 'Lists the values of this member instead; no other filter goes with it' }),
  ),
});
export type DefinitionQuery = Static<typeof DEFINITION_QUERY>;

const SCALAR = Type.Union([Type.String({ maxLength: 1000 }), Type.Number(), Type.Boolean()]);
const VALUE = Type.Union([SCALAR, Type.Array(SCALAR, { maxItems: 100 })]);
const NAME = Type.String({ pattern: '^[A-Za-z][A-Za-z0-9_.-]{0,63}$' });

const VALUE_OF_USER = Type.Object({
  path: Type.String(),
  value: VALUE,
  definitionId: orNull(Type.String()),
  type: Type.Union([TYPE, Type.Null()], { description: 'Null where nobody defined it' }),
});
export const DEFINITION_PAGE = Type.Union([pageSchema(DEFINITION), pageSchema(VALUE_OF_USER)]);
export type ValueOfUser = Static<typeof VALUE_OF_USER>;

export const VALUES = Type.Record(NAME, VALUE, { additionalProperties: false, description: 'By name, without a prefix' });
export const VALUES_CHANGE = Type.Record(NAME, Type.Union([VALUE, Type.Null()]), {
  additionalProperties: false,
  maxProperties: 100,
  description:
    'What is named changes, null removes; at most 100 values stay. A value has to be as the definition of its path says, where there is one',
});
export type ValuesChange = Static<typeof VALUES_CHANGE>;

const GROUP_NAME = Type.String({ minLength: 1, maxLength: 100, pattern: '^[^\\s\\p{Cc}<>]([^\\p{Cc}<>]*[^\\s\\p{Cc}<>])?$' });
export const NEW_GROUP = Type.Object({ name: GROUP_NAME, description: Type.Optional(orNull(DESCRIPTION)) });
export type NewGroup = Static<typeof NEW_GROUP>;
export const GROUP_CHANGE = Type.Partial(NEW_GROUP);
export type GroupChange = Static<typeof GROUP_CHANGE>;
export const GROUP = Type.Object({
  id: Type.String(),
  name: Type.String(),
  description: orNull(Type.String()),
  createdAt: INSTANT,
  updatedAt: INSTANT,
});
export type GroupView = Static<typeof GROUP>;
export const GROUP_PAGE = pageSchema(GROUP);
export const GROUP_QUERY = Type.Object(PAGE_QUERY);
