import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { createSchema, createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import { AppError } from '../errors.ts';
import { type Context, callerContexts, type Incoming, type ServerParts } from './context.ts';
import { freshGraphqlError, type Reporting, toGraphqlError } from './errors.ts';
import { itemsLimitPlugin } from './items-limit.ts';
import { limitsPlugin } from './limits.ts';
import { Mutation } from './resolvers/mutations.ts';
import { objects } from './resolvers/objects.ts';
import { Query } from './resolvers/queries.ts';
import { Subscription } from './resolvers/subscriptions.ts';
import { Cursor, DateTime, Upload } from './scalars.ts';
import { scopesPlugin } from './scopes.ts';
import { sharedExecutionPlugin } from './shared-execution.ts';
import { TextCache } from './text-cache.ts';
import { trafficPlugin } from './traffic.ts';

export type Yoga = YogaServerInstance<Incoming, Context>;

/** Both `src/graphql` and `dist/graphql` lie two folders below the root. */
const SCHEMA = fileURLToPath(new URL('../../schema.graphql', import.meta.url));

export const GRAPHQL_PATH = '/graphql';

const WELCOME = `# Apparent facial affect of pictures and videos. Ctrl-Space completes, the book icon shows the schema.
# Where the server asks for a key, put it under Headers: { "authorization": "Bearer KEY" }
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
export function createGraphql(parts: ServerParts): Yoga {
  const contextOf = callerContexts(parts);
  const schema = createSchema<Context>({
    typeDefs: readFileSync(SCHEMA, 'utf8'),
    resolvers: { Query, Mutation, Subscription, ...objects, Cursor, DateTime, Upload },
  });
  return createYoga<Incoming, Context>({
    schema,
    context: ({ caller }) => contextOf(caller),
    graphqlEndpoint: GRAPHQL_PATH,
    cors: false,
    batching: false,
    // Ours are bounded before, by what they are (request-body.ts).
    maxRequestBodySize: false,
    landingPage: false,
    // Subscriptions by server-sent events carry what the header editor holds, a key for one; WebSockets would not. A key
    // must not stay in the browser's storage.
    graphiql: {
      title: 'circumplex',
      defaultQuery: WELCOME,
      subscriptionsProtocol: 'SSE',
      shouldPersistHeaders: false,
    },
    renderGraphiQL,
    logging: false,
    parserAndValidationCache: {
      documentCache: new TextCache(CACHED),
      errorCache: new TextCache(CACHED),
    },
    maskedErrors: { maskError: (error) => toGraphqlError(error, parts) },
    plugins: [
      readableParameters(),
      codedValidation(parts),
      limitsPlugin(),
      scopesPlugin(),
      itemsLimitPlugin(),
      trafficPlugin(parts.traffic),
      sharedExecutionPlugin(parts),
    ],
  });
}

/** What the parser of a request stumbles over is the request's fault, and not told word by word: it may hold anything. */
function readableParameters(): Plugin {
  return {
    onRequestParse({ requestParser, setRequestParser }) {
      if (requestParser === undefined) return;
      setRequestParser(async (request) => {
        try {
          return await requestParser(request);
        } catch (thrown) {
          if (!(thrown instanceof SyntaxError || thrown instanceof TypeError)) throw thrown;
          throw new AppError(
            'BAD_INPUT',
            'The parameters of the request cannot be read: variables, extensions, operations and map must be JSON objects.',
          );
        }
      });
    },
  };
}

/** Errors of validation do not pass `maskError`; they get their code here, whichever transport carries them. */
function codedValidation(reporting: Reporting): Plugin {
  return {
    onValidate:
      () =>
      ({ result, setResult }) => {
        setResult(result.map((error: unknown) => freshGraphqlError(error, reporting)));
      },
  };
}
