export { type GraphqlServer, startServer } from './server.ts';
