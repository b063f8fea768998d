/** Reads the text format of Prometheus back, strictly: what it does not know is an error. */

export interface Family {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

export function parseMetrics(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, { help: string; type: string; samples: Sample[] }>();
  let current: { name: string; family: { help: string; type: string; samples: Sample[] } } | null = null;
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, word, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (word === 'HELP') {
      if (families.has(name)) throw new Error(`${name} comes twice`);
      current = { name, family: { help: rest, type: '', samples: [] } };
      families.set(name, current.family);
    } else if (word === 'TYPE') {
      if (current?.name !== name) throw new Error(`the type of ${name} is not with its help`);
      current.family.type = rest;
    } else {
      const sample = parseSample(line);
      if (current === null || !sample.name.startsWith(current.name)) throw new Error(`${line} is in the wrong place`);
      current.family.samples.push(sample);
    }
  }
  return families;
}

function parseSample(line: string): Sample {
  const [, name, labelText = '', number] = LINE.exec(line) ?? [];
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
  if (name === undefined || Number.isNaN(value)) throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labelText.length) {
    const [, label, text] = LABEL.exec(labelText) ?? [];
    if (label === undefined) throw new Error(`no labels: ${line}`);
    labels[label] = text!;
  }
  return { name, labels, value };
}

/** The value of one sample; undefined where there is none. */
export function sampleOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
  return family?.samples.find(
    (sample) =>
      sample.name === name &&
      Object.keys(sample.labels).length === Object.keys(labels).length &&
      Object.entries(labels).every(([label, text]) => sample.labels[label] === text),
  )?.value;
}
