/** The kinds of input: how each is made from a right one, where it goes, and what may come of it. */
import { BlockList, isIP } from 'node:net';
import WebSocket from 'ws';
import { AppError } from '../../src/errors.ts';
import { decodeStill } from '../../src/frames/index.ts';
import { createAddressGate } from '../../src/ingest/index.ts';
import { decodeFrameCursor, decodeStreamCursor, decodeTrackCursor } from '../../src/store/index.ts';
import type { ServerProcess } from '../faults/fixtures/server-process.ts';
import {
  checkedCode,
  exchange,
  Finding,
  outcomeOf,
  outcomeOfExchange,
  outcomeOfResponse,
  outcomeOfText,
} from './answers.ts';
import { mutateAtoms } from './atoms.ts';
import { mutateBytes, mutateJson, mutatePieces, mutateWords, type Random } from './random.ts';
import {
  ADDRESSES,
  CURSORS,
  clips,
  DOCUMENTS,
  GRAPHQL_NAMES,
  GRAPHQL_WORDS,
  pictures,
  STREAM_ID,
  WEBSOCKET_MESSAGES,
} from './seeds.ts';

export interface Kind {
  readonly name: string;
  /** Its share of all inputs, in parts of the sum. */
  readonly share: number;
  /** Longest time for one input. */
  readonly limitMs: number;
  /** Makes one input, sends it, and tells in a word what came of it. Errors: Finding. */
  readonly run: (random: Random) => Promise<string>;
}

export async function kindsOf(server: ServerProcess): Promise<readonly Kind[]> {
  const [stills, { mp4, others }] = await Promise.all([pictures(), clips()]);
  const { url } = server;

  async function post(body: unknown): Promise<string> {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return outcomeOfResponse(response);
  }

  async function still(random: Random): Promise<string> {
    try {
      await decodeStill(mutateBytes(random, random.pick(stills)), { maxPixels: 1_000_000, maxSidePixels: 2560 });
      return 'ok';
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw new Finding('decodeStill threw no AppError', { cause: thrown });
      return checkedCode(thrown.code);
    }
  }

  async function upload(random: Random): Promise<string> {
    const form = new FormData();
    const query =
      'mutation ($f: Upload!) { analyzeImage(input: { files: [$f], store: false }) { results { error { code } analysis { faces { score } } } } }';
    form.set('operations', JSON.stringify({ query, variables: { f: null } }));
    form.set('map', JSON.stringify({ 0: ['variables.f'] }));
    form.set('0', new Blob([new Uint8Array(mutateBytes(random, random.pick(stills)))]), 'picture');
    const response = await fetch(url, { method: 'POST', headers: { 'x-graphql-yoga-csrf': '1' }, body: form });
    const text = await response.text();
    const outcome = outcomeOfText(text);
    const { data } = JSON.parse(text) as { data?: { analyzeImage: { results: { error: { code: string } | null }[] } } };
    const error = data?.analyzeImage.results[0]?.error;
    return error == null ? outcome : checkedCode(error.code);
  }

  /** Uploaded, taken as a job where it may, and waited for to its end. */
  async function video(bytes: Buffer): Promise<string> {
    const sent = await server.request('/media', { method: 'PUT', body: new Uint8Array(bytes) });
    const receipt = (await sent.json()) as { id?: string };
    if (receipt.id === undefined) return outcomeOf(receipt);
    const analyze = 'mutation ($id: ID!) { analyzeVideo(input: { mediaId: $id }) { id } }';
    const taken = await server.query(analyze, { id: receipt.id });
    if (taken.errors !== undefined) return outcomeOf(taken);
    const { id } = taken.data.analyzeVideo as { id: string };
    for (;;) {
      const answer = await server.query('query ($id: ID!) { stream(id: $id) { status error { code } } }', { id });
      outcomeOf(answer);
      const { status, error } = answer.data.stream as { status: string; error: { code: string } | null };
      if (status === 'FAILED') return checkedCode(error?.code);
      if (status === 'COMPLETED') return 'ok';
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async function graphql(random: Random): Promise<string> {
    const query = random.chance(0.6)
      ? mutateWords(random, random.pick(DOCUMENTS), GRAPHQL_NAMES)
      : mutatePieces(random, random.pick(DOCUMENTS).split(/\b/), GRAPHQL_WORDS);
    if (random.chance(0.2)) {
      const body = { query: random.pick(DOCUMENTS), variables: { first: 3, id: STREAM_ID }, operationName: null };
      return post(
        random.chance(0.7) ? mutateJson(random, body) : mutatePieces(random, JSON.stringify(body).split(/\b/)),
      );
    }
    return post({ query, variables: random.pick([undefined, {}, null, { first: 1e12, id: [] }, []]) });
  }

  async function cursor(random: Random): Promise<string> {
    const after = random.chance(0.5)
      ? mutatePieces(random, [...random.pick(CURSORS)])
      : Buffer.from(
          mutatePieces(random, Buffer.from(random.pick(CURSORS), 'base64url').toString().split(/\b/)),
        ).toString('base64url');
    for (const decode of [
      () => decodeFrameCursor(STREAM_ID, after),
      () => decodeTrackCursor(STREAM_ID, after),
      () => decodeStreamCursor(after).createdAt.getTime(),
    ]) {
      try {
        const number = decode();
        if (!Number.isSafeInteger(number) || number < 0) throw new Finding(`a cursor of ${number}: ${after}`);
      } catch (thrown) {
        if (!(thrown instanceof AppError && thrown.code === 'CURSOR_INVALID')) throw thrown;
      }
    }
    return post({ query: 'query ($after: Cursor) { streams(after: $after) { nodes { id } } }', variables: { after } });
  }

  // Every name leads to this machine, so none may be opened; an address that is one leads where it says.
  const gate = createAddressGate({ resolve: async () => ['127.0.0.1'] });
  async function address(random: Random): Promise<string> {
    const changed = mutatePieces(random, random.pick(ADDRESSES).split(/\b|(?=[.:/@])/));
    try {
      gate.check(changed);
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw new Finding('the gate threw no AppError', { cause: thrown });
      // What is refused here is refused there too, so that no stranger is called.
      const sent = await post({
        query: 'mutation ($url: String!) { openStream(input: { url: $url }) { id } }',
        variables: { url: changed },
      });
      if (sent !== thrown.code) throw new Finding(`${changed}: ${thrown.code} of the gate, ${sent} of the server`);
      return checkedCode(thrown.code);
    }
    if (isPrivateByAnotherMeasure(changed)) throw new Finding(`a private address would be opened: ${changed}`);
    try {
      await using opened = await gate.open(changed, { signal: AbortSignal.timeout(10_000) });
      if (isIP(hostOf(changed) ?? '') === 0) throw new Finding(`a name was opened: ${changed} by ${opened.kind}`);
      return 'opens';
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      return checkedCode(thrown.code);
    }
  }

  async function multipart(random: Random): Promise<string> {
    const operations = JSON.stringify({
      query: 'mutation ($f: Upload!) { analyzeImage(input: { files: [$f], store: false }) { results { name } } }',
      variables: { f: null },
    });
    const part = (name: string, content: string, more = ''): string =>
      `--edge\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${content}\r\n`;
    const text = [
      part('operations', operations),
      part('map', '{"0":["variables.f"]}'),
      part('0', 'no picture', '; filename="a.jpg"'),
      '--edge--\r\n',
    ].join('');
    const body = random.chance(0.5) ? mutateBytes(random, Buffer.from(text)) : mutatePieces(random, text.split(/\b/));
    return outcomeOfExchange(await exchange(url, request('POST /graphql', body, 'multipart/form-data; boundary=edge')));
  }

  async function media(random: Random): Promise<string> {
    const whole = request('PUT /media', mp4.subarray(0, 1000), 'video/mp4');
    const headBytes = whole.indexOf('\r\n\r\n') + 4;
    const head = whole.toString('latin1', 0, headBytes);
    const changed = random.chance(0.5)
      ? mutatePieces(random, head.split(/\b/))
      : mutateBytes(random, Buffer.from(head));
    return outcomeOfExchange(await exchange(url, Buffer.concat([Buffer.from(changed), whole.subarray(headBytes)])));
  }

  function request(line: string, body: Uint8Array | string, type: string): Buffer {
    const { host } = new URL(url);
    const content = Buffer.from(body as string);
    const head = `${line} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\nx-graphql-yoga-csrf: 1\r\nConnection: close\r\nContent-Length: ${content.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), content]);
  }

  return [
    { name: 'pictures decoded', share: 25, limitMs: 40_000, run: still },
    { name: 'pictures uploaded', share: 8, limitMs: 60_000, run: upload },
    { name: 'MP4 atoms', share: 3, limitMs: 90_000, run: (random) => video(mutateAtoms(random, mp4)) },
    {
      name: 'MKV, TS, MP4 bytes',
      share: 2,
      limitMs: 90_000,
      run: (random) => video(mutateBytes(random, random.pick([mp4, ...others]))),
    },
    { name: 'GraphQL documents', share: 22, limitMs: 20_000, run: graphql },
    { name: 'WebSocket messages', share: 15, limitMs: 20_000, run: (random) => webSocket(url, random) },
    { name: 'cursors', share: 7, limitMs: 20_000, run: cursor },
    { name: 'addresses', share: 10, limitMs: 20_000, run: address },
    { name: 'multipart bodies', share: 4, limitMs: 20_000, run: multipart },
    { name: '/media requests', share: 4, limitMs: 20_000, run: media },
  ];
}

/** One list for each version: Node compares IPv4 addresses with IPv6-mapped ranges as well. */
const PRIVATE = { 4: new BlockList(), 6: new BlockList() };
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['224.0.0.0', 3],
] as const) {
  PRIVATE[4].addSubnet(net, bits, 'ipv4');
}
for (const [net, bits] of [
  ['::', 96],
  ['::ffff:0:0', 96],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  PRIVATE[6].addSubnet(net, bits, 'ipv6');
}

/** The host as browsers read it, who know more spellings of an IP address than the gate; null for what is no address. */
function hostOf(text: string): string | null {
  const asHttp = text.replace(/^[a-z]+:/i, 'http:');
  return URL.canParse(asHttp) ? new URL(asHttp).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '') : null;
}

function isPrivateByAnotherMeasure(text: string): boolean {
  const host = hostOf(text) ?? '';
  const version = isIP(host);
  if (version === 4) return PRIVATE[4].check(host);
  return version === 6 && PRIVATE[6].check(host, 'ipv6');
}

/** Of RFC 6455 and graphql-transport-ws; none of them says that the server has failed. */
const CLOSE_CODES = new Set([1000, 1001, 1002, 1003, 1005, 1006, 1007, 1009, 4400, 4401, 4406, 4408, 4409, 4429]);
const KNOWN_TYPES = new Set(['connection_ack', 'next', 'error', 'complete', 'ping', 'pong']);

const AFTERMATH_MS = 50;

function wrongMessage(random: Random): string | Buffer {
  const message = random.pick(WEBSOCKET_MESSAGES);
  if (random.chance(0.4)) {
    const payload = { query: mutateWords(random, random.pick(DOCUMENTS), GRAPHQL_NAMES), variables: { id: STREAM_ID } };
    return JSON.stringify({ id: '9', type: 'subscribe', payload });
  }
  if (random.chance(0.5)) return JSON.stringify(mutateJson(random, JSON.parse(message)));
  if (random.chance(0.3)) return mutateBytes(random, Buffer.from(message));
  return mutatePieces(random, message.split(/\b/), WEBSOCKET_MESSAGES);
}

/** A connection with right and wrong messages; ends with a ping that is answered, or with a close that says why. */
function webSocket(url: string, random: Random): Promise<string> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), 'graphql-transport-ws');
  return new Promise<string>((resolve, reject) => {
    let outcome = 'ok';
    socket.on('error', () => undefined);
    socket.once('close', (code, reason) => {
      if (CLOSE_CODES.has(code)) resolve(`closed ${code}`);
      else reject(new Finding(`closed with ${code} ${String(reason)}`));
    });
    socket.on('message', (bytes) => {
      try {
        const { type, payload } = JSON.parse(String(bytes)) as { type: string; payload?: unknown };
        if (!KNOWN_TYPES.has(type)) throw new Finding(`a message of type ${type}`);
        if (type === 'error') outcome = outcomeOf({ errors: payload });
        if (type === 'next') outcomeOf(payload);
        if (type === 'pong' && JSON.stringify(payload) === '{"end":true}') {
          // An operation that is still at work may yet bring the connection down.
          setTimeout(() => resolve(outcome), AFTERMATH_MS);
        }
      } catch (thrown) {
        reject(thrown);
      }
    });
    const speak = (): void => {
      for (let right = random.below(3); right > 0; right -= 1) socket.send(random.pick(WEBSOCKET_MESSAGES.slice(1)));
      const wrong = wrongMessage(random);
      socket.send(wrong, { binary: random.chance(0.05), fin: random.chance(0.98) });
      socket.send('{"type":"ping","payload":{"end":true}}');
    };
    socket.once('open', () => {
      if (random.chance(0.05)) return speak();
      socket.send(WEBSOCKET_MESSAGES[0]!);
      // The acknowledgement.
      socket.once('message', speak);
    });
  }).finally(() => socket.terminate());
}
