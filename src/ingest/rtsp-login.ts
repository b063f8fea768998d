/**
 * Answers an RTSP server's demands for credentials in ffmpeg's place, so that they do not stand among its arguments,
 * which every user of the machine can read. A request that is refused for want of them is sent once more with them.
 */
import type { Credentials } from './address-syntax.ts';
import { type Authorize, answerTo } from './http-authorization.ts';
import { type RtspMessage, requestOf, statusOf, valuesOf, withHeader } from './rtsp-messages.ts';

/** Requests without an answer; ffmpeg asks for one thing at a time, and now and then that the session be kept. */
const MAX_WAITING = 16;
const UNAUTHORIZED = 401;

interface Waiting {
  /** As ffmpeg has sent it. */
  readonly request: RtspMessage;
  readonly again: boolean;
}

export class RtspLogin {
  readonly #credentials: Credentials;
  /** How the server wants to be asked, once it has said so. */
  #authorize: Authorize | null = null;
  /** Requests by the number under which the server has them; each one sent has a number of its own. */
  readonly #waiting = new Map<number, Waiting>();
  #sent = 0;
  #refused = false;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
  }

  /** Whether the last request that was answered had the credentials and was refused still. */
  get refused(): boolean {
    return this.#refused;
  }

  /** What goes to the server in place of a message of ffmpeg. */
  outgoing(message: RtspMessage): RtspMessage {
    return requestOf(message) === null ? message : this.#send({ request: message, again: false });
  }

  /** What becomes of a message of the server: it goes on to ffmpeg, or a request goes to the server once more. */
  incoming(message: RtspMessage): { readonly pass: RtspMessage } | { readonly send: RtspMessage } {
    const status = statusOf(message);
    const [sequence] = valuesOf(message, 'cseq');
    const waiting = this.#waiting.get(Number(sequence));
    if (status === null || waiting === undefined) return { pass: message };
    // A provisional answer is followed by another one.
    if (status >= 200) this.#waiting.delete(Number(sequence));
    this.#refused = status === UNAUTHORIZED && waiting.again;
    if (status === UNAUTHORIZED && !waiting.again) {
      const authorize = answerTo(valuesOf(message, 'www-authenticate').join(', '), this.#credentials);
      if (authorize !== null) {
        this.#authorize = authorize;
        return { send: this.#send({ ...waiting, again: true }) };
      }
    }
    const [asked] = valuesOf(waiting.request, 'cseq');
    return { pass: asked === undefined ? message : withHeader(message, 'CSeq', asked) };
  }

  #send(waiting: Waiting): RtspMessage {
    this.#sent += 1;
    this.#waiting.set(this.#sent, waiting);
    if (this.#waiting.size > MAX_WAITING) this.#waiting.delete(this.#waiting.keys().next().value!);
    const numbered = withHeader(waiting.request, 'CSeq', String(this.#sent));
    const { method, uri } = requestOf(waiting.request)!;
    return this.#authorize === null ? numbered : withHeader(numbered, 'Authorization', this.#authorize(method, uri));
  }
}
