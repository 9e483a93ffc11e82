import { describeApiResource } from '#test/contract/api-resource.ts';
import { startTenantApi } from './start.ts';

describeApiResource({
  path: '/api/tenants',
  permissions: { read: 'tenants.read', write: 'tenants.write' },
  start: startTenantApi,
  ofRoot: true,
  valid: (number) => ({ name: `Tenant ${number}`, slug: `tenant-${number}`, type: 'team' }),
  change: { name: 'Changed' },
  invalid: {
    'a tenant without a name': { name: '' },
    'a name of spaces': { name: '   ' },
    'a slug with capitals': { slug: 'Tenant' },
    'a slug that looks like an id': { slug: '01890000-0000-7000-8000-000000000000' },
    'a second root': { type: 'root' },
    'settings that are unknown': { settings: { nonsense: true } },
    'settings by their old name': { settings: { login: { registration: true } } },
    'a time zone that is none': { settings: { timeZone: 'Mars/Base' } },
    'an offset as a time zone': { settings: { timeZone: '+01:00' } },
    'a colour that is none': { settings: { branding: { primaryColor: 'red;}' } } },
    'a logo from elsewhere': { settings: { branding: { logoUri: 'https://logo.test/' } } },
    'a sender that would be a header': { settings: { mail: { fromName: 'A\r\nBcc: x' } } },
    'a way to sign in that is not there': { settings: { methods: ['telepathy'] } },
    'no way to sign in': { settings: { methods: [] } },
    'a session idle for longer than it lives': { settings: { sessions: { idleSeconds: 600, absoluteSeconds: 60 } } },
    'an owner who is nobody': { ownerId: '01890000-0000-7000-8000-000000000000' },
    'two owners': { ownerId: '01890000-0000-7000-8000-000000000000', ownerEmail: 'a@b.test' },
    'a template that is unknown': { templateId: '01890000-0000-7000-8000-000000000000' },
  },
  takenCode: 'tenant.slug_taken',
  textMember: 'name',
  // What is deleted stays readable for the platform until its grace is over: tenants.spec.ts.
  without: ['DELETE'],
});
