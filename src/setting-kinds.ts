/** The kinds of values that settings have: how each is read from text, and what is said of it to people. */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';

export type SettingValue = string | number | readonly string[];

export interface Setting<T> {
  readonly schema: z.ZodType<T, string>;
  readonly defaultValue: T | DerivedDefault;
  /** What `unit` the number has; empty for texts. */
  readonly unit: string;
  /** The values that are taken, in words. */
  readonly allowed: string;
  readonly meaning: string;
}

/** A default that depends on the machine or on another setting: worked out at start, shown to people as `text`. */
export interface DerivedDefault {
  readonly text: string;
  readonly value: (resolved: { readonly dataDir: string }) => SettingValue;
}

interface NumberOptions {
  readonly default: number | DerivedDefault;
  readonly min: number;
  readonly max: number;
  readonly unit: string;
  readonly meaning: string;
}

export function wholeNumber({ min, max, unit, meaning, default: defaultValue }: NumberOptions): Setting<number> {
  const schema = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));
  return { schema, defaultValue, unit, meaning, allowed: `a whole number from ${min} to ${max}` };
}

export function decimal({ min, max, unit, meaning, default: defaultValue }: NumberOptions): Setting<number> {
  const schema = z
    .string()
    .regex(/^(\d{1,15}(\.\d{1,15})?|\.\d{1,15})$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max));
  return { schema, defaultValue, unit, meaning, allowed: `a number from ${min} to ${max}` };
}

export function choice<const T extends string>(
  values: readonly [T, ...T[]],
  options: { readonly default: NoInfer<T>; readonly meaning: string },
): Setting<T> {
  const schema = z.string().pipe(z.enum(values)) as unknown as z.ZodType<T, string>;
  return {
    schema,
    defaultValue: options.default,
    unit: '',
    allowed: `one of ${values.join(', ')}`,
    meaning: options.meaning,
  };
}

export function path(options: {
  readonly default: string | DerivedDefault;
  readonly meaning: string;
}): Setting<string> {
  const schema = z
    .string()
    .refine((text) => !text.includes('\0'))
    .transform((text) => resolve(text));
  return { schema, defaultValue: options.default, unit: '', allowed: 'a path', meaning: options.meaning };
}

/** Commas between its entries, spaces around them; none by default. */
export function hostList(options: { readonly meaning: string }): Setting<readonly string[]> {
  const schema = z
    .string()
    .transform((text) => text.split(',').map((entry) => entry.trim().toLowerCase()))
    .refine((entries) => entries.every(isHostOrBlock));
  return {
    schema,
    defaultValue: { text: 'none', value: () => [] },
    unit: '',
    allowed: 'host names, IP addresses and CIDR blocks with commas between them',
    meaning: options.meaning,
  };
}

/** Commas between its entries, spaces around them; none by default. */
export function deviceList(options: { readonly meaning: string }): Setting<readonly string[]> {
  const schema = z
    .string()
    .transform((text) => text.split(',').map((entry) => entry.trim()))
    .refine((entries) => entries.every((entry) => /^[^\p{Cc}]{1,200}$/u.test(entry)));
  return {
    schema,
    defaultValue: { text: 'none', value: () => [] },
    unit: '',
    allowed: 'names of devices with commas between them',
    meaning: options.meaning,
  };
}

/** Commas between its entries, spaces around them; none by default. */
export function originList(options: { readonly meaning: string }): Setting<readonly string[]> {
  const schema = z
    .string()
    .transform((text) => text.split(',').map((entry) => entry.trim()))
    .refine((entries) => entries.every(isOrigin));
  return {
    schema,
    defaultValue: { text: 'none', value: () => [] },
    unit: '',
    allowed: 'origins such as https://app.example with commas between them',
    meaning: options.meaning,
  };
}

/** Exactly as a browser sends it, so that it can be compared as text. */
function isOrigin(entry: string): boolean {
  return /^https?:[^*]+$/.test(entry) && URL.canParse(entry) && new URL(entry).origin === entry;
}

export function hostName(options: { readonly default: string; readonly meaning: string }): Setting<string> {
  const schema = z.string().refine((text) => !text.includes('/') && isHostOrBlock(text.toLowerCase()));
  return {
    schema,
    defaultValue: options.default,
    unit: '',
    allowed: 'an IP address or a host name',
    meaning: options.meaning,
  };
}

function isHostOrBlock(entry: string): boolean {
  const [host = '', bits, ...more] = entry.split('/');
  const version = host.includes('%') ? 0 : isIP(host);
  if (version === 0 || more.length > 0) {
    // A name whose last part is a number would be an IPv4 address in some other spelling.
    return /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*(?!(\d+|0x[0-9a-f]*)$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(
      entry,
    );
  }
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}
