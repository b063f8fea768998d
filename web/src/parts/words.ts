/** How numbers and states read on the page. */
import type { Expression, Quadrant, StreamStatus } from '../generated/graphql.ts';

/** Of what runs, or may come back. */
const OPEN: ReadonlySet<StreamStatus> = new Set(['QUEUED', 'CONNECTING', 'RUNNING', 'STALLED', 'RECONNECTING']);

export function isOpen(status: StreamStatus): boolean {
  return OPEN.has(status);
}

/** Valence or arousal: two digits, a true minus, no minus before nothing. */
export function affectText(value: number): string {
  const text = value.toFixed(2);
  return Number(text) === 0 ? '0.00' : text.replace('-', '−');
}

/** Shares and probabilities. */
export function percentText(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** Media time: 0:07.25, 12:30, 1:02:03. `digits` behind the second. */
export function timeText(seconds: number, digits = 0): string {
  const scale = 10 ** digits;
  const total = Math.round(Math.abs(seconds) * scale);
  const whole = Math.floor(total / scale);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const shown = parts[0] === 0 ? parts.slice(1) : parts;
  const text = shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':');
  const fraction = digits === 0 ? '' : `.${String(total % scale).padStart(digits, '0')}`;
  return `${seconds < 0 && total > 0 ? '−' : ''}${text}${fraction}`;
}

export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en')} ${count === 1 ? one : many}`;
}

/** EXCITED reads excited. */
export function wordOf(name: Quadrant | Expression | StreamStatus): string {
  return name.toLowerCase();
}

export const EXPRESSIONS: readonly Expression[] = [
  'NEUTRAL',
  'HAPPINESS',
  'SADNESS',
  'SURPRISE',
  'FEAR',
  'DISGUST',
  'ANGER',
  'CONTEMPT',
];
