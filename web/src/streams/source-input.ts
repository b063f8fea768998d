/** What the form for videos and live sources says, as the server takes it. */
import type { AnalyzeVideoInput, OpenStreamInput } from '../generated/graphql.ts';

/** `''` stands for every frame. */
export function framesPerSecondOf(text: string): number | null {
  return text === '' ? null : Number(text);
}

/** `one, two` gives two labels. */
export function labelsOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((label) => label.trim())
    .filter((label) => label !== '');
}

interface VideoChoices {
  readonly mediaId: string;
  readonly name: string;
  readonly framesPerSecond: string;
  readonly labels: string;
}

/** Longer names are refused. */
const MOST_CHARACTERS = 200;

export function videoInput({ mediaId, name, framesPerSecond, labels }: VideoChoices): AnalyzeVideoInput {
  return {
    mediaId,
    name: name.slice(0, MOST_CHARACTERS),
    framesPerSecond: framesPerSecondOf(framesPerSecond),
    labels: labelsOf(labels),
  };
}

interface LiveChoices {
  readonly url: string;
  readonly name: string;
  readonly framesPerSecond: string;
  readonly labels: string;
}

/** What is left empty is left to the server. */
export function liveInput({ url, name, framesPerSecond, labels }: LiveChoices): OpenStreamInput {
  return {
    url: url.trim(),
    labels: labelsOf(labels),
    ...(name.trim() === '' ? {} : { name: name.trim() }),
    ...(framesPerSecond === '' ? {} : { framesPerSecond: Number(framesPerSecond) }),
  };
}

/** Whether a chosen file goes to `analyzeImage`; everything else is taken for a video, and the server says if it is none. */
export function isPicture({ type, name }: Pick<File, 'type' | 'name'>): boolean {
  return type.startsWith('image/') || /\.(jpe?g|png|webp|gif|tiff?|avif)$/i.test(name);
}
