/** Estimates as rows of text: CSV after RFC 4180, or one JSON object a line with the same names. */
import { EXPRESSIONS, type FaceEstimate, type FrameEstimate } from '../domain.ts';

export const OUTPUT_FORMATS = ['csv', 'jsonl'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** Null for what is no format. */
export function asOutputFormat(text: unknown): OutputFormat | null {
  return OUTPUT_FORMATS.find((one) => one === text) ?? null;
}

/** The columns in their order; they are a contract with whoever reads the files. */
export const COLUMNS = [
  'file',
  'sequence',
  'pts_seconds',
  'track_id',
  'face_score',
  'box_x',
  'box_y',
  'box_width',
  'box_height',
  'valence',
  'arousal',
  'valence_smoothed',
  'arousal_smoothed',
  'uncertainty',
  ...EXPRESSIONS.map((name) => name.toLowerCase()),
] as const;

type Cell = string | number | null;

/** Writes rows in one format; `heading` comes before the first row. */
export interface RowWriter {
  readonly heading: string;
  /** The rows of one frame, each with its line break. */
  rows(file: string, frame: FrameEstimate): string;
}

export function createRowWriter(format: OutputFormat): RowWriter {
  switch (format) {
    case 'csv':
      return { heading: csvLine(COLUMNS), rows: (file, frame) => cells(file, frame).map(csvLine).join('') };
    case 'jsonl':
      return { heading: '', rows: (file, frame) => cells(file, frame).map(jsonLine).join('') };
  }
}

/** One row for each face, or one with empty values, so that no time is missing. */
function cells(file: string, frame: FrameEstimate): readonly (readonly Cell[])[] {
  const place = [file, frame.sequence, rounded(frame.ptsSeconds)];
  if (frame.faces.length === 0) return [[...place, ...COLUMNS.slice(place.length).map(() => null)]];
  return frame.faces.map((face) => [...place, ...faceCells(face)]);
}

function faceCells({ trackNumber, score, box, affect, smoothed, uncertainty, expressions }: FaceEstimate): Cell[] {
  const numbers = [score, box.x, box.y, box.width, box.height];
  numbers.push(affect.valence, affect.arousal, smoothed.valence, smoothed.arousal, uncertainty, ...expressions);
  return [trackNumber, ...numbers.map(rounded)];
}

/** Six places: microseconds of time, and more than the network's float32 output means. */
function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function csvLine(row: readonly Cell[]): string {
  return `${row.map(csvCell).join(',')}\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return plainNumber(cell);
  const text = FORMULA.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What a spreadsheet would take for a formula; clients name their streams. An apostrophe makes it text (OWASP). */
const FORMULA = /^[=+\-@\t\r]/;

/** Without an exponent, which not every reader of CSV knows. */
function plainNumber(value: number): string {
  const text = String(value === 0 ? 0 : value);
  return text.includes('e') ? value.toFixed(6) : text;
}

function jsonLine(row: readonly Cell[]): string {
  return `${JSON.stringify(Object.fromEntries(COLUMNS.map((name, index) => [name, row[index]])))}\n`;
}
