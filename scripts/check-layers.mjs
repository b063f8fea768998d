/** dependency-cruiser over src/, failing also when it saw nothing: without a parser it finds no module and no fault. */
import { cruise } from 'dependency-cruiser';
import config from '../.dependency-cruiser.mjs';

/** src/ has more files than this; fewer means that the cruiser did not understand it. */
const LEAST_MODULES = 50;
const LEAST_DEPENDENCIES = 100;

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
const dependencies = ours.reduce((sum, module) => sum + module.dependencies.length, 0);
console.log(`${ours.length} modules, ${dependencies} imports, ${summary.violations.length} violations`);
if (ours.length < LEAST_MODULES || dependencies < LEAST_DEPENDENCIES) {
  console.error('The layering check saw too little of src/ to mean anything.');
  process.exitCode = 1;
}
if (summary.violations.length > 0) process.exitCode = 1;
