import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { SMTPServer } from 'smtp-server';
import { systemClock } from '#src/core/clock.ts';
import { AppError } from '#src/core/errors.ts';
import { createLogger } from '#src/infra/log.ts';
import { createQueueMail, createSmtpMailer, type Mail, mailHandler } from '#src/infra/mail.ts';
import { isMailAddress, parseMailAddress } from '#src/infra/mail-address.ts';
import { createSecretBox } from '#src/infra/secret-box.ts';

interface Received {
  from: string;
  to: string[];
  source: string;
  user: string | undefined;
}

const mail = (over: Partial<Mail> = {}): Mail => ({
  to: 'ada@example.org',
  subject: 'Grüße',
  text: 'hello',
  html: '<p>hello</p>',
  ...over,
});
const from = { name: 'Gatehouse', address: 'no-reply@example.org' };

describe('mail', () => {
  const received: Received[] = [];
  let server: SMTPServer;
  let port: number;

  before(async () => {
    server = new SMTPServer({
      authOptional: true,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      onAuth: ({ username, password }, _session, done) =>
        password === 'p@ss' ? done(null, { user: username ?? '' }) : done(new Error('no')),
      onRcptTo: ({ address }, _session, done) => (address.startsWith('nobody') ? done(new Error('unknown')) : done()),
      onData(stream, session, done) {
        const parts: Buffer[] = [];
        stream.on('data', (part: Buffer) => parts.push(part));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          const user = typeof session.user === 'string' ? session.user : undefined;
          received.push({
            from: mailFrom ? mailFrom.address : '',
            to: rcptTo.map(({ address }) => address),
            source: Buffer.concat(parts).toString(),
            user,
          });
          done();
        });
      },
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.server.address() as AddressInfo).port;
  });
  beforeEach(() => received.splice(0));
  after(() => new Promise<void>((resolve) => server.close(resolve)));

  it('arrives with text and page, from the address that is set, signed in where the URL says so', async () => {
    await createSmtpMailer(`smtp://mailer:p%40ss@127.0.0.1:${port}`, from).send(mail());
    assert.equal(received.length, 1);
    const [{ from: sender, to, source, user }] = received as [Received];
    assert.deepEqual([sender, to, user], ['no-reply@example.org', ['ada@example.org'], 'mailer']);
    for (const part of [
      /^From: Gatehouse <no-reply@example\.org>/m,
      /^Subject: =\?UTF-8\?/m,
      /text\/plain/,
      /text\/html/,
      /^Auto-Submitted: auto-generated/im,
    ])
      assert.match(source, part);
  });

  it('is from whom the tenant says, at the address of the installation', async () => {
    const box = createSecretBox([Buffer.alloc(32, 1)]);
    const mailer = createSmtpMailer(`smtp://127.0.0.1:${port}`, from);
    const jobs: { payload: unknown }[] = [];
    const queue = createQueueMail({
      jobs: { add: async (job) => void jobs.push(job) },
      box,
      mailer,
      fromNameOf: async (tenantId) => (tenantId === 'acme' ? 'Acme, Inc.' : undefined),
    });
    await queue(mail(), undefined, { tenantId: 'acme' });
    await queue(mail(), undefined, { tenantId: 'other' });
    await queue(mail());
    const log = createLogger({ level: 'silent', destination: new Writable() });
    for (const { payload } of jobs) await mailHandler({ box, mailer, clock: systemClock, log })(payload, { attempt: 1 });
    const senders = received.map(({ from: sender, source }) => [sender, /^From: (.*?)\r?$/m.exec(source)?.[1]]);
    assert.deepEqual(senders, [
      [from.address, `"Acme, Inc." <${from.address}>`],
      [from.address, `Gatehouse <${from.address}>`],
      [from.address, `Gatehouse <${from.address}>`],
    ]);
    await assert.rejects(mailer.send(mail({ fromName: 'Acme\r\nBcc: eve@example.org' })), TypeError);
  });

  it('fails where the server refuses the recipient', async () => {
    await assert.rejects(createSmtpMailer(`smtp://127.0.0.1:${port}`, from).send(mail({ to: 'nobody@example.org' })));
    assert.equal(received.length, 0);
  });

  it('never has a second recipient or a header that was smuggled in', async () => {
    const mailer = createSmtpMailer(`smtp://127.0.0.1:${port}`, from);
    for (const to of [
      'a@b.c, d@e.f',
      'a@b.c\r\nBcc: d@e.f',
      'A <a@b.c>',
      'a@b.c;d@e.f',
      '"a b"@c.d',
      'a@b@c.d',
      'group: a@b.c;',
      '',
      'a@[127.0.0.1]',
    ])
      await assert.rejects(mailer.send(mail({ to })), (error) => error instanceof AppError && error.code === 'mail.bad_address', to);
    await assert.rejects(mailer.send(mail({ subject: 'Hi\r\nBcc: d@e.f' })), TypeError);
    assert.equal(received.length, 0);
  });

  it('is answered with 503 where it is not set up', async () => {
    const queue = createQueueMail({
      jobs: { add: async () => assert.fail('queued') },
      box: createSecretBox([Buffer.alloc(32, 1)]),
      mailer: undefined,
    });
    await assert.rejects(
      queue(mail()),
      (error) => error instanceof AppError && error.status === 503 && error.code === 'mail.not_configured',
    );
  });

  it('knows an address from what is none', () => {
    for (const good of ['a@b.c', 'first.last+tag@sub.example.org', "o'neil@example.org", 'admin@localhost'])
      assert.ok(isMailAddress(good), good);
    for (const bad of ['a', '@b', 'a@', '.a@b.c', 'a..b@c.d', 'a@-b.c', 'a b@c.d', `${'a'.repeat(65)}@b.c`, 'ü@b.c', 'a@b.c\n'])
      assert.ok(!isMailAddress(bad), bad);
    assert.deepEqual(parseMailAddress('Acme ID <id@acme.example>'), { name: 'Acme ID', address: 'id@acme.example' });
    assert.equal(parseMailAddress('Acme\n <id@acme.example>'), undefined);
  });
});
