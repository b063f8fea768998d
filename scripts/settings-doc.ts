/**
 * The table of settings in docs/settings.md, from the settings themselves. test/docs.test.ts fails when it is not that.
 *
 *     npx tsx scripts/settings-doc.ts            writes the table
 *     npx tsx scripts/settings-doc.ts --check    fails when the table is another
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeSettings } from '../src/config.ts';

const FILE = fileURLToPath(new URL('../docs/settings.md', import.meta.url));
const BEGIN = '<!-- made by scripts/settings-doc.ts -->\n';
const END = '<!-- end -->';

/** The document with its table as it should be. */
export function settingsDocument(written: string): string {
  const begin = written.indexOf(BEGIN);
  const end = written.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/settings.md has no place for the table: ${BEGIN}${END}`);
  return `${written.slice(0, begin)}${BEGIN}\n${settingsTable()}\n${written.slice(end)}`;
}

function settingsTable(): string {
  const rows = describeSettings().map((setting) => {
    const { environment, flag, unit, allowed, meaning } = setting;
    return [`\`${environment}\``, `\`${flag}\``, inWords(setting.default, unit), unit, allowed, meaning];
  });
  const heading = ['Environment', 'Flag', 'Default', 'Unit', 'Allowed', 'Meaning'];
  const rule = heading.map(() => '---');
  return `${[heading, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

/** A size in bytes as people write it, beside the number that the setting takes. */
function inWords(value: string, unit: string): string {
  const mebibytes = Number(value) / 1024 ** 2;
  if (unit !== 'bytes' || !Number.isInteger(mebibytes)) return value;
  const gibibytes = mebibytes / 1024;
  return `${value} (${Number.isInteger(gibibytes) ? `${gibibytes} GiB` : `${mebibytes} MiB`})`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const written = readFileSync(FILE, 'utf8');
  const wanted = settingsDocument(written);
  if (!process.argv.includes('--check')) {
    writeFileSync(FILE, wanted);
  } else if (written !== wanted) {
    console.error('docs/settings.md is not that of src/config.ts: run npx tsx scripts/settings-doc.ts');
    process.exitCode = 1;
  }
}
