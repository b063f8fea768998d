/**
 * The subscribers of fan-out.ts, in a process of their own. They look at nothing but the heads of the WebSocket frames
 * that come, so that the server is the slower side and what is measured is the server.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** Opens connections, which subscribe where there is a query. */
export interface Opening {
  readonly group: string;
  readonly port: number;
  readonly path: string;
  readonly count: number;
  readonly query: string | null;
}

export type Order =
  | ({ readonly kind: 'open' } & Opening)
  | { readonly kind: 'count'; readonly group: string }
  | { readonly kind: 'close' };

/** The answer to every order: what the group has received by now, and the text of a last message. */
export interface Received {
  readonly messages: number;
  readonly last: string;
}

const TEXT = 0x81;
const PING = 0x89;
/** With a mask, as a client's frames must have, of zeros, which changes nothing. */
const PONG = Buffer.from([0x8a, 0x80, 0, 0, 0, 0]);

/** Counts the text messages of one connection. */
class Subscriber {
  messages = 0;
  /** Bytes of a frame that goes on in the next chunk. */
  #rest: Buffer = Buffer.alloc(0);
  #last: Buffer = Buffer.alloc(0);
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  close(): void {
    this.#socket.destroy();
  }

  get last(): string {
    return this.#last.toString();
  }

  read(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= 4) {
      const short = bytes[at + 1]!;
      if (short > 126) throw new Error('a message is longer than the benchmark expects');
      const begin = short === 126 ? at + 4 : at + 2;
      const end = begin + (short === 126 ? bytes.readUInt16BE(at + 2) : short);
      if (end > bytes.length) break;
      if (bytes[at] === TEXT) {
        this.messages += 1;
        this.#last = bytes.subarray(begin, end);
      } else if (bytes[at] === PING) {
        this.#socket.write(PONG);
      }
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}

const groups = new Map<string, Subscriber[]>();

async function open({ group, count, ...address }: Opening): Promise<void> {
  groups.set(group, await Promise.all(Array.from({ length: count }, () => subscribe(address))));
}

function subscribe({ port, path, query }: Pick<Opening, 'port' | 'path' | 'query'>): Promise<Subscriber> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const subscriber = new Subscriber(socket);
    socket.once('error', reject);
    socket.once('connect', () => {
      const key = randomBytes(16).toString('base64');
      const upgrade = `Host: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13`;
      const protocol = 'Sec-WebSocket-Protocol: graphql-transport-ws';
      socket.write(`GET ${path} HTTP/1.1\r\n${upgrade}\r\nSec-WebSocket-Key: ${key}\r\n${protocol}\r\n\r\n`);
    });
    socket.once('data', (answer) => {
      if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) return reject(new Error(answer.toString('latin1')));
      socket.on('data', (chunk) => subscriber.read(chunk));
      if (query === null) return resolve(subscriber);
      socket.write(frame({ type: 'connection_init' }));
      // The acknowledgement; it comes in one piece.
      socket.once('data', () => {
        subscriber.messages = 0;
        socket.write(frame({ id: randomUUID(), type: 'subscribe', payload: { query } }));
        resolve(subscriber);
      });
    });
  });
}

/** A text message of at most 65,535 bytes. */
function frame(message: object): Buffer {
  const payload = Buffer.from(JSON.stringify(message));
  const head = Buffer.alloc(8);
  head[0] = TEXT;
  head[1] = 0x80 | 126;
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
}

async function obey(order: Order): Promise<Received> {
  if (order.kind === 'open') await open(order);
  if (order.kind === 'close') {
    for (const subscriber of [...groups.values()].flat()) subscriber.close();
    groups.clear();
  }
  const subscribers = order.kind === 'close' ? [] : (groups.get(order.group) ?? []);
  const messages = subscribers.reduce((sum, subscriber) => sum + subscriber.messages, 0);
  return { messages, last: subscribers.at(-1)?.last ?? '' };
}

process.on('message', (order: Order) => {
  void obey(order).then((received) => process.send?.(received));
});
