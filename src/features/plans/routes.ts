import type { Scope } from '../../core/scope.ts';
import { DELETED, deleted, pageRequest } from '../../http/paging.ts';
import { answer, ID_PARAMS, type Route, route } from '../../http/route.ts';
import { createPlan, getPlan, type PlanDeps, pageOfPlans, patchPlan, removePlan, replacePlan } from './plans.ts';
import { PLAN, PLAN_INPUT, PLAN_PAGE, PLAN_PATCH, PLAN_QUERY, PLAN_REPLACEMENT, type PlanView } from './schema.ts';
import type { PlanRow } from './store.ts';

/** Plans; for the platform. */
export function planRoutes(deps: PlanDeps): Route[] {
  const load = (_scope: Scope, { id }: { id: string }): Promise<PlanRow> => getPlan(deps, id);
  const common = { tag: 'Plans', platform: true } as const;
  return [
    route('GET /api/plans', {
      ...common,
      summary: 'List plans',
      access: 'plans.read',
      query: PLAN_QUERY,
      reply: PLAN_PAGE,
      handle: async (_scope, { query }) => {
        const page = await pageOfPlans(deps, pageRequest(query), query.name);
        return { items: page.items.map(viewOf), nextCursor: page.nextCursor };
      },
    }),
    route('POST /api/plans', {
      ...common,
      summary: 'Make a plan',
      access: 'plans.write',
      body: PLAN_INPUT,
      reply: PLAN,
      status: 201,
      errors: [409],
      handle: async (scope, { body }) => {
        const row = await createPlan(deps, scope, body);
        return answer(viewOf(row), { version: row.version, headers: { location: `/api/plans/${row.id}` } });
      },
    }),
    route('GET /api/plans/{id}', {
      ...common,
      summary: 'See a plan',
      access: 'plans.read',
      params: ID_PARAMS,
      reply: PLAN,
      handle: async (_scope, { params }) => versioned(await getPlan(deps, params.id)),
    }),
    route('PUT /api/plans/{id}', {
      ...common,
      summary: 'Replace a plan',
      description:
        'The name stays where it is left out. Its limits reach the tenants that are subscribed by a job, soon after. What a tenant has above a limit stays; nothing more comes in.',
      access: 'plans.write',
      params: ID_PARAMS,
      body: PLAN_REPLACEMENT,
      reply: PLAN,
      load,
      handle: async (scope, { params, body, ifMatch }) => versioned(await replacePlan(deps, scope, params.id, body, ifMatch)),
    }),
    route('PATCH /api/plans/{id}', {
      ...common,
      summary: 'Change a plan',
      description: 'As PUT; a limit that is null goes.',
      access: 'plans.write',
      params: ID_PARAMS,
      body: PLAN_PATCH,
      reply: PLAN,
      load,
      handle: async (scope, { params, body, ifMatch }) => versioned(await patchPlan(deps, scope, params.id, body, ifMatch)),
    }),
    route('DELETE /api/plans/{id}', {
      ...common,
      summary: 'Delete a plan',
      description: 'Not while a tenant is subscribed to it: 409 `plan.in_use`.',
      access: 'plans.write',
      params: ID_PARAMS,
      reply: DELETED,
      handle: async (scope, { params, ifMatch }) => {
        await removePlan(deps, scope, params.id, ifMatch);
        return deleted(params.id);
      },
    }),
  ];
}

const versioned = (row: PlanRow): ReturnType<typeof answer> => answer(viewOf(row), { version: row.version });

const viewOf = (row: PlanRow): PlanView => ({
  id: row.id,
  name: row.name,
  description: row.description,
  limits: row.limits,
  features: row.features,
  createdAt: row.created_at.toISOString(),
  updatedAt: row.updated_at.toISOString(),
});
