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

/** The code, and what to do, on an error of a limit; the library gives neither, and calls them all syntax errors. */
function refusal(advice: string) {
  return {
    onReject: [
      (_context: unknown, error: GraphQLError) => {
        error.message = `${error.message.replace(/^Syntax Error: /, '').replace(/\.?$/, '')}; ${advice}.`;
        error.extensions.code = 'QUERY_TOO_COMPLEX';
      },
    ],
  };
}

/** Refuses queries that are too deep, too wide, too long or too costly, over every transport: QUERY_TOO_COMPLEX. */
export function limitsPlugin(): ReturnType<typeof EnvelopArmorPlugin> {
  return EnvelopArmorPlugin({
    maxDepth: { n: MAX_DEPTH, flattenFragments: true, ...refusal('ask for the inner objects by a query of their own') },
    maxAliases: { n: MAX_ALIASES, ...refusal('spread them over several queries') },
    maxTokens: { n: MAX_TOKENS, ...refusal('spread it over several queries') },
    maxDirectives: { n: MAX_DIRECTIVES, ...refusal('spread them over several queries') },
    costLimit: { maxCost: MAX_COST, ...refusal('ask for shorter pages, or for less of each item') },
    // The schema is open; a hint for a mistyped field helps more than it tells.
    blockFieldSuggestion: { enabled: false },
  });
}
