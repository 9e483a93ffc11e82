import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

describe('npm start', () => {
  it('refuses wrong settings with code 78 and prints every fault, but no secret', () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-main-'));
    const { status, stderr, stdout } = spawnSync(process.execPath, ['src/start.js'], {
      env: { DATA_DIR: path.join(dir, 'data'), PORT: 'x', ISSUER: 'http://example.org', COOKIE_KEYS: 'changeme-not-a-secret' },
      encoding: 'utf8',
    });
    rmSync(dir, { recursive: true });
    assert.equal(status, 78);
    for (const name of ['PORT', 'ISSUER', 'COOKIE_KEYS']) assert.match(stderr, new RegExp(`^ {2}${name} `, 'm'));
    assert.doesNotMatch(stderr + stdout, /changeme-not-a-secret|at .*\.ts:\d/);
  });

  it('has its first file compiled by an earlier start too, where one kept anything, and makes no place for it otherwise', () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-main-'));
    const [kept, empty] = [path.join(dir, 'kept'), path.join(dir, 'empty')];
    mkdirSync(path.join(kept, 'compiled'), { recursive: true });
    for (const data of [kept, empty])
      assert.equal(spawnSync(process.execPath, ['src/start.js'], { env: { DATA_DIR: data, PORT: 'x' } }).status, 78);
    const found = readdirSync(path.join(kept, 'compiled'));
    assert.deepEqual([found.length > 0, existsSync(path.join(empty, 'compiled'))], [true, false]);
    rmSync(dir, { recursive: true });
  });
});
