import {
  type DocumentNode,
  GraphQLError,
  type GraphQLObjectType,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  getOperationAST,
  getVariableValues,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { MAX_PAGE } from '../store/index.ts';

/** Items that all lists of one operation may ask for together: some hundred megabytes at the very most. */
export const MAX_ITEMS = 10_000;

/**
 * A field that reads a whole stream inside the database weighs more than the numbers that come out: 1 s of our thread for
 * 600,000 frames. An operation may have 99 of them at most; a page of 20 streams with frames, tracks, timeline and summary
 * of each is still allowed.
 */
const WHOLE_STREAM = 100;

/**
 * The least that a field counts as, with or without a page length. The shortest page of tracks may hold the one whose faces
 * are the stream's. The progress of a stream that is not at work is some queries, a millisecond together.
 */
const LEAST_ITEMS: Readonly<Record<string, number>> = {
  'Stream.timeline': WHOLE_STREAM,
  'Stream.summary': WHOLE_STREAM,
  'Stream.tracks': WHOLE_STREAM,
  'Stream.progress': 5,
};

interface Operation {
  readonly schema: GraphQLSchema;
  readonly document: DocumentNode;
  readonly operationName?: string | null;
  readonly variableValues?: Record<string, unknown> | null;
}

/**
 * Refuses an operation whose pages together, lists within lists multiplied, ask for more than {@link MAX_ITEMS}:
 * QUERY_TOO_COMPLEX. Unlike a cost over the text of a query, this knows the values of variables and the defaults.
 */
export function itemsLimitPlugin(): Plugin {
  const check = ({ args }: { readonly args: Operation }): void => {
    const items = countItems(args);
    if (items <= MAX_ITEMS) return;
    throw new GraphQLError(
      `The lists of this query ask for up to ${items} items together and ${MAX_ITEMS} is the limit; ask for shorter pages, or for less of each item.`,
      { extensions: { code: 'QUERY_TOO_COMPLEX', retryable: false } },
    );
  };
  return { onExecute: check, onSubscribe: check };
}

function countItems({ schema, document, operationName, variableValues }: Operation): number {
  const operation = getOperationAST(document, operationName);
  const root = operation && schema.getRootType(operation.operation);
  if (!operation || !root) return 0;
  const variables = getVariableValues(schema, operation.variableDefinitions ?? [], variableValues ?? {});
  // The execution refuses values that are none.
  if (variables.errors) return 0;
  const { coerced } = variables;
  const fragments = new Map(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  );

  function within(selections: SelectionSetNode, type: GraphQLObjectType): number {
    let items = 0;
    for (const node of selections.selections) {
      if (node.kind !== Kind.FIELD) {
        const inner = node.kind === Kind.INLINE_FRAGMENT ? node : fragments.get(node.name.value);
        if (inner) items += within(inner.selectionSet, type);
        continue;
      }
      const field = type.getFields()[node.name.value];
      if (field === undefined) continue;
      const next = getNamedType(field.type);
      const below = node.selectionSet && isObjectType(next) ? within(node.selectionSet, next) : 0;
      const page = field.args.find(({ name }) => name === 'first');
      let ofField = below;
      if (page !== undefined) {
        // An explicit null stands for the default, as it does where the page is read.
        const first = getArgumentValues(field, node, coerced).first ?? page.defaultValue;
        // A length that is no length is refused where the page is read, and says so better than a sum could.
        const length = typeof first === 'number' ? Math.min(Math.max(first, 1), MAX_PAGE) : 1;
        ofField = length * (1 + below);
      }
      items += Math.max(ofField, LEAST_ITEMS[`${type.name}.${field.name}`] ?? 0);
    }
    return items;
  }
  return within(operation.selectionSet, root);
}
