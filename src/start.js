/**
 * `npm start`: what an earlier start kept compiled is there before the first file is read. Plain JavaScript, or Node would load the type stripper for this file, which
 * takes some 20 MB. Where nothing is kept yet, or not here, main.ts sees to it.
 */
import { existsSync } from 'node:fs';
import { enableCompileCache, getCompileCacheDir } from 'node:module';
import path from 'node:path';

const kept = path.resolve(process.env.DATA_DIR || 'data', 'compiled');
if (getCompileCacheDir() === undefined && existsSync(kept)) enableCompileCache(kept);
await import('./main.ts');
