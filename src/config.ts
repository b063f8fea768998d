/**
 * Every setting of the program in one table: name, default, unit, range, meaning. The environment, the flags, `--help`
 * and the documents all come from it. A setting `maxBatch` is MAX_BATCH in the environment and `--max-batch` as a flag.
 */
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { AppError } from './errors.ts';
import {
  choice,
  type DerivedDefault,
  decimal,
  deviceList,
  hostList,
  hostName,
  originList,
  path,
  type Setting,
  type SettingValue,
  wholeNumber,
} from './setting-kinds.ts';

/** Root of the installed package: both `src/config.ts` and `dist/config.js` lie one folder below it. */
const PACKAGE_FOLDER = fileURLToPath(new URL('..', import.meta.url));

function inPackage(...segments: string[]): DerivedDefault {
  return { text: `${segments.join('/')} of the package`, value: () => join(PACKAGE_FOLDER, ...segments) };
}

const MEBIBYTE = 1024 * 1024;

const SETTINGS = {
  host: hostName({
    default: '127.0.0.1',
    meaning:
      'Address to listen on; 0.0.0.0 and :: are all of this machine. One that others can reach needs a key: circumplex keys create.',
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
    meaning:
      'Silence after which a live stream is STALLED; after as long again its source counts as lost. Longer for HLS: twice a segment.',
  }),
  reconnectAttempts: wholeNumber({
    default: 1000,
    min: 0,
    max: 1_000_000_000,
    unit: 'tries',
    meaning:
      'Tries in a row to get a lost source back before its stream FAILED; 0 never tries. Fewer where a host has no address, a password is refused or a recording brings nothing new.',
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
    max: 2_000_000,
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
    meaning: 'Most pixels of a still picture, or of a frame of an uploaded video, before any scaling.',
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
  corsOrigins: originList({
    meaning: 'Origins whose pages may use this server from a browser; pages of any other may not.',
  }),
  keyOpenStreams: wholeNumber({
    default: 32,
    min: 0,
    max: 1_000_000,
    unit: 'streams',
    meaning: 'Streams of one key that have not ended; 0 sets no limit.',
  }),
  keyRequestsPerMinute: wholeNumber({
    default: 6000,
    min: 0,
    max: 1_000_000_000,
    unit: 'requests a minute',
    meaning:
      'HTTP requests and WebSocket operations of one key, each field of a mutation on its own, pushed frames included; 0 sets no limit.',
  }),
  keyUploadsInFlight: wholeNumber({
    default: 4,
    min: 0,
    max: 10_000,
    unit: 'uploads',
    meaning: 'Videos that one key sends at once, and exports that it reads at once; 0 sets no limit.',
  }),
  keyUploadBytesPerDay: wholeNumber({
    default: 100 * 1024 * MEBIBYTE,
    min: 0,
    max: 1024 ** 4 * 100,
    unit: 'bytes',
    meaning: 'Bytes of videos that one key sends in a day; 0 sets no limit.',
  }),
  keySubscriptions: wholeNumber({
    default: 200,
    min: 0,
    max: 1_000_000,
    unit: 'subscriptions',
    meaning: 'Subscriptions of one key at once, and as many WebSockets; 0 sets no limit.',
  }),
  keyStoredFrames: wholeNumber({
    default: 100_000_000,
    min: 0,
    max: 1_000_000_000_000,
    unit: 'frames',
    meaning:
      'Frames of all streams of one key that the database holds; a stream that meets this limit FAILED. 0 sets no limit.',
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
