/** The layout's law, design sections 1 and 2: who may import whom, who may speak SQL, read the clock or the environment. No exceptions. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const files = globSync('src/**/*.ts', { cwd: root }).map((file) => file.split(path.sep).join('/'));
const sources = new Map(files.map((file) => [file, readFileSync(path.join(root, file), 'utf8')]));

interface Import {
  from: string;
  specifier: string;
  /** The imported file, where it is one of ours. */
  to: string | undefined;
  typeOnly: boolean;
}

const IMPORT = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;

function importsOf(file: string): Import[] {
  return [...withoutComments(sources.get(file)!).matchAll(IMPORT)].map((match) => {
    const specifier = match[2] ?? match[3]!;
    const to = specifier.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), specifier)
      : specifier.startsWith('#src/')
        ? `src/${specifier.slice('#src/'.length)}`
        : undefined;
    return { from: file, specifier, to, typeOnly: match[1] !== undefined };
  });
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');
}

const imports = files.flatMap(importsOf);
const ours = imports.filter((one): one is Import & { to: string } => one.to !== undefined);

const LEVELS: readonly (readonly string[])[] = [
  ['core'],
  ['infra', 'http'],
  ['features'],
  ['oidc'],
  ['login'],
  ['account', 'console', 'demo'],
  ['app'],
  ['main', 'cli'],
];
const ROOT_FILES: Readonly<Record<string, string>> = { 'app.ts': 'app', 'main.ts': 'main', 'cli.ts': 'cli', 'config.ts': 'infra' };

function folderOf(file: string): string {
  const parts = file.split('/');
  return parts.length === 2 ? (ROOT_FILES[parts[1]!] ?? parts[1]!) : parts[1]!;
}
const levelOf = (file: string): number => LEVELS.findIndex((level) => level.includes(folderOf(file)));
const sliceOf = (file: string): string | undefined => /^src\/features\/([^/]+)\//.exec(file)?.[1];

const list = (found: Import[]): string => found.map(({ from, specifier }) => `${from} -> ${specifier}`).join('\n');

describe('architecture', () => {
  it('finds the sources it judges', () => {
    assert.ok(files.length > 20, `only ${files.length} files`);
    assert.ok(ours.length > 20);
  });

  it('knows the level of every file', () => {
    assert.deepEqual(
      files.filter((file) => levelOf(file) < 0),
      [],
    );
  });

  it('imports point to the same folder or to lower levels', () => {
    const wrong = ours.filter(({ from, to }) => folderOf(from) !== folderOf(to) && levelOf(from) <= levelOf(to));
    assert.deepEqual(list(wrong), '');
  });

  it('every import of ours exists', () => {
    assert.deepEqual(list(ours.filter(({ to }) => to.endsWith('.ts') && !sources.has(to))), '');
  });

  it('core imports nothing but Node and itself', () => {
    const wrong = imports.filter(
      ({ from, to, specifier }) => folderOf(from) === 'core' && !(to && folderOf(to) === 'core') && !specifier.startsWith('node:'),
    );
    assert.deepEqual(list(wrong), '');
  });

  it("a slice takes another slice's types only, through its door", () => {
    const across = ours.filter(({ from, to }) => sliceOf(from) !== undefined && sliceOf(to) !== undefined && sliceOf(from) !== sliceOf(to));
    assert.deepEqual(list(across.filter(({ to, typeOnly }) => !typeOnly || !to.endsWith('/index.ts'))), '');
  });

  it('only oidc imports oidc-provider', () => {
    const wrong = imports.filter(({ from, specifier }) => specifier === 'oidc-provider' && folderOf(from) !== 'oidc');
    assert.deepEqual(list(wrong), '');
  });

  it('nobody imports from the inside of oidc-provider', () => {
    assert.deepEqual(list(imports.filter(({ specifier }) => specifier.startsWith('oidc-provider/'))), '');
  });

  it('only stores, infra and the OIDC adapter speak SQL', () => {
    const SPEAKERS = /^src\/(infra\/|oidc\/(adapter|unit-of-work)\.ts$)|(^|\/|-)store\.ts$/;
    const SQL = /\b(insert\s+into\s+\w|delete\s+from\s+\w|update\s+\w+\s+set\s|select\s+[\w*.,\s()]+\s+from\s+\w)/i;
    const wrong = files.filter((file) => !SPEAKERS.test(file) && SQL.test(withoutComments(sources.get(file)!)));
    assert.deepEqual(wrong, []);
  });

  it('only config.ts reads the environment', () => {
    assert.deepEqual(
      files.filter(
        (file) =>
          file !== 'src/config.ts' &&
          file !== 'src/main.ts' &&
          file !== 'src/cli.ts' &&
          /process\.env\b/.test(withoutComments(sources.get(file)!)),
      ),
      [],
    );
    for (const file of ['src/main.ts', 'src/cli.ts']) {
      const uses = withoutComments(sources.get(file) ?? '').match(/[^\n]*process\.env[^\n]*/g) ?? [];
      assert.deepEqual(
        uses.filter((line) => !/loadConfig\(process\.env/.test(line)),
        [],
        `${file} hands the environment to loadConfig and does not look into it`,
      );
    }
  });

  it('only core/clock.ts reads the clock', () => {
    const wrong = files.filter(
      (file) => file !== 'src/core/clock.ts' && /\bDate\.now\(|new Date\(\s*\)/.test(withoutComments(sources.get(file)!)),
    );
    assert.deepEqual(wrong, []);
  });

  it('an index.ts is a door of a slice or a registry', () => {
    const wrong = files.filter(
      (file) => file.endsWith('/index.ts') && !/^src\/features\/[^/]+\/index\.ts$|^src\/login\/(methods|social)\/index\.ts$/.test(file),
    );
    assert.deepEqual(wrong, []);
  });

  it('no default exports, no code made from strings', () => {
    assert.deepEqual(
      files.filter((file) => /^export default\b|\beval\(|new Function\(/m.test(withoutComments(sources.get(file)!))),
      [],
    );
  });

  it('no import cycles, type imports counted too between folders', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of ours) if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, trail: string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    assert.deepEqual(cycles, []);
  });

  it('no file is longer than 300 lines, app.ts than 200, and half of all are short', () => {
    const lengths = files.map((file) => ({ file, lines: sources.get(file)!.split('\n').length - 1 }));
    assert.deepEqual(
      lengths.filter(({ file, lines }) => lines > (file === 'src/app.ts' ? 200 : 300)),
      [],
    );
  });
});
