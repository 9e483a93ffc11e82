import { describeApiResource } from '#test/contract/api-resource.ts';
import { startGroups } from './start.ts';

describeApiResource({
  path: '/api/groups',
  permissions: { read: 'groups.read', write: 'groups.write' },
  start: startGroups,
  valid: (number) => ({ name: `group-${number}` }),
  change: { description: 'Changed' },
  invalid: {
    'an empty name': { name: '' },
    'a name with markup': { name: '<b>' },
    'a name with a line break': { name: 'a\nb' },
    'a description that is too long': { description: 'x'.repeat(501) },
  },
  takenCode: 'group.name_taken',
  textMember: 'description',
});
