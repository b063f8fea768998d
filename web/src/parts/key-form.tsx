import { useState } from 'preact/hooks';
import type { Failure } from '../server/failure.ts';
import { Problem } from './problem.tsx';

interface KeyFormProps {
  readonly failure: Failure;
  readonly setKey: (key: string) => void;
}

/** For servers that have keys. The key stays in the memory of this tab. */
export function KeyForm({ failure, setKey }: KeyFormProps) {
  const [text, setText] = useState('');
  return (
    <section aria-labelledby="key-title">
      <h2 id="key-title">This server asks for a key</h2>
      <Problem failure={failure} />
      <form
        class="row"
        onSubmit={(event) => {
          event.preventDefault();
          setKey(text.trim());
        }}
      >
        <label>
          Key{' '}
          <input
            type="password"
            required
            pattern="[!-~]+"
            autocomplete="off"
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <button type="submit">Use it</button>
      </form>
      <p class="quiet">
        It needs the scope <code>read</code> to look, <code>write</code> to add, stop and erase, and finds its own
        streams alone. It stays in the memory of this tab.
      </p>
    </section>
  );
}
