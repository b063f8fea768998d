/**
 * The list of libraries in NOTICE, from what is installed: every direct dependency with its licence, and the licences of
 * those that are part of the page word for word, as they ask for where a copy is handed on.
 *
 *     node scripts/notice.mjs            writes the list
 *     node scripts/notice.mjs --check    fails when the list is not that of package.json
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { PAGE_LIBRARIES } from './page-libraries.mjs';

const FILE = 'NOTICE';
/** Everything after this line is made here. */
const MARK = 'Libraries\n---------\n';
/** Licences that ask nothing of a user of this program but their text; anything else has to be looked at first. */
const KNOWN_LICENCES = new Set(['MIT', 'Apache-2.0', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', 'MIT OR Apache-2.0']);

const { dependencies, devDependencies } = readJson('package.json');
const list = [
  'Needed to run, installed by npm, not part of this repository:\n',
  ...Object.keys(dependencies).map(entry),
  '\nNeeded to develop, test and measure:\n',
  ...Object.keys(devDependencies)
    .filter((name) => !PAGE_LIBRARIES.includes(name))
    .map(entry),
  '\nPart of the page that the server sends (web/dist), which npm brings built:\n',
  ...PAGE_LIBRARIES.map(entry),
  ...PAGE_LIBRARIES.map(licenceOf),
];
const written = readFileSync(FILE, 'utf8');
const at = written.indexOf(MARK);
if (at < 0) throw new Error(`${FILE} has no line "Libraries"`);
const wanted = `${written.slice(0, at)}${MARK}\n${list.join('\n')}\n`;

if (!process.argv.includes('--check')) {
  writeFileSync(FILE, wanted);
} else if (written !== wanted) {
  console.error(`${FILE} is not that of package.json: run npm run notice`);
  process.exitCode = 1;
}

function entry(name) {
  const { license, author, repository, homepage } = readJson(`node_modules/${name}/package.json`);
  if (!KNOWN_LICENCES.has(license)) throw new Error(`${name} has the licence ${license}; may it be used?`);
  const by = typeof author === 'object' ? author.name : author?.replace(/ *[<(].*$/, '');
  const address = (typeof repository === 'object' ? repository.url : repository) ?? homepage ?? '';
  const facts = [license, by, webAddress(address)].filter((fact) => fact !== undefined && fact !== '');
  return `- ${name}: ${facts.join(', ')}`;
}

function licenceOf(name) {
  const file = ['LICENSE', 'LICENSE.md'].map((path) => `node_modules/${name}/${path}`).find(existsSync);
  if (file === undefined) throw new Error(`${name} has no licence file to be copied`);
  const text = readFileSync(file, 'utf8').replaceAll('\r\n', '\n').trim();
  return `\nLicence of ${name}:\n\n${text.replace(/^(?=.)/gm, '    ')}`;
}

function webAddress(address) {
  return address
    .replace(/^git\+/, '')
    .replace(/^(git:\/\/|ssh:\/\/git@|git@)/, 'https://')
    .replace(/^(https:\/\/github\.com):/, '$1/')
    .replace(/^(github:)?([\w-]+\/[\w.-]+)$/, 'https://github.com/$2')
    .replace(/\.git$/, '');
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}
