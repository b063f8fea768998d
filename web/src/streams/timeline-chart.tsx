import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { AROUSAL, VALENCE } from '../affect/colours.ts';
import { timeText } from '../parts/words.ts';
import { type Bucket, chartColumns, type Range } from './timeline-data.ts';

const HEIGHT_PIXELS = 260;
/** A shorter drag is a click. */
const LEAST_DRAG_PIXELS = 6;
/** Some frames of a usual video. */
const LEAST_RANGE_SECONDS = 0.1;

interface TimelineChartProps {
  readonly buckets: readonly Bucket[];
  /** What is shown, from edge to edge. */
  readonly range: Range;
  /** The place that is looked at; null where it is the newest one. */
  readonly cursorSeconds: number | null;
  readonly onLook: (seconds: number) => void;
  readonly onZoom: (range: Range | null) => void;
}

/** Valence and arousal over media time, with a band of one standard deviation. A click looks at a place, a drag comes closer. */
export function TimelineChart(props: TimelineChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  /** The chart lives longer than what it is shown; it reads the last. */
  const shown = useRef(props);
  shown.current = props;

  useEffect(() => {
    const element = place.current!;
    const plot = new uPlot(
      options(() => shown.current, element.clientWidth),
      chartColumns(shown.current.buckets),
      element,
    );
    chart.current = plot;
    const watching = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT_PIXELS }));
    watching.observe(element);
    return () => {
      watching.disconnect();
      plot.destroy();
      chart.current = null;
    };
  }, []);
  const { buckets, range, cursorSeconds } = props;
  useEffect(() => {
    const plot = chart.current;
    if (plot === null) return;
    plot.batch(() => {
      plot.setData(chartColumns(buckets), false);
      plot.setScale('x', { min: range.fromSeconds, max: range.toSeconds });
    });
  }, [buckets, range.fromSeconds, range.toSeconds]);
  useEffect(() => chart.current?.redraw(false), [cursorSeconds]);

  return (
    <div
      ref={place}
      class="timeline"
      role="img"
      aria-label="Valence and arousal over time, from -1 to 1; the slider below moves through it"
    />
  );
}

function options(shown: () => TimelineChartProps, width: number): uPlot.Options {
  const line = (label: string, stroke: string): uPlot.Series => ({
    label,
    stroke,
    width: 2,
    value: (_, value) => (value === null ? '' : value.toFixed(2)),
  });
  const bound: uPlot.Series = { points: { show: false }, width: 0 };
  return {
    width,
    height: HEIGHT_PIXELS,
    legend: { show: false },
    scales: { x: { time: false }, y: { range: [-1, 1] } },
    series: [{}, line('valence', VALENCE), bound, bound, line('arousal', AROUSAL), bound, bound],
    bands: [
      { series: [2, 3], fill: `${VALENCE}22` },
      { series: [5, 6], fill: `${AROUSAL}22` },
    ],
    axes: [
      {
        values: (_, values, _axis, _space, stepSeconds) => {
          const digits = Math.max(0, Math.ceil(-Math.log10(stepSeconds) - 1e-9));
          return values.map((value) => timeText(value, digits));
        },
      },
      { size: 44, values: (_, values) => values.map((value) => value.toFixed(1).replace('-', '−')) },
    ],
    cursor: {
      y: false,
      drag: { x: true, y: false, setScale: false },
      bind: {
        dblclick: () => () => {
          shown().onZoom(null);
          return null;
        },
      },
    },
    hooks: {
      setSelect: [
        (plot) => {
          const { left, width: pixels } = plot.select;
          const range = { fromSeconds: plot.posToVal(left, 'x'), toSeconds: plot.posToVal(left + pixels, 'x') };
          const isDrag = pixels >= LEAST_DRAG_PIXELS && range.toSeconds - range.fromSeconds >= LEAST_RANGE_SECONDS;
          if (isDrag) shown().onZoom(range);
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
      ready: [
        (plot) => {
          let downAt = 0;
          plot.over.addEventListener('mousedown', ({ clientX }) => {
            downAt = clientX;
          });
          plot.over.addEventListener('click', ({ clientX, offsetX }) => {
            if (Math.abs(clientX - downAt) < LEAST_DRAG_PIXELS) shown().onLook(plot.posToVal(offsetX, 'x'));
          });
        },
      ],
      draw: [
        (plot) => {
          const { cursorSeconds } = shown();
          if (cursorSeconds === null) return;
          const { ctx, bbox } = plot;
          const x = Math.round(plot.valToPos(cursorSeconds, 'x', true));
          if (x < bbox.left || x > bbox.left + bbox.width) return;
          ctx.save();
          ctx.fillStyle = '#1b1f24';
          ctx.fillRect(x - 1, bbox.top, 2, bbox.height);
          ctx.restore();
        },
      ],
    },
  };
}
