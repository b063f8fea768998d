import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';

/** A client that does not take what it asked for is not listened to beyond this, so that it cannot ask for more. */
const MAX_UNSENT_BYTES = 1024 * 1024;

/**
 * The way out of one WebSocket. Either function returns a promise where the system takes no more for now; it resolves
 * when the system does again, or when the connection is lost. Most messages need none, and are spared its turns.
 */
export interface Outlet {
  send(message: string): Promise<void> | undefined;
  /** One message of UTF-8 in parts, which others may share. */
  sendParts(parts: readonly Uint8Array[]): Promise<void> | undefined;
  /** To be called at each message that comes: stops listening to a client that has too much to take. */
  hold(): void;
}

/** `request`: the one that the connection was opened by. The connection must compress nothing. */
export function createOutlet(socket: WebSocket, { socket: wire }: IncomingMessage): Outlet {
  let room: Promise<void> | undefined;

  function untilRoom(): Promise<void> | undefined {
    if (!wire.writableNeedDrain) return undefined;
    room ??= new Promise((resolve) => {
      const go = (): void => {
        wire.off('drain', go).off('close', go);
        room = undefined;
        if (socket.isPaused) socket.resume();
        resolve();
      };
      wire.on('drain', go).on('close', go);
    });
    return room;
  }

  return {
    send(message) {
      if (socket.readyState !== socket.OPEN) return undefined;
      socket.send(message);
      return untilRoom();
    },
    // ws writes the head of each message apart from the message. To a hundred subscribers that is a tenth of the cost of
    // a frame, so these are written as one piece, on the same wire.
    sendParts(parts) {
      if (socket.readyState !== socket.OPEN) return undefined;
      wire.write(textFrame(parts));
      return untilRoom();
    },
    hold() {
      if (socket.bufferedAmount <= MAX_UNSENT_BYTES) return;
      socket.pause();
      void untilRoom();
    },
  };
}

const FINAL_TEXT = 0x81;

/** A whole text message as a server sends it, without a mask: RFC 6455, section 5.2. */
function textFrame(parts: readonly Uint8Array[]): Buffer {
  let size = 0;
  for (const part of parts) size += part.length;
  let at = size < 126 ? 2 : size < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(at + size);
  frame[0] = FINAL_TEXT;
  if (at === 2) {
    frame[1] = size;
  } else if (at === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(size, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(size, 6);
  }
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}
