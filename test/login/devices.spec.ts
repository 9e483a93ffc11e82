/** Devices that know a person: named to them, sealed in the database, and told of by mail whichever door they came by. */
import assert from 'node:assert/strict';
import { productOf } from '#src/core/messages/device.ts';
import { basicAuth, newAddress, type RunningApp, startTestApp } from '#test/support/app.ts';
import { Visitor } from './site.ts';

const PASSWORD = 'violet cactus thunder marble';
const CHROME = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36';
const IPHONE = 'AcmeShop/3.1 (com.acme.shop; build:7; iPhone OS 18.0)';
const SERVER = 'acme-backend/1.0';

describe('devices that know a person', function () {
  this.timeout(60_000);
  let app: RunningApp;
  let headers: Record<string, string>;
  let clientId: string;
  let people = 0;

  before(async () => {
    app = await startTestApp();
    ({ headers, clientId } = await addApp('Acme Shop'));
  });
  after(() => app.close());

  async function addApp(name: string): Promise<{ headers: Record<string, string>; clientId: string }> {
    const made = await app.api('POST', '/api/clients', {
      client_name: name,
      redirect_uris: [],
      response_types: [],
      grant_types: ['refresh_token'],
      direct_login: true,
    });
    assert.equal(made.status, 201, made.text);
    const id = String(made.body['client_id']);
    return { clientId: id, headers: basicAuth({ id, secret: String(made.body['client_secret']) }) };
  }
  async function person(): Promise<{ id: string; email: string }> {
    people += 1;
    const email = `devices${people}@example.test`;
    const made = await app.api('POST', '/api/users', { email, emailVerified: true, password: PASSWORD });
    assert.equal(made.status, 201, made.text);
    return { id: String(made.body['id']), email };
  }
  const direct = (email: string, device: string, password = PASSWORD, by = headers) =>
    app.api('POST', '/api/auth/login', { username: email, password }, { ...by, 'user-agent': device, 'x-forwarded-for': newAddress() });
  const mails = async (to: string): Promise<{ text: string }[]> => {
    for (let round = 0; round < 100; round += 1) {
      const { rows } = await app.owner.query<{ left: string }>('select count(*) as left from graphile_worker.jobs');
      if (rows[0]?.left === '0') break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const all = (await (await fetch(`${app.issuer}/dev/mailbox.json`)).json()) as { to: string; subject: string; text: string }[];
    return all.filter((mail) => mail.to === to && /New sign-in/.test(mail.subject));
  };

  it('are told of once by mail where an application signs the person in: not the first, not a new version, not who is refused', async () => {
    const { email } = await person();
    assert.equal((await direct(email, SERVER)).status, 200);
    assert.equal((await direct(email, SERVER)).status, 200);
    assert.equal((await direct(email, 'acme-backend/2.0')).status, 200);
    assert.equal((await direct(email, IPHONE, 'wrong')).status, 401);
    assert.deepEqual(await mails(email), []);
    assert.equal((await direct(email, IPHONE)).status, 200);
    for (let round = 0; round < 3; round += 1) assert.equal((await direct(email, IPHONE.replace('3.1', `3.${round}`))).status, 200);
    const [told, ...more] = await mails(email);
    assert.match(told?.text ?? '', /iPhone/);
    assert.deepEqual(more, []);
    const other = await addApp('Another');
    assert.equal((await direct(email, IPHONE, PASSWORD, other.headers)).status, 200);
    assert.equal((await mails(email)).length, 2, 'the same telephone by another application is new');
  });

  it('are one of each kind, however many sign-ins come at once', async () => {
    const { id, email } = await person();
    assert.equal((await direct(email, SERVER)).status, 200);
    const all = await Promise.all(Array.from({ length: 6 }, () => direct(email, IPHONE)));
    assert.deepEqual([...new Set(all.map(({ status }) => status))], [200]);
    const { rows } = await app.owner.query('select count(*)::int as n from known_devices where user_id = $1', [id]);
    assert.equal(rows[0].n, 2);
    assert.equal((await mails(email)).length, 1);
  });

  it('spare nobody the lock by an application: who knows its name is no friend of the person', async () => {
    const { email } = await person();
    assert.equal((await direct(email, IPHONE)).status, 200);
    let status = 0;
    for (let round = 0; round < 12; round += 1) status = (await direct(email, SERVER, 'wrong')).status;
    assert.equal(status, 429);
    assert.equal((await direct(email, IPHONE)).status, 429);
  });

  it('are named to the person by page and by API, and to nobody who reads the database', async () => {
    const { id, email } = await person();
    const address = newAddress();
    const ada = new Visitor(app.issuer, { 'x-forwarded-for': address, accept: 'text/html', 'user-agent': CHROME });
    await ada.open('/account');
    await ada.submit({ login: email, password: PASSWORD });
    assert.equal((await direct(email, IPHONE)).status, 200);
    await ada.open('/account/activity');
    assert.match(ada.at!.text, /<strong>Chrome on macOS<\/strong>/);
    assert.match(ada.at!.text, /<strong>Acme Shop · iPhone<\/strong>/);
    assert.ok(ada.at!.text.includes(address));
    await ada.open('/account');
    assert.match(ada.at!.text, /Chrome on macOS/, 'its session too');

    const { rows } = await app.owner.query<{ sealed: Buffer; hash: string }>(
      'select sealed, device_hash as hash from known_devices where user_id = $1',
      [id],
    );
    assert.equal(rows.length, 2);
    for (const { sealed } of rows) for (const fact of [address, 'Chrome', 'iPhone', clientId]) assert.ok(!sealed.includes(fact), fact);
    // What is moved to another device is not read there.
    await app.owner.query('update known_devices set sealed = $3 where user_id = $1 and device_hash = $2', [
      id,
      rows[0]!.hash,
      rows[1]!.sealed,
    ]);
    await ada.open('/account/activity');
    assert.equal(ada.at!.status, 200);
    assert.equal([...ada.at!.text.matchAll(/<strong>(Chrome on macOS|Acme Shop · iPhone)<\/strong>/g)].length, 1);
  });

  it('tell whatever a browser calls itself in words of ours', async () => {
    const { email } = await person();
    const ada = new Visitor(app.issuer, {
      'x-forwarded-for': newAddress(),
      accept: 'text/html',
      'user-agent': '<script>alert(1)</script>',
    });
    await ada.open('/account');
    await ada.submit({ login: email, password: PASSWORD });
    await ada.open('/account/activity');
    assert.ok(!ada.at!.text.includes('<script>alert'));
    assert.match(ada.at!.text, /Unknown device|unknown device/i);
    assert.deepEqual(
      [productOf(IPHONE), productOf(CHROME), productOf('\u0000\r\n'), productOf('')],
      ['AcmeShop iPhone', 'Chrome macOS', ' ', ' '],
    );
  });
});
