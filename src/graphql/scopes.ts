import type { ExecutionArgs } from 'graphql';
import { GraphQLError, getOperationAST, type OperationTypeNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { KeyScope } from '../domain.ts';
import { AppError } from '../errors.ts';
import type { Context } from './context.ts';

/**
 * What each kind of operation asks of a key, so that no field has to say it. `write` does not imply `read`: a camera or a
 * form that only sends has no business with the history. What a mutation answers with is there for it all the same, without
 * the lists of a stream, which ask for `read` by themselves (src/access/doors.ts).
 */
const SCOPES: Readonly<Record<OperationTypeNode, KeyScope>> = {
  query: 'read',
  subscription: 'read',
  mutation: 'write',
};

/** Refuses operations that the caller's key has no scope for, over every transport: FORBIDDEN. */
export function scopesPlugin(): Plugin<Context> {
  const check = ({ args }: { readonly args: ExecutionArgs }): void => {
    const operation = getOperationAST(args.document, args.operationName);
    // The execution refuses a document that does not say which operation it means.
    if (!operation) return;
    const { caller } = args.contextValue as Context;
    try {
      caller.demand(SCOPES[operation.operation]);
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      throw new GraphQLError(thrown.message, { nodes: [operation], originalError: thrown });
    }
  };
  return { onExecute: check, onSubscribe: check };
}
