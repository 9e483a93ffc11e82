import assert from 'node:assert/strict';
import { createMetrics } from '#src/infra/metrics.ts';

describe('metrics', () => {
  it('count by route template, on a port of their own, and stop with it', async () => {
    const metrics = createMetrics();
    metrics.answered({ method: 'GET', route: '/api/users/{id}', status: 200, seconds: 0.003 });
    metrics.login('failure', 'password');
    metrics.tokens('authorization_code');
    metrics.tokens('made-up-by-a-caller');
    metrics.introspection(true);
    let ready = true;
    metrics.readiness(async () => ready);
    const port = await metrics.listen('127.0.0.1', 0);
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`);
    const text = await answer.text();
    assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    for (const line of [
      'gatehouse_http_request_duration_seconds_bucket{le="0.005",method="GET",route="/api/users/{id}",status="200"} 1',
      'gatehouse_logins_total{outcome="failure",method="password"} 1',
      'gatehouse_token_responses_total{grant_type="authorization_code"} 1',
      'gatehouse_token_responses_total{grant_type="other"} 1',
      'gatehouse_introspections_total{active="true"} 1',
    ])
      assert.ok(text.includes(line), line);
    assert.match(text, /^gatehouse_ready 1$/m);
    ready = false;
    assert.match(await metrics.text(), /^gatehouse_ready 0$/m, 'asked anew each time');
    assert.match(text, /^process_resident_memory_bytes \d/m);
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 404);
    assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status, 405);
    await metrics.close();
    await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`));
  });
});
