import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { tenantInPath } from './in-path.ts';
import { createIpRule, getIpRule, type IpRuleDeps, pageOfIpRules, patchIpRule, removeIpRule } from './ip-rules.ts';
import { IP_RULE, IP_RULE_INPUT, IP_RULE_PAGE, IP_RULE_PARAMS, IP_RULE_PATCH, IP_RULE_QUERY, type IpRuleView } from './ip-rules-schema.ts';
import type { IpRuleRow } from './ip-rules-store.ts';

const tag = 'Address rules';

/** From where a tenant may be reached; who acts for the platform is not held by it. */
export function ipRuleRoutes(deps: IpRuleDeps): Route[] {
  const load = (scope: Scope, { id }: { id: string }): Promise<Scope> => tenantInPath(deps, scope, id);
  const loadRule = async (scope: Scope, { id, ruleId }: { id: string; ruleId: string }): Promise<Scope> => {
    const inside = await tenantInPath(deps, scope, id);
    await getIpRule(deps, inside, ruleId);
    return inside;
  };
  return [
    route('GET /api/tenants/{id}/ip-rules', {
      summary: 'List the address rules of a tenant',
      tag,
      access: 'tenants.read',
      params: ID_PARAMS,
      query: IP_RULE_QUERY,
      reply: IP_RULE_PAGE,
      load,
      handle: async (_scope, { loaded, query }) => {
        const page = await pageOfIpRules(deps, loaded, pageRequest(query));
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/tenants/{id}/ip-rules', {
      summary: 'Add an address rule',
      description:
        'Holds at sign-in, refresh, for the API and for API keys. What would shut out the caller’s own address is 409 `ip_rule.locks_you_out`.',
      tag,
      access: 'tenants.write',
      params: ID_PARAMS,
      body: IP_RULE_INPUT,
      reply: IP_RULE,
      status: 201,
      versioned: false,
      load,
      handle: async (_scope, { loaded, body }) => {
        const row = await createIpRule(deps, loaded, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/tenants/${row.tenant_id}/ip-rules/${row.id}` } });
      },
    }),
    route('GET /api/tenants/{id}/ip-rules/{ruleId}', {
      summary: 'See an address rule',
      tag,
      access: 'tenants.read',
      params: IP_RULE_PARAMS,
      reply: IP_RULE,
      load,
      handle: async (_scope, { loaded, params }) => versioned(await getIpRule(deps, loaded, params.ruleId)),
    }),
    route('PATCH /api/tenants/{id}/ip-rules/{ruleId}', {
      summary: 'Change an address rule',
      tag,
      access: 'tenants.write',
      params: IP_RULE_PARAMS,
      body: IP_RULE_PATCH,
      reply: IP_RULE,
      load: loadRule,
      handle: async (_scope, { loaded, params, body, ifMatch }) => versioned(await patchIpRule(deps, loaded, params.ruleId, body, ifMatch)),
    }),
    route('DELETE /api/tenants/{id}/ip-rules/{ruleId}', {
      summary: 'Delete an address rule',
      tag,
      access: 'tenants.write',
      params: IP_RULE_PARAMS,
      reply: DELETED,
      load: loadRule,
      handle: async (_scope, { loaded, params, ifMatch }) => {
        await removeIpRule(deps, loaded, params.ruleId, ifMatch);
        return deleted(params.ruleId);
      },
    }),
  ];
}

const versioned = (row: IpRuleRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: IpRuleRow): IpRuleView => ({
  id: row.id,
  cidr: row.cidr,
  action: row.action,
  description: row.description,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
