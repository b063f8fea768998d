/** What the documents point at is there: relative links and their headings, paths of this repository, npm scripts. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, normalize } from 'node:path';

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { encoding: 'utf8' })
  .split('\n')
  .filter((file) => file !== '' && existsSync(file));
const documents = files.filter((file) => file.endsWith('.md'));
const topFolders = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]));
const fileNames = new Set(files.map((file) => basename(file)));
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
/** A file that is named without its folder. Names of data (.csv, .onnx, ...) may be anybody's. */
const SOURCE_NAME = /^[\w.-]+\.(ts|tsx|mts|mjs|js|css|py|sh|md|graphql|prisma|sql)$/;
const faults = [];

for (const document of documents) {
  const text = readFileSync(document, 'utf8');
  const fences = /^( *)```.*\n[\s\S]*?\n\1```/gm;
  const prose = text.replace(fences, '');
  const fault = (what) => faults.push(`${document}: ${what}`);

  for (const [, target] of prose.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/i.test(target)) continue;
    const [path, anchor] = target.split('#');
    const file = path === '' ? document : normalize(join(dirname(document), path));
    if (!existsSync(file)) fault(`the link ${target} leads nowhere`);
    else if (anchor && file.endsWith('.md') && !anchorsOf(file).has(anchor)) fault(`${file} has no heading #${anchor}`);
  }
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, span]) => span);
  const blocks = text.match(fences) ?? [];
  for (const token of [...spans, ...blocks].flatMap((part) => part.split(/[\s"'`(),;=]+/))) {
    const path = token.replace(/(:\d+)?[.:]?$/, '');
    // Patterns, placeholders and what a program makes are no files.
    if (/[*<>{}$…]|\.\.\./.test(path)) continue;
    if (path.includes('/') && topFolders.has(path.split('/')[0])) {
      if (!existsSync(path) && !existsSync(join(dirname(document), path))) fault(`there is no ${path}`);
    } else if (SOURCE_NAME.test(path) && spans.includes(token) && !fileNames.has(path)) {
      fault(`no file is called ${path}`);
    }
  }
  for (const [, name] of text.matchAll(/npm run (?:-\S+ )*(\w[\w:-]*)/g)) {
    if (!(name in scripts)) fault(`package.json has no script ${name}`);
  }
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(file) {
  const headings = readFileSync(file, 'utf8').matchAll(/^#+ +(.+)$/gm);
  const slug = (heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
  return new Set([...headings].map(([, heading]) => slug(heading)));
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;
else console.log(`${documents.length} documents`);
