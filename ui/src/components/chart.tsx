// Curves over days. The library is fetched when the first chart is shown; the same figures stand in a table below, and each day
// leads to its requests from either.
import { useEffect, useRef } from 'react';
import type uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { go } from '../lib/router.tsx';

export interface Series {
  readonly name: string;
  readonly tone: 'accent' | 'bad';
  readonly values: readonly number[];
}

interface ChartProps {
  label: string;
  /** UTC days, `YYYY-MM-DD`. */
  days: readonly string[];
  series: readonly Series[];
  format: (value: number) => string;
  /** Where the cause of a day is seen. */
  href: (day: string) => string;
}

/** What a token of the design is now, in this theme. */
const colour = (element: HTMLElement, token: string): string => {
  element.style.color = `var(--${token})`;
  const found = getComputedStyle(element).color;
  element.style.color = '';
  return found;
};

const optionsFor = (element: HTMLElement, { series, format }: ChartProps, bars: uPlot.Series.PathBuilder): uPlot.Options => {
  const [muted, line] = [colour(element, 'muted'), colour(element, 'line')];
  const font = `12px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: muted, font, ticks: { show: false }, grid: { stroke: line, width: 1 } };
  return {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [8, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: { x: { time: true, range: (_plot, first, last) => [first - 43_200, last + 43_200] }, y: { range: (_plot, _least, most) => [0, most > 0 ? most * 1.1 : 1] } },
    tzDate: (seconds) => new Date(seconds * 1000 + new Date(seconds * 1000).getTimezoneOffset() * 60_000),
    axes: [
      { ...axis, grid: { show: false }, size: 30, space: 64, values: (_plot, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })), incrs: [86_400, 7 * 86_400, 14 * 86_400] },
      { ...axis, size: 56, space: 40, values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [{}, ...series.map(({ name, tone }) => ({ label: name, stroke: colour(element, tone), fill: colour(element, tone), width: 0, paths: bars, points: { show: false } }))],
  };
};

export const Chart = (props: ChartProps) => {
  const { label, days, series, format, href } = props;
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const at = element.current;
    if (!at) return;
    let plot: uPlot | undefined;
    let gone = false;
    const draw = async (): Promise<void> => {
      const { default: Plot } = await import('uplot');
      if (gone) return;
      plot?.destroy();
      const bars = Plot.paths.bars?.({ size: [0.7, 24], radius: 0.15 });
      if (!bars) return;
      const times = days.map((day) => Date.parse(`${day}T00:00:00Z`) / 1000);
      plot = new Plot(optionsFor(at, props, bars), [times, ...series.map(({ values }) => [...values])], at);
      const drawn = plot;
      drawn.over.addEventListener('click', () => {
        const day = days[drawn.cursor.idx ?? -1];
        if (day !== undefined) go(href(day));
      });
    };
    const resized = new ResizeObserver(() => plot?.setSize({ width: at.clientWidth, height: at.clientHeight }));
    const again = (): void => void draw();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    void draw();
    resized.observe(at);
    addEventListener('themechange', again);
    dark.addEventListener('change', again);
    return () => {
      gone = true;
      resized.disconnect();
      removeEventListener('themechange', again);
      dark.removeEventListener('change', again);
      plot?.destroy();
    };
    // The text of the figures says whether they are others.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [JSON.stringify([days, series])]);
  return (
    <figure className="stack-small">
      {series.length > 1 && (
        <div className="legend-row" aria-hidden="true">
          {series.map(({ name, tone }) => (
            <span key={name} className={tone === 'accent' ? 'a' : 'b'}>
              {name}
            </span>
          ))}
        </div>
      )}
      <div ref={element} className="chart" aria-hidden="true" />
      <details>
        <summary>Day by day</summary>
        <table className="table">
          <caption className="hidden">{label}</caption>
          <thead>
            <tr>
              <th scope="col">Day</th>
              {series.map(({ name }) => (
                <th key={name} scope="col" className="right">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {days
              .map((day, at) => ({ day, values: series.map(({ name, values }) => ({ name, value: values[at] ?? 0 })) }))
              .filter(({ values }) => values.some(({ value }) => value !== 0))
              .reverse()
              .map(({ day, values }) => (
                <tr key={day}>
                  <td data-label="Day" className="lead-cell">
                    <a href={href(day)}>{day}</a>
                  </td>
                  {values.map(({ name, value }) => (
                    <td key={name} data-label={name} className="right">
                      {format(value)}
                    </td>
                  ))}
                </tr>
              ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
};
