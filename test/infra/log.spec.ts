import assert from 'node:assert/strict';
import { AppError } from '#src/core/errors.ts';
import { currentRequest } from '#src/core/scope.ts';
import { createLogger, type Logger } from '#src/infra/log.ts';

function capture(level = 'info'): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  return { log: createLogger({ level, destination: { write: (line: string) => void lines.push(JSON.parse(line)) } }), lines };
}

describe('log', () => {
  it('writes JSON with level names and the request it belongs to', () => {
    const { log, lines } = capture();
    currentRequest.run({ id: 'r-1', address: '', device: '', issuer: '' }, () => log.info('hello'));
    log.debug('unheard');
    assert.equal(lines.length, 1);
    assert.deepEqual([lines[0]!['level'], lines[0]!['msg'], lines[0]!['requestId']], ['info', 'hello', 'r-1']);
  });

  it('hides secrets and addresses of people at any depth that is logged', () => {
    const { log, lines } = capture();
    log.info({
      password: 'p1',
      body: { client_secret: 'p2', email: 'p3' },
      request: { headers: { authorization: 'p4', 'set-cookie': 'p5' } },
    });
    assert.doesNotMatch(JSON.stringify(lines), /p[1-5]\b/);
    assert.match(JSON.stringify(lines), /\[hidden\]/);
  });

  it('keeps codes of database errors and drops the rows they quote, down the chain of causes', () => {
    const { log, lines } = capture();
    const database = Object.assign(new Error('duplicate key'), {
      code: '23505',
      constraint: 'users_email_key',
      detail: 'Key (email)=(a@b.c)',
    });
    log.error({ err: new AppError('x.y', 500, 'Broken', { cause: new Error('at postgres://own:hunter2@db/x', { cause: database }) }) });
    const text = JSON.stringify(lines);
    assert.match(text, /users_email_key/);
    assert.match(text, /23505/);
    assert.doesNotMatch(text, /a@b\.c|hunter2/);
  });
});
