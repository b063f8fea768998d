import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

/** Where `npx vite web` sends what is not the page's own: a server started beside it. */
const SERVER = 'http://127.0.0.1:4000';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    // Nothing may be fetched as data: the page's policy names its own files alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { '/graphql': { target: SERVER, ws: true }, '/media': SERVER, '/streams': SERVER },
  },
});
