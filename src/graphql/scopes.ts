import type {
  DocumentNode,
  ExecutionArgs,
  OperationDefinitionNode,
  OperationTypeNode,
  SelectionSetNode,
} from 'graphql';
import { GraphQLError, getOperationAST, Kind } from 'graphql';
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

/**
 * Refuses operations that the caller's key has no scope for, over every transport: FORBIDDEN. Each field of a mutation
 * counts as a request of the key: LIMIT_EXCEEDED.
 */
export function scopesPlugin(): Plugin<Context> {
  const check = ({ args }: { readonly args: ExecutionArgs }): void => {
    const operation = getOperationAST(args.document, args.operationName);
    // The execution refuses a document that does not say which operation it means.
    if (!operation) return;
    const { caller } = args.contextValue as Context;
    try {
      caller.demand(SCOPES[operation.operation]);
      // The transport has counted the request; thirty fields with an alias each do the work of thirty.
      const fields = operation.operation === 'mutation' ? rootFields(operation, args.document) : 1;
      if (fields > 1) caller.usage.request(fields - 1);
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      throw new GraphQLError(thrown.message, { nodes: [operation], originalError: thrown });
    }
  };
  return { onExecute: check, onSubscribe: check };
}

/** Fields of the operation itself, those of fragments included, whether `@skip` leaves them out or not. */
function rootFields(operation: OperationDefinitionNode, document: DocumentNode): number {
  const fragments = new Map(
    document.definitions.flatMap((one) =>
      one.kind === Kind.FRAGMENT_DEFINITION ? [[one.name.value, one.selectionSet] as const] : [],
    ),
  );
  const count = ({ selections }: SelectionSetNode): number =>
    selections.reduce((sum, selection) => {
      if (selection.kind === Kind.FIELD) return sum + 1;
      const inner =
        selection.kind === Kind.INLINE_FRAGMENT ? selection.selectionSet : fragments.get(selection.name.value);
      return sum + (inner === undefined ? 0 : count(inner));
    }, 0);
  return count(operation.selectionSet);
}
