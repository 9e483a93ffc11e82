import { Type } from '@sinclair/typebox';
import type { Scope } from '../../core/scope.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import type { AttributeDeps } from './commands.ts';
import type { AttributeEntity } from './index.ts';
import type { AttributeQueryDeps } from './queries.ts';
import { VALUES, VALUES_CHANGE } from './schema.ts';
import { changeValues, getValues } from './values.ts';
import type { StoredValues } from './values-store.ts';

const tag = 'Attributes';
const CLIENT_PARAMS = Type.Object({ id: Type.String({ pattern: '^[A-Za-z0-9_.~-]{1,64}$' }) });

const ENTITIES: readonly [AttributeEntity, path: `/api/${string}`, of: string][] = [
  ['user', '/api/users/{id}/attributes', 'a member'],
  ['group', '/api/groups/{id}/attributes', 'a group'],
  ['tenant', '/api/tenants/{id}/attributes', 'a tenant'],
  ['client', '/api/clients/{id}/attributes', 'an application'],
  ['resource', '/api/resources/{id}/attributes', 'an API'],
];

export interface ValueDeps extends AttributeDeps, AttributeQueryDeps {
  /** The scope to act with where the path names a tenant. Throws 404. */
  tenantInPath(scope: Scope, id: string): Promise<Scope>;
}

/** Reading and changing the values of what has attributes. */
export function valueRoutes(deps: ValueDeps): Route[] {
  return ENTITIES.flatMap(([entity, path, of]) => {
    const params = entity === 'client' ? CLIENT_PARAMS : ID_PARAMS;
    const scopeFor = async (scope: Scope, id: string): Promise<Scope> => (entity === 'tenant' ? deps.tenantInPath(scope, id) : scope);
    const description = 'Always the values of the tenant of the request; on the object they stand without a prefix.';
    return [
      route(`GET ${path}`, {
        summary: `See the attributes of ${of}`,
        description,
        tag,
        access: 'attributes.read',
        params,
        reply: VALUES,
        handle: async (scope, { params: { id } }) => versioned(await getValues(deps, await scopeFor(scope, id), entity, id)),
      }),
      route(`PUT ${path}`, {
        summary: `Change attributes of ${of}`,
        description: `${description} What is named changes, null removes.`,
        tag,
        access: 'attributes.write',
        params,
        body: VALUES_CHANGE,
        reply: VALUES,
        async load(scope, { id }) {
          const there = await scopeFor(scope, id);
          await getValues(deps, there, entity, id);
          return there;
        },
        handle: async (_scope, { params: { id }, body, loaded, ifMatch }) =>
          versioned(await changeValues(deps, loaded, entity, id, body, ifMatch)),
      }),
    ];
  });
}

const versioned = ({ attributes, version }: StoredValues): ReturnType<typeof answer> => answer(attributes, { version });
