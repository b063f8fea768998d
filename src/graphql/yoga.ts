import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { createSchema, createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import type { Context } from './context.ts';
import { freshGraphqlError, toGraphqlError } from './errors.ts';
import { itemsLimitPlugin } from './items-limit.ts';
import { limitsPlugin } from './limits.ts';
import { Mutation } from './resolvers/mutations.ts';
import { objects } from './resolvers/objects.ts';
import { Query } from './resolvers/queries.ts';
import { Subscription } from './resolvers/subscriptions.ts';
import { Cursor, DateTime, Upload } from './scalars.ts';
import { sharedExecutionPlugin } from './shared-execution.ts';
import { TextCache } from './text-cache.ts';
import { trafficPlugin } from './traffic.ts';

export type Yoga = YogaServerInstance<object, Context>;

/** Both `src/graphql` and `dist/graphql` lie two folders below the root. */
const SCHEMA = fileURLToPath(new URL('../../schema.graphql', import.meta.url));

export const GRAPHQL_PATH = '/graphql';

const WELCOME = `# Apparent facial affect of pictures and videos. Ctrl-Space completes, the book icon shows the schema.
{
  engine { modelName modelVersion provider workers }
  streams(first: 5) {
    nodes { id name status progress { framesDone share } summary { faces valence { mean } arousal { mean } } }
  }
}
`;

/**
 * Of queries that are kept parsed, and again of those that cannot be. A long query takes a hundred times its text, a
 * short one that is refused 80 KB: yoga's own 1,024 of them, as long as they may be, took 940 MB. Here 100 short ones or
 * 30 of the longest are kept, some 30 MB at most; clients have few queries.
 */
const CACHED = { maxCharacters: 400_000, entryCharacters: 4_000 };

/** The GraphQL engine behind every transport. */
export function createGraphql(context: Context): Yoga {
  const schema = createSchema<Context>({
    typeDefs: readFileSync(SCHEMA, 'utf8'),
    resolvers: { Query, Mutation, Subscription, ...objects, Cursor, DateTime, Upload },
  });
  return createYoga<object, Context>({
    schema,
    context,
    graphqlEndpoint: GRAPHQL_PATH,
    cors: false,
    batching: false,
    landingPage: false,
    graphiql: { title: 'circumplex', defaultQuery: WELCOME, subscriptionsProtocol: 'WS' },
    renderGraphiQL,
    logging: false,
    parserAndValidationCache: {
      documentCache: new TextCache(CACHED),
      errorCache: new TextCache(CACHED),
    },
    maskedErrors: { maskError: (error) => toGraphqlError(error, context) },
    plugins: [
      codedValidation(context),
      limitsPlugin(),
      itemsLimitPlugin(),
      trafficPlugin(context.traffic),
      sharedExecutionPlugin(context),
    ],
  });
}

/** Errors of validation do not pass `maskError`; they get their code here, whichever transport carries them. */
function codedValidation(context: Context): Plugin {
  return {
    onValidate:
      () =>
      ({ result, setResult }) => {
        setResult(result.map((error: unknown) => freshGraphqlError(error, context)));
      },
  };
}
