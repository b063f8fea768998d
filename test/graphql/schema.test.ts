import { readFileSync } from 'node:fs';
import { buildSchema, type GraphQLEnumType, isEnumType, isInputObjectType, isObjectType } from 'graphql';
import { describe, expect, test } from 'vitest';
import { EXPRESSIONS, LANDMARK_NAMES, STREAM_STATUSES } from '../../src/domain.ts';
import { ERROR_KINDS } from '../../src/errors.ts';

const text = readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8');
const schema = buildSchema(text);
const types = Object.values(schema.getTypeMap()).filter(
  ({ name }) => !name.startsWith('__') && !['String', 'Int', 'Float', 'Boolean', 'ID'].includes(name),
);

function values(name: string): Record<string, string | null | undefined> {
  const type = schema.getType(name) as GraphQLEnumType;
  return Object.fromEntries(type.getValues().map((value) => [value.name, value.description]));
}

describe('schema.graphql', () => {
  test('describes every type, field, argument and value', () => {
    const undescribed: string[] = [];
    const see = (path: string, { description }: { readonly description?: string | null | undefined }): void => {
      if (!description?.trim()) undescribed.push(path);
    };
    for (const type of types) {
      see(type.name, type);
      if (isEnumType(type)) for (const value of type.getValues()) see(`${type.name}.${value.name}`, value);
      if (isInputObjectType(type))
        for (const field of Object.values(type.getFields())) see(`${type.name}.${field.name}`, field);
      if (!isObjectType(type)) continue;
      for (const field of Object.values(type.getFields())) {
        see(`${type.name}.${field.name}`, field);
        for (const argument of field.args) see(`${type.name}.${field.name}(${argument.name})`, argument);
      }
    }
    expect(undescribed).toEqual([]);
  });

  test('has the error codes of the closed table, with their meanings', () => {
    const meanings = Object.entries(ERROR_KINDS).map(([code, { meaning }]) => [code, meaning]);
    expect(values('ErrorCode')).toEqual(Object.fromEntries(meanings));
  });

  test('has the words of the domain in their order', () => {
    expect(Object.keys(values('Expression'))).toEqual([...EXPRESSIONS]);
    expect(Object.keys(values('StreamStatus'))).toEqual([...STREAM_STATUSES]);
    const landmarks = LANDMARK_NAMES.map((name) => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase());
    expect(Object.keys(values('LandmarkName'))).toEqual(landmarks);
  });

  test('speaks of estimates of what shows, never of emotions that are detected', () => {
    expect(text).not.toMatch(/emotion/i);
    expect(text).not.toMatch(/detects? (the )?(feeling|mood)/i);
  });
});
