/**
 * Every setting of the program in one table: name, default, unit, range, meaning. The environment, the flags, `--help`
 * and the documents all come from it. A setting `maxBatch` is MAX_BATCH in the environment and `--max-batch` as a flag.
 */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { AppError } from './errors.ts';

/** Root of the installed package: both `src/config.ts` and `dist/config.js` lie one folder below it. */
const PACKAGE_FOLDER = fileURLToPath(new URL('..', import.meta.url));

type SettingValue = string | number | readonly string[];

interface Setting<T> {
  readonly schema: z.ZodType<T, string>;
  readonly defaultValue: T | DerivedDefault;
  /** What `unit` the number has; empty for texts. */
  readonly unit: string;
  /** The values that are taken, in words. */
  readonly allowed: string;
  readonly meaning: string;
}

/** A default that depends on the machine or on another setting: worked out at start, shown to people as `text`. */
interface DerivedDefault {
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

function wholeNumber({ min, max, unit, meaning, default: defaultValue }: NumberOptions): Setting<number> {
  const schema = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().int().min(min).max(max));
  return { schema, defaultValue, unit, meaning, allowed: `a whole number from ${min} to ${max}` };
}

function decimal({ min, max, unit, meaning, default: defaultValue }: NumberOptions): Setting<number> {
  const schema = z
    .string()
    .regex(/^(\d{1,15}(\.\d{1,15})?|\.\d{1,15})$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max));
  return { schema, defaultValue, unit, meaning, allowed: `a number from ${min} to ${max}` };
}

function choice<const T extends string>(
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

function path(options: { readonly default: string | DerivedDefault; readonly meaning: string }): Setting<string> {
  const schema = z
    .string()
    .refine((text) => !text.includes('\0'))
    .transform((text) => resolve(text));
  return { schema, defaultValue: options.default, unit: '', allowed: 'a path', meaning: options.meaning };
}

/** Commas between its entries, spaces around them; none by default. */
function hostList(options: { readonly meaning: string }): Setting<readonly string[]> {
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
function deviceList(options: { readonly meaning: string }): Setting<readonly string[]> {
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

function inPackage(...segments: string[]): DerivedDefault {
  return { text: `${segments.join('/')} of the package`, value: () => join(PACKAGE_FOLDER, ...segments) };
}

const MEBIBYTE = 1024 * 1024;

const SETTINGS = {
  host: choice(['127.0.0.1', '::1', 'localhost'], {
    default: '127.0.0.1',
    meaning: 'Address to listen on. Only this machine: there are no keys yet that would guard the server on a network.',
  }),
  port: wholeNumber({
    default: 4000,
    min: 0,
    max: 65535,
    unit: 'port',
    meaning: 'TCP port to listen on; 0 takes any free one.',
  }),
  dataDir: path({ default: './data', meaning: 'Folder of the database and of uploads in flight; made when missing.' }),
  databaseUrl: {
    schema: z.string().regex(/^file:.+/),
    defaultValue: {
      text: 'file:DATA_DIR/circumplex.db',
      value: ({ dataDir }) => `file:${join(dataDir, 'circumplex.db')}`,
    },
    unit: '',
    allowed: 'file:PATH',
    meaning: 'SQLite database that keeps every estimate.',
  } as Setting<string>,
  engine: choice(['onnxruntime', 'tensorflow'], {
    default: 'onnxruntime',
    meaning: 'What runs the affect model; tensorflow is several times slower. Faces are always found by onnxruntime.',
  }),
  engineProvider: choice(['auto', 'cpu', 'cuda', 'webgpu'], {
    default: 'auto',
    meaning:
      'Device that runs the affect model; auto takes the first of cuda, webgpu, cpu that passes its self-check; tensorflow has cuda and cpu.',
  }),
  workers: wholeNumber({
    default: { text: 'number of cores', value: () => Math.min(64, availableParallelism()) },
    min: 1,
    max: 64,
    unit: 'threads',
    meaning: 'Threads that run the networks.',
  }),
  logLevel: choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    default: 'info',
    meaning: 'Least severe log line that is written; the log is JSON lines on standard error.',
  }),
  detector: path({
    default: inPackage('models', 'detector'),
    meaning: 'Face detector: a folder with card.json and model.onnx, or a YuNet .onnx file.',
  }),
  model: path({ default: inPackage('models', 'affect'), meaning: 'Affect model: a folder with card.json.' }),
  allowedDevices: deviceList({
    meaning:
      'Cameras of this machine that streams may be opened from as device:NAME: paths on Linux, names or numbers on macOS.',
  }),
  allowedHosts: hostList({
    meaning:
      'Hosts that streams may be opened from although their addresses are not public, such as the cameras of a local network.',
  }),
  maxBatch: wholeNumber({
    default: 8,
    min: 1,
    max: 64,
    unit: 'faces',
    meaning: 'Most faces that the model reads at once; over 16 gains nothing on a CPU.',
  }),
  batchWaitMs: wholeNumber({
    default: 4,
    min: 0,
    max: 1000,
    unit: 'ms',
    meaning: 'Longest time that a face waits for others to fill its batch; 0 never waits.',
  }),
  framesInFlight: wholeNumber({
    default: 8,
    min: 1,
    max: 64,
    unit: 'frames',
    meaning: 'Frames of one video that are at work at once; each holds one picture in memory.',
  }),
  concurrentJobs: wholeNumber({
    default: 2,
    min: 1,
    max: 64,
    unit: 'jobs',
    meaning: 'Videos that are processed side by side.',
  }),
  maxQueuedJobs: wholeNumber({
    default: 100,
    min: 1,
    max: 100_000,
    unit: 'jobs',
    meaning: 'Videos that may wait for their turn; further ones are refused with OVERLOADED.',
  }),
  concurrentImages: wholeNumber({
    default: 4,
    min: 1,
    max: 64,
    unit: 'pictures',
    meaning: 'Still pictures that are decoded and scored side by side.',
  }),
  maxQueuedImages: wholeNumber({
    default: 64,
    min: 1,
    max: 10_000,
    unit: 'pictures',
    meaning: 'Still pictures that may wait for their turn; further ones are refused with OVERLOADED.',
  }),
  maxLiveStreams: wholeNumber({
    default: 16,
    min: 1,
    max: 10_000,
    unit: 'streams',
    meaning: 'Live and pushed streams that are open at once; further ones are refused with OVERLOADED.',
  }),
  connectSeconds: decimal({
    default: 15,
    min: 0.1,
    max: 600,
    unit: 'seconds',
    meaning: 'Time from the call of a live source to its first picture, after which it is called again.',
  }),
  stallSeconds: decimal({
    default: 5,
    min: 0.1,
    max: 600,
    unit: 'seconds',
    meaning: 'Silence after which a live stream is STALLED; after as long again its source counts as lost.',
  }),
  reconnectAttempts: wholeNumber({
    default: 1000,
    min: 0,
    max: 1_000_000_000,
    unit: 'tries',
    meaning: 'Tries in a row to get a lost source back before its stream FAILED; 0 never tries.',
  }),
  reconnectMaxSeconds: decimal({
    default: 30,
    min: 0.1,
    max: 3600,
    unit: 'seconds',
    meaning: 'Longest wait before a try to get a lost source back; the first is half a second, each next one doubled.',
  }),
  pushIdleSeconds: decimal({
    default: 3600,
    min: 1,
    max: 31_536_000,
    unit: 'seconds',
    meaning: 'Time without a picture after which a pushed stream is COMPLETED.',
  }),
  maxUploadBytes: wholeNumber({
    default: 4096 * MEBIBYTE,
    min: 1024,
    max: 1024 ** 4,
    unit: 'bytes',
    meaning: 'Largest video that is taken.',
  }),
  uploadMaxAgeSeconds: wholeNumber({
    default: 86_400,
    min: 60,
    max: 31_536_000,
    unit: 'seconds',
    meaning: 'Age at which an upload that no job has claimed is removed.',
  }),
  maxImageBytes: wholeNumber({
    default: 32 * MEBIBYTE,
    min: 1024,
    max: 1024 * MEBIBYTE,
    unit: 'bytes',
    meaning: 'Largest still picture that is taken.',
  }),
  maxImagePixels: wholeNumber({
    default: 50_000_000,
    min: 1_000_000,
    max: 1_000_000_000,
    unit: 'pixels',
    meaning: 'Most pixels of a still picture or of a video frame before any scaling.',
  }),
  maxImageSidePixels: wholeNumber({
    default: 2560,
    min: 160,
    max: 8192,
    unit: 'pixels',
    meaning: 'Longer side that a still picture is scaled down to; above 1280 faces are looked for in tiles as well.',
  }),
  maxFrameSidePixels: wholeNumber({
    default: 1280,
    min: 160,
    max: 8192,
    unit: 'pixels',
    meaning: 'Longer side that the frames of a video are scaled down to before faces are looked for.',
  }),
  mediaMemoryBytes: wholeNumber({
    default: 4096 * MEBIBYTE,
    min: 0,
    max: 1024 ** 4,
    unit: 'bytes',
    meaning: 'Address space of one ffmpeg or ffprobe, which is more than it uses; 0 for no limit. Not on macOS.',
  }),
  mediaCpuSeconds: wholeNumber({
    default: 14_400,
    min: 0,
    max: 31_536_000,
    unit: 'seconds',
    meaning: 'Processor time that the decoding of one video file may take, all threads together; 0 for no limit.',
  }),
  mediaStallSeconds: decimal({
    default: 120,
    min: 0.1,
    max: 86_400,
    unit: 'seconds',
    meaning: 'Time without a frame after which a video file is given up; sparse sampling makes it longer.',
  }),
  minFaceness: decimal({
    default: 0.5,
    min: 0,
    max: 1,
    unit: 'probability',
    meaning:
      'What the affect model takes for a face with less certainty is left out, if the model says so; 0 keeps all.',
  }),
  smoothingSeconds: decimal({
    default: 0.5,
    min: 0,
    max: 60,
    unit: 'seconds',
    meaning: 'Time constant of the smoothed values; 0 leaves them as they are.',
  }),
  neutralRadius: decimal({
    default: 0.15,
    min: 0,
    max: 1,
    unit: 'affect',
    meaning: 'Intensity below which the quadrant is NEUTRAL; 0 names a quadrant for everything but the very centre.',
  }),
  trackMissSeconds: decimal({
    default: 1,
    min: 0.1,
    max: 60,
    unit: 'seconds',
    meaning: 'Time that a face may be out of sight and keep its track.',
  }),
  retentionDays: decimal({
    default: 0,
    min: 0,
    max: 36_500,
    unit: 'days',
    meaning:
      'Age, since its end, at which a stream or a picture is erased; 0 keeps everything that has no limit of its own.',
  }),
  subscriberBufferFrames: wholeNumber({
    default: 256,
    min: 1,
    max: 100_000,
    unit: 'frames',
    meaning: 'Frames kept for a slow subscriber; beyond it the oldest are dropped and counted.',
  }),
  shutdownSeconds: decimal({
    default: 10,
    min: 0.1,
    max: 600,
    unit: 'seconds',
    meaning: 'Time that a stop may take before the process ends the hard way.',
  }),
} satisfies Record<string, Setting<string> | Setting<number> | Setting<readonly string[]>>;

export type SettingName = keyof typeof SETTINGS;

/** Every setting with its value, checked. Units stand in the names and in {@link describeSettings}. */
export type Config = {
  readonly [Name in SettingName]: (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;
};

/** One row of the table, as `--help` and the documents show it. */
export interface SettingDescription {
  readonly name: SettingName;
  readonly environment: string;
  readonly flag: string;
  readonly default: string;
  readonly unit: string;
  readonly allowed: string;
  readonly meaning: string;
}

function separated(name: string, separator: string): string {
  return name.replace(/[A-Z]/g, (letter) => `${separator}${letter.toLowerCase()}`);
}

function isDerived(value: unknown): value is DerivedDefault {
  return typeof value === 'object';
}

/** The table of settings in its order. */
export function describeSettings(): readonly SettingDescription[] {
  return Object.entries(SETTINGS).map(([name, setting]) => ({
    name: name as SettingName,
    environment: separated(name, '_').toUpperCase(),
    flag: `--${separated(name, '-')}`,
    default: isDerived(setting.defaultValue) ? setting.defaultValue.text : String(setting.defaultValue),
    unit: setting.unit,
    allowed: setting.allowed,
    meaning: setting.meaning,
  }));
}

/** Where settings come from; a flag wins over the environment, and an empty value counts as not given. */
export interface ConfigSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Flags without their dashes: `{ 'data-dir': './here' }`. Default none. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads every setting. Errors: CONFIG_INVALID, with the setting, its value and what would be allowed in the message.
 */
export function loadConfig({ environment, flags = {} }: ConfigSources): Config {
  const values: Record<string, SettingValue> = {};
  for (const description of describeSettings()) {
    const { schema, defaultValue } = SETTINGS[description.name] as Setting<SettingValue>;
    const flag = flags[description.flag.slice(2)];
    const given = flag ?? environment[description.environment];
    if (given === undefined || (given === '' && flag === undefined)) {
      // DATA_DIR comes before what derives from it in the table, so its value is there by now.
      const dataDir = String(values.dataDir ?? '');
      const value = isDerived(defaultValue) ? defaultValue.value({ dataDir }) : defaultValue;
      values[description.name] = description.name === 'dataDir' ? resolve(String(value)) : value;
      continue;
    }
    const parsed = given === '' ? null : schema.safeParse(given);
    if (parsed?.success !== true) {
      const source = flag === undefined ? description.environment : description.flag;
      throw new AppError(
        'CONFIG_INVALID',
        `The setting ${source} is ${JSON.stringify(given)}; it must be ${description.allowed}` +
          `${description.unit === '' ? '' : ` (${description.unit})`}.`,
      );
    }
    values[description.name] = parsed.data;
  }
  return values as unknown as Config;
}
