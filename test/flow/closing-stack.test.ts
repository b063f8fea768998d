import { describe, expect, it } from 'vitest';
import { ClosingStack } from '../../src/flow/index.ts';

function part(name: string, closed: string[], failure?: Error): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      closed.push(name);
      if (failure !== undefined) throw failure;
    },
  };
}

describe('ClosingStack', () => {
  it('closes in the opposite order, once, however often it is asked to', async () => {
    const closed: string[] = [];
    const stack = new ClosingStack();
    stack.own(part('first', closed));
    stack.own(part('second', closed));
    await Promise.all([stack[Symbol.asyncDispose](), stack[Symbol.asyncDispose]()]);
    await stack[Symbol.asyncDispose]();
    expect(closed).toEqual(['second', 'first']);
  });

  it('closes the rest when one part fails to close, then throws its failure', async () => {
    const closed: string[] = [];
    const stack = new ClosingStack();
    stack.own(part('first', closed));
    stack.own(part('second', closed, new Error('stuck')));
    await expect(stack[Symbol.asyncDispose]()).rejects.toThrow('stuck');
    expect(closed).toEqual(['second', 'first']);
  });
});
