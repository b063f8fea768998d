/**
 * The schema loads, everything in it is described, and what is generated of it, for the server and for the page, is that of
 * this schema. Writes nothing.
 */
import { existsSync, readFileSync } from 'node:fs';
import { generate } from '@graphql-codegen/cli';
import { buildSchema, isEnumType, isInputObjectType, isObjectType, isSpecifiedScalarType } from 'graphql';
import config from '../codegen.ts';

const faults: string[] = [];

const schema = buildSchema(readFileSync('schema.graphql', 'utf8'));
for (const type of Object.values(schema.getTypeMap())) {
  if (type.name.startsWith('__') || isSpecifiedScalarType(type)) continue;
  requireDescription(type.name, type);
  if (isEnumType(type)) {
    for (const value of type.getValues()) requireDescription(`${type.name}.${value.name}`, value);
  }
  if (isObjectType(type) || isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) requireDescription(`${type.name}.${field.name}`, field);
  }
  if (isObjectType(type)) {
    for (const field of Object.values(type.getFields())) {
      for (const arg of field.args) requireDescription(`${type.name}.${field.name}(${arg.name})`, arg);
    }
  }
}

function requireDescription(name: string, { description }: { readonly description?: string | null | undefined }): void {
  if (!description) faults.push(`schema.graphql says nothing about ${name}`);
}

const files: { readonly filename: string; readonly content: string }[] = await generate(
  { ...config, silent: true },
  false,
);
for (const { filename, content } of files) {
  if (!existsSync(filename) || content.trim() !== readFileSync(filename, 'utf8').trim()) {
    faults.push(`${filename} is not that of codegen.ts: delete it, and node scripts/setup.mjs makes it anew`);
  }
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
