/** Each way to sign in by the API keeps the contract of them. */
import { directMethodContract } from '../contract/direct-method.ts';
import { directWays } from './direct-ways.ts';

describe('sign-in by apps', function () {
  this.timeout(60_000);
  const ways = directWays();
  before(() => ways.start());
  after(() => ways.close());
  for (const method of ways.methods) directMethodContract(() => ({ app: ways.w.site.app, tenancy: ways.w.tenancy }), method);
});
