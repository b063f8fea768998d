import type { Expression } from '../generated/graphql.ts';
import { EXPRESSIONS, percentText, wordOf } from '../parts/words.ts';

interface ExpressionsProps {
  readonly expressions: readonly { readonly expression: Expression; readonly probability: number }[];
}

/** Probabilities of the eight apparent expressions as bars, always in the same order. */
export function Expressions({ expressions }: ExpressionsProps) {
  const probabilities = new Map(expressions.map(({ expression, probability }) => [expression, probability]));
  return (
    <ul class="bars">
      {EXPRESSIONS.map((expression) => {
        const probability = probabilities.get(expression) ?? 0;
        return <Bar key={expression} name={wordOf(expression)} share={probability} />;
      })}
    </ul>
  );
}

/** One share of a whole, 0 to 1. */
export function Bar({ name, share }: { readonly name: string; readonly share: number }) {
  return (
    <li>
      <span>{name}</span>
      <span class="bar">
        <span style={{ width: `${share * 100}%` }} />
      </span>
      <span class="number">{percentText(share)}</span>
    </li>
  );
}
