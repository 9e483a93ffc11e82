import { describeApiResource } from '#test/contract/api-resource.ts';
import { startUsers } from './start.ts';

describeApiResource({
  path: '/api/users',
  permissions: { read: 'users.read', write: 'users.write' },
  start: () => startUsers(),
  valid: (number) => ({ username: `person-${number}`, givenName: 'Ada', attributes: { department: 'HR' } }),
  change: { givenName: 'Grace', familyName: 'Hopper' },
  invalid: {
    'a name that is a number': { givenName: 5 },
    'an empty name': { givenName: '' },
    'a name with a line break': { givenName: 'a\nb' },
    'a name with markup': { givenName: '<b>Ada</b>' },
    'a user name that looks like an address': { username: 'ada@corp.test' },
    'an unknown status': { status: 'asleep' },
    'a locale that is none': { locale: 'not a locale' },
    'a number that is none': { phone: '12345678' },
    'an attribute that is an object': { attributes: { a: { b: 1 } } },
    'an attribute with a strange name': { attributes: { 'a b': 1 } },
    'a common password': { password: 'password' },
  },
  takenCode: 'user.username_taken',
  textMember: 'givenName',
});
