/** From an identity at another provider to a person goes one function, called in one place: whoever adds a second way has not thought of what it checks. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const sources = globSync('src/**/*.ts', { cwd: root }).map((file) => ({
  file: file.split(path.sep).join('/'),
  text: readFileSync(path.join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, ''),
}));
const uses = (pattern: RegExp): string[] => sources.flatMap(({ file, text }) => [...text.matchAll(pattern)].map(() => file));

describe('the way from an identity at another provider to a person', () => {
  it('is resolveIdentity, which one place calls', () => {
    assert.deepEqual(uses(/(?<!function )\bresolveIdentity\s*\(/g), ['src/app/federation.ts']);
  });

  it('is the only one that asks whose an identity is', () => {
    assert.deepEqual(uses(/\bawait lockIdentity\s*\(/g), ['src/login/social/resolve.ts']);
    // In SQL too: nobody else looks an identity up by what a provider says.
    const bySubject = sources.filter(({ text }) => /\bidentities\b/.test(text) && /\bsubject\s*=\s*[?$]/.test(text));
    assert.deepEqual(
      bySubject.map(({ file }) => file),
      ['src/login/social/store.ts'],
    );
    assert.equal([...(bySubject[0]?.text ?? '').matchAll(/user_id as "userId"/g)].length, 1);
  });
});
