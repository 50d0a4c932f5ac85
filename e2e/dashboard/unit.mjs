// Modules of the dashboard outside of a browser: built from their sources, nothing else beside them.
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ui = fileURLToPath(new URL('../../ui/', import.meta.url));
const bundler = createRequire(`${ui}node_modules/vite/package.json`).resolve('rolldown');

/** The exports of these sources below `ui/src`, together. */
export const load = async (...paths) => {
  const { rolldown } = await import(pathToFileURL(bundler));
  const entry = {
    name: 'entry',
    resolveId: (id) => (id === 'entry' ? '\0entry' : undefined),
    load: (id) => (id === '\0entry' ? paths.map((path) => `export * from ${JSON.stringify(`${ui}src/${path}`)};`).join('\n') : undefined),
  };
  const bundle = await rolldown({ input: 'entry', plugins: [entry] });
  const { output } = await bundle.generate({ format: 'es' });
  await bundle.close();
  return import(`data:text/javascript;base64,${Buffer.from(output[0].code).toString('base64')}`);
};
