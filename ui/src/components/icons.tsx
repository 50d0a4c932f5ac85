// The few icons that the navigation has, drawn as lines in the text's colour.
const PATHS = {
  overview: 'M3 11 10 4l7 7M5 9.5V16h10V9.5',
  agents: 'M6 6h8a2 2 0 0 1 2 2v5a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2ZM10 3v3M8 10v1M12 10v1',
  credentials: 'M7 10.5a3 3 0 1 0 0 .1M10 10.5h7v3M14 10.5v2',
  requests: 'M3 10h3l2-5 4 10 2-5h3',
  access: 'M4 10a6 6 0 1 1 2.500 4.900L3.500 16ZM10 7v3M10 12.500v.1',
  events: 'M6 8a4 4 0 0 1 8 0c0 4 1.500 5 1.500 5h-11S6 12 6 8ZM8.500 15.500a1.600 1.600 0 0 0 3 0',
  projects: 'M3 6h5l2 2h7v7H3Z',
  providers: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM3 10h14M10 3c-4 4-4 10 0 14M10 3c4 4 4 10 0 14',
  budgets: 'M4 14a6 6 0 1 1 12 0M10 14l3-4',
  audit: 'M6 3h6l3 3v11H6ZM8.5 9.5h4M8.5 13h4',
  marketplace: 'M4 8h12l-1 8H5ZM7 8a3 3 0 0 1 6 0',
  billing: 'M3 6h14v9H3ZM3 9h14M6 12.5h3',
  people: 'M7 9.5a2.5 2.5 0 1 0 0-.1M2.5 16a4.5 4.5 0 0 1 9 0M13 9a2 2 0 1 0-1-3.7M13 12a4 4 0 0 1 4.5 4',
  webhooks: 'M7.5 8.5a3 3 0 1 1 4.6-1l2 4M12.5 11.500a3 3 0 1 1-2.6 4.400H6M5.500 10.200a3 3 0 1 0 3 4.600l2-6.500',
  settings: 'M4 6h8M15 6h1M4 14h1M8 14h8M13.5 7.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM6.5 15.5a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3Z',
  operator: 'M4 5h12v4H4ZM4 11h12v4H4ZM7 7h.1M7 13h.1',
  menu: 'M3 6h14M3 10h14M3 14h14',
  close: 'M5 5l10 10M15 5 5 15',
  out: 'M8 4H4v12h4M8 10h9M14 7l3 3-3 3',
} as const;

export type IconName = keyof typeof PATHS;

export const Icon = ({ name }: { name: IconName }) => (
  <svg width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <path d={PATHS[name]} />
  </svg>
);
