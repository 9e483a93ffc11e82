import { describeApiResource } from '#test/contract/api-resource.ts';
import { startRoles } from './start.ts';

describeApiResource({
  path: '/api/roles',
  permissions: { read: 'roles.read', write: 'roles.write' },
  start: startRoles,
  valid: (number) => ({ roleName: `role-${number}`, permissions: ['users.read'] }),
  change: { description: 'Changed', permissions: ['audit.read', 'users.read'], parents: ['member'] },
  invalid: {
    'an empty name': { roleName: '' },
    'a name with markup': { roleName: '<b>' },
    'a name that ends in a space': { roleName: 'role ' },
    'a name that looks like an id': { roleName: '01890000-0000-7000-8000-000000000000' },
    'a permission that nobody knows': { permissions: ['users.read', 'nothing.at_all'] },
    'a parent that is no role': { parents: ['nobody'] },
    'the role of owners as a parent': { parents: ['owner'] },
    'permissions that are text': { permissions: 'users.read' },
  },
  takenCode: 'role.name_taken',
  textMember: 'description',
});
