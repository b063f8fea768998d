import { GraphQLError, GraphQLScalarType } from 'graphql';

function textScalar(name: string): GraphQLScalarType<string, string> {
  const parse = (value: unknown): string => {
    if (typeof value === 'string' && value.length <= 1000) return value;
    throw new GraphQLError(`${name} must be a text.`, { extensions: { code: 'BAD_INPUT' } });
  };
  return new GraphQLScalarType({ name, serialize: parse, parseValue: parse });
}

export const Cursor = textScalar('Cursor');

export const DateTime = new GraphQLScalarType<Date, string>({
  name: 'DateTime',
  serialize(value) {
    if (value instanceof Date) return value.toISOString();
    throw new GraphQLError('A DateTime must be a date.');
  },
  parseValue(value) {
    const date = new Date(typeof value === 'string' ? value : Number.NaN);
    if (!Number.isNaN(date.getTime())) return date;
    throw new GraphQLError('A DateTime must be an ISO 8601 text.', { extensions: { code: 'BAD_INPUT' } });
  },
});

export const Upload = new GraphQLScalarType<File, never>({
  name: 'Upload',
  parseValue(value) {
    if (typeof value === 'object' && value !== null && 'arrayBuffer' in value) return value as File;
    throw new GraphQLError('An Upload must be a file of a multipart request.', { extensions: { code: 'BAD_INPUT' } });
  },
});
