import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeSettings, loadConfig } from '../src/config.ts';
import { AppError } from '../src/errors.ts';

function failure(environment: Record<string, string>, flags: Record<string, string> = {}): AppError {
  try {
    loadConfig({ environment, flags });
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('the configuration was taken');
}

describe('loadConfig', () => {
  it('has a usable value for every setting when nothing is given', () => {
    const config = loadConfig({ environment: {} });
    for (const { name } of describeSettings()) expect(config[name]).not.toBe('');
    expect(config).toMatchObject({ host: '127.0.0.1', port: 4000, maxBatch: 8, engineProvider: 'auto' });
  });

  it('takes the environment, and lets a flag win over it', () => {
    const environment = { PORT: '4001', MAX_BATCH: '4' };
    expect(loadConfig({ environment, flags: { port: '4002' } })).toMatchObject({ port: 4002, maxBatch: 4 });
  });

  it('takes an empty variable as not given, but not an empty flag', () => {
    expect(loadConfig({ environment: { PORT: '' } }).port).toBe(4000);
    expect(failure({}, { port: '' }).message).toContain('--port');
  });

  it('puts the database into the data folder unless told where', () => {
    expect(loadConfig({ environment: { DATA_DIR: '/var/here' } }).databaseUrl).toBe('file:/var/here/circumplex.db');
    expect(loadConfig({ environment: { DATABASE_URL: 'file:/tmp/x.db' } }).databaseUrl).toBe('file:/tmp/x.db');
  });

  it('reads a list of hosts with its spaces and capitals taken away', () => {
    expect(loadConfig({ environment: {} }).allowedHosts).toEqual([]);
    expect(loadConfig({ environment: {} }).allowedDevices).toEqual([]);
    expect(loadConfig({ environment: { ALLOWED_DEVICES: '/dev/video0, FaceTime HD Camera' } }).allowedDevices).toEqual([
      '/dev/video0',
      'FaceTime HD Camera',
    ]);
    expect(
      loadConfig({ environment: { ALLOWED_HOSTS: '10.0.0.0/8, ::1,Cam.LAN , 192.168.1.20' } }).allowedHosts,
    ).toEqual([...['10.0.0.0/8', '::1', 'cam.lan', '192.168.1.20']]);
  });

  it.each(['0.0.0.0', '::', '192.168.1.20', 'cam.lan', 'localhost'])('takes %s to listen on', (host) => {
    expect(loadConfig({ environment: { HOST: host } }).host).toBe(host);
  });

  it('reads a list of origins with its spaces taken away', () => {
    expect(loadConfig({ environment: {} }).corsOrigins).toEqual([]);
    expect(
      loadConfig({ environment: { CORS_ORIGINS: 'https://app.example, http://localhost:3000' } }).corsOrigins,
    ).toEqual(['https://app.example', 'http://localhost:3000']);
  });

  it.each([
    ['PORT', '65536', 'from 0 to 65535'],
    ['PORT', '-1', 'from 0 to 65535'],
    ['PORT', '80.5', 'a whole number'],
    ['PORT', '0x50', 'a whole number'],
    ['PORT', ' 80', 'a whole number'],
    ['WORKERS', '0', 'from 1 to 64'],
    ['SMOOTHING_SECONDS', '-0.5', 'a number from 0 to 60'],
    ['SMOOTHING_SECONDS', 'NaN', 'a number from 0 to 60'],
    ['SMOOTHING_SECONDS', '1e1', 'a number from 0 to 60'],
    ['LOG_LEVEL', 'loud', 'one of fatal, error'],
    ['ENGINE', 'caffe', 'one of onnxruntime, tensorflow'],
    ['DATABASE_URL', 'mysql://there', 'file:PATH'],
    ['HOST', '10.0.0.0/8', 'an IP address or a host name'],
    ['HOST', 'http://here', 'an IP address or a host name'],
    ['HOST', 'here:4000', 'an IP address or a host name'],
    ['CORS_ORIGINS', '*', 'origins such as'],
    ['CORS_ORIGINS', 'null', 'origins such as'],
    ['CORS_ORIGINS', 'https://app.example/', 'origins such as'],
    ['CORS_ORIGINS', 'https://APP.example', 'origins such as'],
    ['CORS_ORIGINS', 'https://app.example:443', 'origins such as'],
    ['CORS_ORIGINS', 'https://*.example', 'origins such as'],
    ['CORS_ORIGINS', 'app.example', 'origins such as'],
    ['CORS_ORIGINS', 'https://a.example,,https://b.example', 'origins such as'],
    ['KEY_OPEN_STREAMS', '-1', 'a whole number'],
    ['ALLOWED_HOSTS', '10.0.0.0/33', 'CIDR blocks'],
    ['ALLOWED_HOSTS', '::1/129', 'CIDR blocks'],
    ['ALLOWED_HOSTS', '10.0.0.0/', 'CIDR blocks'],
    ['ALLOWED_HOSTS', '10.0.0.0/8/8', 'CIDR blocks'],
    ['ALLOWED_HOSTS', '10.0.0', 'CIDR blocks'],
    ['ALLOWED_HOSTS', '0x7f.0.0.1', 'CIDR blocks'],
    ['ALLOWED_HOSTS', 'a.example,,b.example', 'CIDR blocks'],
    ['ALLOWED_HOSTS', '*.lan', 'CIDR blocks'],
    ['ALLOWED_HOSTS', 'http://cam.lan', 'CIDR blocks'],
    ['ALLOWED_HOSTS', 'cam.lan:554', 'CIDR blocks'],
    ['ALLOWED_HOSTS', 'fe80::1%eth0', 'CIDR blocks'],
    ['ALLOWED_HOSTS', `${'a'.repeat(64)}.lan`, 'CIDR blocks'],
  ])('refuses %s = %s and says what is allowed', (name, value, allowed) => {
    const error = failure({ [name]: value });
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toContain(name);
    expect(error.message).toContain(JSON.stringify(value));
    expect(error.message).toContain(allowed);
  });

  it('either takes a text as the number it says or refuses it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.integer().map(String)), (text) => {
        fc.pre(text !== '');
        try {
          expect(loadConfig({ environment: { MAX_BATCH: text } }).maxBatch).toBe(Number(text));
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
    );
  });
});

describe('the table of settings', () => {
  it('names each setting once, with a meaning, and a unit wherever it is a number', () => {
    const table = describeSettings();
    expect(new Set(table.map((row) => row.environment)).size).toBe(table.length);
    for (const row of table) {
      expect(row.meaning).toMatch(/\.$/);
      expect(row.unit === '').toBe(!row.allowed.includes('number'));
      expect(row.flag).toBe(`--${row.environment.toLowerCase().replaceAll('_', '-')}`);
    }
  });

  it('shows defaults that are themselves allowed', () => {
    for (const row of describeSettings()) {
      if (!/^[\d.]+$/.test(row.default)) continue;
      const config = loadConfig({ environment: { [row.environment]: row.default } });
      expect(String(config[row.name])).toBe(row.default);
    }
  });
});
