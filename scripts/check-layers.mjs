/**
 * The rules of .dependency-cruiser.mjs over the src/ of the working directory. Fails also when it saw next to nothing:
 * without a parser that reads TypeScript, dependency-cruiser finds no module and no fault.
 */
import { Visitor } from '@swc/core/Visitor.js';
import { cruise } from 'dependency-cruiser';
import config from '../.dependency-cruiser.mjs';

/** src/ has three times as many; fewer means that the cruiser did not understand it. */
const LEAST_MODULES = 50;
const LEAST_IMPORTS = 150;

// swc parses `using` and `await using`, but its visitor (1.16) ends the cruise over them: it is taught the statement.
const visitStatement = Visitor.prototype.visitStatement;
Visitor.prototype.visitStatement = function visitStatementOrUsing(statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement);
  statement.decls = this.visitVariableDeclarators(statement.decls);
  return statement;
};

const { output } = await cruise(['src'], {
  ...config.options,
  ruleSet: { forbidden: config.forbidden },
  validate: true,
});
const { summary, modules } = output;
for (const { rule, from, to, cycle } of summary.violations) {
  console.error(`${rule.name}: ${from} -> ${cycle ? cycle.map(({ name }) => name).join(' -> ') : to}`);
}
const ours = modules.filter(({ source }) => source.startsWith('src/'));
const imports = ours.reduce((sum, module) => sum + module.dependencies.length, 0);
console.log(`${ours.length} modules, ${imports} imports, ${summary.violations.length} violations`);
if (ours.length < LEAST_MODULES || imports < LEAST_IMPORTS) {
  console.error('The layering check saw too little of src/ to mean anything.');
  process.exitCode = 1;
}
if (summary.violations.length > 0) process.exitCode = 1;
