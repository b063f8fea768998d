/** What every answer of the server has to be, whatever was asked. */
import { connect } from 'node:net';
import { ERROR_KINDS } from '../../src/errors.ts';
import { settlesWithin } from '../../src/flow/index.ts';

/** Something that must not happen. */
export class Finding extends Error {
  override readonly name = 'Finding';
}

/** A code of the closed list, and never the one for what should not happen. */
export function checkedCode(code: unknown): string {
  if (typeof code !== 'string' || !Object.hasOwn(ERROR_KINDS, code) || code === 'INTERNAL') {
    throw new Finding(`an error with the code ${JSON.stringify(code)}`);
  }
  return code;
}

function codesIn(errors: unknown): string[] {
  if (!Array.isArray(errors) || errors.length === 0) throw new Finding(`no list of errors: ${JSON.stringify(errors)}`);
  return errors.map((error: { message?: unknown; extensions?: { code?: unknown; retryable?: unknown } } | null) => {
    const code = checkedCode(error?.extensions?.code);
    if (typeof error?.message !== 'string' || typeof error.extensions?.retryable !== 'boolean') {
      throw new Finding(`an error without its parts: ${JSON.stringify(error)}`);
    }
    return code;
  });
}

/** What came of it in one word: `ok`, or the first error's code. */
export function outcomeOf(result: unknown): string {
  if (typeof result !== 'object' || result === null) throw new Finding(`no result: ${JSON.stringify(result)}`);
  if ('error' in result) {
    const { code } = (result.error ?? {}) as { code?: unknown };
    return checkedCode(code);
  }
  if ('errors' in result) return codesIn(result.errors)[0]!;
  if ('data' in result || 'id' in result) return 'ok';
  throw new Finding(`no result: ${JSON.stringify(result).slice(0, 300)}`);
}

export function outcomeOfText(text: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Finding(`an answer that is no JSON: ${text.slice(0, 300)}`);
  }
  return outcomeOf(parsed);
}

/** Nothing of a subscription that has nothing to tell; it would go on for as long as its stream. */
const SILENCE_MS = 500;

/** Of an answer over HTTP in whichever form it comes; of server-sent events the first, or `silent` for none. */
export async function outcomeOfResponse(response: Response): Promise<string> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
    return outcomeOfText(await response.text());
  }
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const next = reader.read();
    const done = (await settlesWithin(next, SILENCE_MS)) ? (await next).done : true;
    text += done ? '' : (await next).value;
    const [, event] = /^data: (.+)\n/m.exec(text) ?? [];
    if (event !== undefined || done) {
      void reader.cancel().catch(() => undefined);
      next.catch(() => undefined);
      return event === undefined ? 'silent' : outcomeOfText(event);
    }
  }
}

/** For an answer to what is no whole request, perhaps. */
const PATIENCE_MS = 1000;
const LARGEST_ANSWER_BYTES = 16 * 1024 * 1024;

/** Sends bytes as a whole connection of HTTP, and gives what came back once the server has ended it. */
export function exchange(url: string, bytes: Uint8Array): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let answer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length > LARGEST_ANSWER_BYTES) socket.destroy();
    });
    // A server may cut off whoever speaks nonsense.
    socket.on('error', () => undefined);
    socket.once('close', () => resolve(answer.toString()));
    socket.write(bytes);
    // A server that waits for the rest of a body, or for a next request, sees that it waits in vain. Not sooner: Node's
    // takes a half-closed connection for one that wants no answer any more.
    setTimeout(() => socket.end(), PATIENCE_MS);
  });
}

/** What came of an {@link exchange}: also `cut` and, for what is no HTTP at all, Node's own bare `refused`. */
export function outcomeOfExchange(answer: string): string {
  if (answer === '') return 'cut';
  const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(answer) ?? [];
  if (status === undefined) throw new Finding(`an answer that is no HTTP: ${answer.slice(0, 300)}`);
  const at = answer.indexOf('\r\n\r\n');
  const [head, body] = [answer.slice(0, at).toLowerCase(), answer.slice(at + 4)];
  if (body === '') return `refused ${status}`;
  if (!head.includes('json')) return `other ${status}`;
  return outcomeOfText(head.includes('transfer-encoding: chunked') ? unchunked(body) : firstAnswer(head, body));
}

/** Bytes behind the request are taken for a second one, whose answer follows. */
function firstAnswer(head: string, body: string): string {
  const [, length] = /content-length: (\d+)/.exec(head) ?? [];
  return length === undefined ? body : Buffer.from(body).toString('utf8', 0, Number(length));
}

function unchunked(body: string): string {
  let text = Buffer.alloc(0);
  for (let rest = Buffer.from(body); ; ) {
    const line = rest.indexOf('\r\n');
    const length = Number.parseInt(rest.toString('latin1', 0, Math.max(0, line)), 16);
    if (!(length > 0)) return text.toString();
    text = Buffer.concat([text, rest.subarray(line + 2, line + 2 + length)]);
    rest = rest.subarray(line + 4 + length);
  }
}
