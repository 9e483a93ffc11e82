/** From an identity at another provider to a person goes one function, called in one place: whoever adds a second way has not thought of what it checks. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const sources = globSync('src/**/*.ts', { cwd: root }).map((file) => ({
  file: file.split(path.sep).join('/'),
  text: readFileSync(path.join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''),
}));
const thoseWith = (pattern: RegExp): string[] => sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);

describe('the way from an identity at another provider to a person', () => {
  it('is resolveIdentity, which one place calls', () => {
    const calls = sources.flatMap(({ file, text }) => [...text.matchAll(/(?<!function )\bresolveIdentity\s*\(/g)].map(() => file));
    assert.deepEqual(calls, ['src/app/federation.ts']);
  });

  it('is the only one that asks whose an identity is', () => {
    assert.deepEqual(
      thoseWith(/\blockIdentity\s*\(/).sort(),
      ['src/login/social/resolve.ts', 'src/login/social/store.ts']
        .filter((file) => sources.some((one) => one.file === file && /\blockIdentity\s*\(/.test(one.text)))
        .sort(),
    );
    // In SQL too: who names the table, and who selects a person from it.
    assert.deepEqual(thoseWith(/\b(from|join|into|update)\s+identities\b/i), ['src/login/social/store.ts']);
    const store = sources.find(({ file }) => file === 'src/login/social/store.ts')?.text ?? '';
    assert.equal([...store.matchAll(/user_id as "userId"/g)].length, 1);
  });
});
