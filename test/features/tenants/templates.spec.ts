import { templateRoutes } from '#src/features/tenants/templates-routes.ts';
import { describeApiResource } from '#test/contract/api-resource.ts';
import { startTenantApi } from './start.ts';

describeApiResource({
  path: '/api/tenant-templates',
  permissions: { read: 'plans.read', write: 'plans.write' },
  start: () => startTenantApi(({ deps }) => templateRoutes(deps)),
  ofRoot: true,
  valid: (number) => ({
    name: `Template ${number}`,
    type: 'team',
    roles: [{ roleName: 'editor', permissions: ['users.read'] }],
    attributeDefinitions: [{ path: 'user.department', type: 'string' }],
    settings: { signUp: 'closed' },
    limits: { members: 10, apiKeys: null },
  }),
  change: { description: 'Changed', settings: { signUp: 'open' } },
  invalid: {
    'a type that is none': { type: 'root' },
    'a built-in role': { roles: [{ roleName: 'owner' }] },
    'a role twice': { roles: [{ roleName: 'a' }, { roleName: 'a' }] },
    'a definition twice': { attributeDefinitions: Array(2).fill({ path: 'user.a', type: 'string' }) },
    'settings that are unknown': { settings: { nonsense: 1 } },
    'settings that cannot be': { settings: { timeZone: 'Mars/Base' } },
    'a limit below nothing': { limits: { members: -1 } },
    'a limit of what is not limited': { limits: { elephants: 1 } },
  },
  takenCode: 'tenant_template.name_taken',
  textMember: 'description',
});
