// Builds the dashboard into dist/, which the server embeds. `npm run dev` serves it by itself and passes the API's paths on to the
// control plane at KS_API_URL.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

const dist = fileURLToPath(new URL('dist', import.meta.url));

/** Beside each script and style its gzip, for the server to send: nothing is packed while somebody waits. */
const packed: Plugin = {
  name: 'packed',
  apply: 'build',
  closeBundle() {
    const assets = join(dist, 'assets');
    for (const name of readdirSync(assets).filter((name) => /\.(js|css)$/.test(name))) {
      writeFileSync(join(assets, `${name}.gz`), gzipSync(readFileSync(join(assets, name)), { level: 9 }));
    }
  },
};

export default defineConfig({
  plugins: [react(), packed],
  resolve: { alias: { '@keystore/sdk': fileURLToPath(new URL('../sdk/typescript/src/index.ts', import.meta.url)) } },
  build: {
    target: 'es2022',
    // Everything is a file of its own: `data:` is not among what the page may load.
    assetsInlineLimit: 0,
    // Its helper would write styles and scripts into the page.
    modulePreload: { polyfill: false },
  },
  server: {
    fs: { allow: ['..'] },
    proxy: Object.fromEntries(['/v1', '/healthz', '/readyz', '/openapi.json'].map((path) => [path, process.env['KS_API_URL'] ?? 'http://127.0.0.1:8401'])),
  },
});
