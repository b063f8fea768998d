/** Of tracks: each can be read on white and under white (4.5 to 1 at least). */
const TRACKS = ['#0b57c2', '#b3261e', '#1b6e37', '#7432a8', '#8a4b00', '#00666e'];

export const VALENCE = '#0b57c2';
export const AROUSAL = '#b3261e';

export function trackColour(number: number): string {
  return TRACKS[(number - 1) % TRACKS.length]!;
}
