export interface Slope {
  /** Of y for one of x. */
  readonly perUnit: number;
  /** One standard deviation of that, by the scatter around the line. */
  readonly standardError: number;
}

/** The line of least squares through points; NaN for fewer than three. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): Slope {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const perUnit = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const rest = points.reduce((sum, [x, y]) => sum + (y - meanY - perUnit * (x - meanX)) ** 2, 0);
  if (points.length < 3) return { perUnit: Number.NaN, standardError: Number.NaN };
  return { perUnit, standardError: Math.sqrt(rest / (points.length - 2) / spread) };
}
