import { useEffect, useRef, useState } from 'preact/hooks';
import type { TypedDocumentString } from '../generated/graphql.ts';
import { type Failure, toFailure } from '../server/failure.ts';
import { useSession } from './session.ts';

/** What could not be asked is asked again after so long, where that may help. */
const AGAIN_SECONDS = 5;

/** The last answer with the question that it answers. It stands while another is asked. */
export interface Asked<Answer, Variables> {
  readonly answer: Answer | null;
  readonly variables: Variables | null;
  readonly failure: Failure | null;
}

interface AskOptions<Answer> {
  /** Asks at once when it changes. */
  readonly when: string;
  /** Asks again so long after each answer; null: only when `when` changes. */
  readonly everySeconds?: number | null | ((answer: Answer | null) => number);
}

/**
 * Asks what `question` says at that moment, null for nothing: one question at a time, and none while nobody looks at the
 * tab.
 */
export function useAsk<Answer, Variables extends object>(
  document: TypedDocumentString<Answer, Variables>,
  question: () => Variables | null,
  { when, everySeconds = null }: AskOptions<Answer>,
): Asked<Answer, Variables> {
  const { server } = useSession();
  const [asked, setAsked] = useState<Asked<Answer, Variables>>({ answer: null, variables: null, failure: null });
  const latest = useRef({ question, everySeconds });
  latest.current = { question, everySeconds };
  const isRepeated = everySeconds !== null;
  useEffect(() => {
    const ending = new AbortController();
    const { signal } = ending;
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function ask(): Promise<void> {
      let answer: Answer | null = null;
      let failure: Failure | null = null;
      const variables = latest.current.question();
      if (variables !== null && (!isRepeated || globalThis.document.visibilityState === 'visible')) {
        try {
          answer = await server.ask(document, variables, { signal });
          setAsked({ answer, variables, failure: null });
        } catch (thrown) {
          if (signal.aborted) return;
          failure = toFailure(thrown);
          setAsked((before) => ({ ...before, failure }));
        }
      }
      const { everySeconds: every } = latest.current;
      let againSeconds = typeof every === 'function' ? every(answer) : every;
      if (failure?.retryable) againSeconds = Math.max(againSeconds ?? 0, failure.retryAfterSeconds ?? AGAIN_SECONDS);
      if (againSeconds !== null && !signal.aborted) timer = setTimeout(() => void ask(), againSeconds * 1000);
    }
    void ask();
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [server, document, when, isRepeated]);
  return asked;
}
