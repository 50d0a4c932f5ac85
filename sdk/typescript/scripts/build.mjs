// Builds dist/: the same sources as ES modules and as CommonJS, each with its types.
import { spawnSync } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..');
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const dist = join(folder, 'dist');

const compile = (...options) => {
  const { status } = spawnSync(process.execPath, [tsc, '--project', folder, ...options], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
};

rmSync(dist, { recursive: true, force: true });
compile('--outDir', join(dist, 'esm'));
compile('--outDir', join(dist, 'cjs'), '--module', 'commonjs', '--moduleResolution', 'bundler');
writeFileSync(join(dist, 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
copyFileSync(join(folder, '..', '..', 'LICENSE'), join(folder, 'LICENSE'));
