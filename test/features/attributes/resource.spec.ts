import { describeApiResource } from '#test/contract/api-resource.ts';
import { startAttributes } from './start.ts';

const permissions = { read: 'attributes.read', write: 'attributes.write' };

describeApiResource({
  path: '/api/attributes',
  permissions,
  start: startAttributes,
  valid: (number) => ({ path: `user.attribute${number}`, type: 'string' }),
  change: { description: 'Changed', personalData: true },
  invalid: {
    'a path without a prefix': { path: 'department' },
    'a path with a prefix that is none': { path: 'group.department' },
    'a path with a space': { path: 'user.a b' },
    'a type that is none': { type: 'object' },
    'a cardinality that is none': { cardinality: 'few' },
    'a person’s attribute that is sent along': { source: 'request' },
    'an attribute group that is not there': { attributeGroupId: '01890000-0000-7000-8000-000000000000' },
  },
  takenCode: 'attribute.path_taken',
  textMember: 'description',
});

describeApiResource({
  path: '/api/attribute-groups',
  permissions,
  start: startAttributes,
  valid: (number) => ({ name: `group-${number}` }),
  change: { description: 'Changed' },
  invalid: { 'an empty name': { name: '' }, 'a name with markup': { name: '<b>' } },
  takenCode: 'attribute_group.name_taken',
  textMember: 'description',
});
