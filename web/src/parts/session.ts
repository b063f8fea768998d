import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { Server, type ServerOptions } from '../server/server.ts';
import { Uploads } from '../streams/uploads.ts';

/** What all views share as long as the tab lives and its key is the same. */
export interface Session {
  readonly server: Server;
  readonly uploads: Uploads;
  /** Videos of this device by the id of their stream: to be shown under their estimates. */
  readonly localVideos: Map<string, File>;
}

export function openSession(options: ServerOptions): Session & Disposable {
  const server = new Server(options);
  const localVideos = new Map<string, File>();
  const uploads = new Uploads({ server, taken: (streamId, file) => localVideos.set(streamId, file) });
  return {
    server,
    uploads,
    localVideos,
    [Symbol.dispose]() {
      uploads.close();
      server.close();
    },
  };
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error('There is no session around this part.');
  return session;
}
