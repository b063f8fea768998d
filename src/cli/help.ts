/** What `--help` prints; the settings come from their table. */
import { describeSettings } from '../config.ts';
import { COLUMNS } from '../rows/index.ts';

const INTRODUCTION = `circumplex estimates apparent facial valence and arousal, frame by frame.

Usage:
  circumplex serve [SETTINGS]              start the GraphQL server; prints its address when it is ready
  circumplex analyze FILE... [OPTIONS]     score pictures and videos, or folders of them, without a server or a database
  circumplex export ID [OPTIONS]           write what the database holds of one stream, beside a server or without one
  circumplex keys create NAME --scopes read,write [LIMITS]   make a key; prints it this once
  circumplex keys list | keys revoke ID    the keys of the database, beside a server or without one
  circumplex --help | --version

Options of analyze:
  --format csv|jsonl   one row for each face, and one for each frame without a face (default csv)
  --fps N              look at N frames a second at most, real ones, never made up
  --every-frame        look at every frame of a video (default)
  --output FILE, -o    write to FILE (default standard output), and what made it to FILE.json
  --output-dir OUT     write OUT/NAME.csv (or .jsonl) for each input, whole or not at all, and what made it beside it
  --resume             with --output-dir: skip what is finished, of the same file by the same model and settings
  --overwrite          write over outputs that are there; they are refused otherwise
  --recursive          take what lies in folders of a folder too

Options of export: --format, and --output, which is emptied; the database is that of DATA_DIR or DATABASE_URL.

Options of keys create: --scopes, one or more of read, write, admin; and each setting that begins with --key-, which is then
this key's own limit in place of the server's.

Columns: ${COLUMNS.join(', ')}.

Settings, from the environment or as a flag; the flag wins:
`;

/** The whole help text, ending with a line break. `widthColumns` is the width to fold the meanings at, 100 by default. */
export function helpText(widthColumns = 100): string {
  const entries = describeSettings().map((setting) => {
    const unit = setting.unit === '' ? '' : ` ${setting.unit}`;
    const title = `  ${setting.environment}, ${setting.flag} (default ${setting.default}${unit}; ${setting.allowed})`;
    return `${title}\n${fold(setting.meaning, widthColumns, '      ')}`;
  });
  return `${INTRODUCTION}${entries.join('\n')}\n`;
}

function fold(text: string, widthColumns: number, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > widthColumns) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(indent + line);
  return lines.join('\n');
}
