import { describe, expect, it } from 'vitest';
import { helpText, parseCommand } from '../../src/cli/index.ts';
import { describeSettings } from '../../src/config.ts';

describe('parseCommand', () => {
  it('reads the files and options of analyze', () => {
    const argv = [
      'analyze',
      'a.mp4',
      'b c.jpg',
      '--format',
      'jsonl',
      '--fps',
      '2.5',
      '--output=out.jsonl',
      '--workers',
      '1',
    ];
    expect(parseCommand(argv)).toEqual({
      kind: 'analyze',
      files: ['a.mp4', 'b c.jpg'],
      format: 'jsonl',
      sampling: { kind: 'RATE', framesPerSecond: 2.5 },
      recursive: false,
      destination: { kind: 'FILE', path: 'out.jsonl', existing: 'REFUSE' },
      flags: { workers: '1' },
    });
  });

  it('writes CSV of every frame to standard output unless told otherwise', () => {
    expect(parseCommand(['analyze', 'a.mp4'])).toMatchObject({
      format: 'csv',
      sampling: { kind: 'EVERY_FRAME' },
      recursive: false,
      destination: { kind: 'STDOUT' },
    });
    expect(parseCommand(['analyze', '--every-frame', 'a.mp4'])).toMatchObject({ sampling: { kind: 'EVERY_FRAME' } });
  });

  it.each([
    [['--output', 'x', '--overwrite'], { kind: 'FILE', path: 'x', existing: 'OVERWRITE' }],
    [['--output-dir', 'x'], { kind: 'FOLDER', path: 'x', existing: 'REFUSE' }],
    [['--output-dir', 'x', '--resume'], { kind: 'FOLDER', path: 'x', existing: 'RESUME' }],
    [['--output-dir', 'x', '--overwrite'], { kind: 'FOLDER', path: 'x', existing: 'OVERWRITE' }],
  ])('reads from %j where the rows of analyze go', (options, destination) => {
    expect(parseCommand(['analyze', 'a', '--recursive', ...options])).toMatchObject({ recursive: true, destination });
  });

  it('reads the stream and options of export', () => {
    const argv = ['export', 'an-id', '--format', 'jsonl', '-o', 'out.jsonl', '--data-dir', 'here'];
    expect(parseCommand(argv)).toEqual({
      kind: 'export',
      streamId: 'an-id',
      format: 'jsonl',
      output: 'out.jsonl',
      flags: { 'data-dir': 'here' },
    });
    expect(parseCommand(['export', 'an-id'])).toMatchObject({ format: 'csv', output: null });
  });

  it('takes what follows "--" as a file, even when it looks like a flag', () => {
    expect(parseCommand(['analyze', '--', '--fps'])).toMatchObject({ files: ['--fps'] });
  });

  it('gives every setting to serve as a flag', () => {
    const argv = describeSettings().flatMap(({ flag }) => [flag, 'x']);
    const command = parseCommand(['serve', ...argv]);
    expect(command.kind === 'serve' && Object.keys(command.flags)).toHaveLength(describeSettings().length);
  });

  it.each([
    [['--help'], 'help'],
    [['-h'], 'help'],
    [['help'], 'help'],
    [['serve', '--help'], 'help'],
    [['--version'], 'version'],
  ])('answers %j with %s', (argv, kind) => {
    expect(parseCommand(argv).kind).toBe(kind);
  });

  it.each([
    [[], 'Say what to do'],
    [['analyse'], '"analyse"'],
    [['analyze'], 'at least one file'],
    [['analyze', 'a', '--fps', '0'], '--fps'],
    [['analyze', 'a', '--fps', 'many'], '--fps'],
    [['analyze', 'a', '--fps', '1e9'], '--fps'],
    [['analyze', 'a', '--fps', '5', '--every-frame'], 'not both'],
    [['analyze', 'a', '--format', 'xml'], 'csv, jsonl'],
    [['analyze', 'a', '--colour'], '--colour'],
    [['analyze', 'a', '--output'], '--output'],
    [['analyze', 'a', '--output', 'x', '--output-dir', 'y'], 'not both'],
    [['analyze', 'a', '--output-dir', 'y', '--resume', '--overwrite'], 'not both'],
    [['analyze', 'a', '--output', 'x', '--resume'], '--output-dir'],
    [['analyze', 'a', '--resume'], '--output-dir'],
    [['analyze', 'a', '--overwrite'], '--output-dir'],
    [['analyze', 'a', '--output='], 'need a name'],
    [['analyze', 'a', '--output-dir='], 'need a name'],
    [['serve', 'a.mp4'], 'no file names'],
    [['serve', '--recursive'], '--recursive'],
    [['export', 'a', '--overwrite'], '--overwrite'],
    [['export', 'a', '--output-dir', 'x'], '--output-dir'],
    [['keys', 'list', '--resume'], '--resume'],
    [['serve', '--format', 'csv'], '--format'],
    [['serve', '--port'], '--port'],
    [['export'], 'one stream'],
    [['export', 'a', 'b'], 'one stream'],
    [['export', 'a', '--fps', '5'], '--fps'],
    [['export', 'a', '--every-frame'], '--every-frame'],
    [['export', 'a', '--format', 'xml'], 'csv, jsonl'],
  ])('refuses %j and says why', (argv, words) => {
    expect(() => parseCommand(argv)).toThrow(
      expect.objectContaining({ code: 'BAD_INPUT', message: expect.stringContaining(words) }),
    );
  });
});

describe('helpText', () => {
  it('lists every setting with its default, unit and range', () => {
    const text = helpText();
    for (const row of describeSettings()) {
      const unit = row.unit === '' ? '' : ` ${row.unit}`;
      expect(text).toContain(`${row.environment}, ${row.flag} (default ${row.default}${unit}; ${row.allowed})`);
    }
  });

  it('folds the meanings at the width it is given', () => {
    const meanings = helpText(60)
      .split('\n')
      .filter((line) => line.startsWith('      '));
    expect(Math.max(...meanings.map((line) => line.length))).toBeLessThanOrEqual(60);
  });
});
