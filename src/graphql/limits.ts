import { EnvelopArmorPlugin } from '@escape.tech/graphql-armor';
import type { GraphQLError } from 'graphql';

/** A query of every field of a stream's frames is 8 deep; GraphiQL's own introspection is not counted. */
export const MAX_DEPTH = 12;
/** Several streams side by side in one query, not a loop written out. */
export const MAX_ALIASES = 30;
/** Some four times the longest example of the documents. */
export const MAX_TOKENS = 2000;
/**
 * Fields weighted by depth (1.5 a level) and multiplied by written page lengths: every field of a longest page of frames
 * is about 700,000. What lists may hold together is limited by their items.
 */
export const MAX_COST = 2_000_000;
export const MAX_DIRECTIVES = 50;

const tooComplex = {
  onReject: [
    (_context: unknown, error: GraphQLError) => {
      error.extensions.code = 'QUERY_TOO_COMPLEX';
    },
  ],
};

/** Refuses queries that are too deep, too wide, too long or too costly, over every transport: QUERY_TOO_COMPLEX. */
export function limitsPlugin(): ReturnType<typeof EnvelopArmorPlugin> {
  return EnvelopArmorPlugin({
    maxDepth: { n: MAX_DEPTH, ...tooComplex },
    maxAliases: { n: MAX_ALIASES, ...tooComplex },
    maxTokens: { n: MAX_TOKENS, ...tooComplex },
    maxDirectives: { n: MAX_DIRECTIVES, ...tooComplex },
    costLimit: { maxCost: MAX_COST, ...tooComplex },
    // The schema is open; a hint for a mistyped field helps more than it tells.
    blockFieldSuggestion: { enabled: false },
  });
}
