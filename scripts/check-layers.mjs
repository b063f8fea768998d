/**
 * The rules of .dependency-cruiser.mjs over src/ and web/src/ of the working directory. Fails also when it saw next to nothing:
 * without a parser that reads TypeScript, dependency-cruiser finds no module and no fault.
 */
import swc from '@swc/core';
import { Visitor } from '@swc/core/Visitor.js';
import { cruise } from 'dependency-cruiser';
import config from '../.dependency-cruiser.mjs';

/** Both have a multiple of this; fewer means that the cruiser did not understand them. */
const LEAST = { 'src/': { modules: 50, imports: 150 }, 'web/src/': { modules: 8, imports: 20 } };

// swc parses `using` and `await using`, but its visitor (1.16) ends the cruise over them: it is taught the statement.
const visitStatement = Visitor.prototype.visitStatement;
Visitor.prototype.visitStatement = function visitStatementOrUsing(statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement);
  statement.decls = this.visitVariableDeclarators(statement.decls);
  return statement;
};

// The cruiser asks for TypeScript without JSX, whatever the file is called.
const { parseFileSync } = swc;
swc.parseFileSync = (file, options) => parseFileSync.call(swc, file, { ...options, tsx: file.endsWith('.tsx') });

const { output } = await cruise(['src', 'web/src'], {
  ...config.options,
  ruleSet: { forbidden: config.forbidden },
  validate: true,
});
const { summary, modules } = output;
for (const { rule, from, to, cycle } of summary.violations) {
  console.error(`${rule.name}: ${from} -> ${cycle ? cycle.map(({ name }) => name).join(' -> ') : to}`);
}
for (const [folder, least] of Object.entries(LEAST)) {
  const ours = modules.filter(({ source }) => source.startsWith(folder));
  const imports = ours.reduce((sum, module) => sum + module.dependencies.length, 0);
  console.log(`${folder}: ${ours.length} modules, ${imports} imports`);
  if (ours.length >= least.modules && imports >= least.imports) continue;
  console.error(`The layering check saw too little of ${folder} to mean anything.`);
  process.exitCode = 1;
}
if (summary.violations.length > 0) process.exitCode = 1;
