/**
 * Serves webcam.html to the browsers of this machine: a page that is opened as a file has no origin that the server could
 * allow, and no camera in some browsers.
 *
 *     node examples/serve.mjs [8080]
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const HOST = '127.0.0.1';
const PAGE = new URL('webcam.html', import.meta.url);

const port = Number(process.argv[2] ?? 8080);
if (!Number.isInteger(port) || port < 0 || port > 65_535) {
  console.error('Usage: node examples/serve.mjs [PORT]');
  process.exit(2);
}

const server = createServer((request, response) => {
  const [path, query] = (request.url ?? '/').split('?');
  if (path !== '/' && path !== '/webcam.html') {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('There is only /webcam.html here.\n');
  } else if (request.headers.host !== new URL(origin()).host) {
    // The circumplex server knows the page by one origin, so localhost is led to the same as 127.0.0.1.
    const location = `${origin()}/webcam.html${query === undefined ? '' : `?${query}`}`;
    response.writeHead(307, { location }).end();
  } else {
    send(response).catch((error) => response.destroy(error));
  }
});

server.once('error', (error) => {
  const reason = error.code === 'EADDRINUSE' ? 'another program listens there' : error.message;
  console.error(`Cannot listen on ${HOST} port ${port}: ${reason}.`);
  process.exitCode = 1;
});
server.listen(port, HOST, () => {
  console.log(`${origin()}/webcam.html`);
  console.log(`The server has to allow it: CORS_ORIGINS=${origin()} npm start`);
});

function origin() {
  return `http://${HOST}:${server.address().port}`;
}

/** Reads the page anew each time, so that a change of it needs no restart. */
async function send(response) {
  const page = await readFile(PAGE);
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
  });
  response.end(page);
}
