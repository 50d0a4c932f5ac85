// Which project something new belongs to; it is asked only where there are several.
import type { Failure } from '../lib/api.ts';
import { useAllProjects } from '../lib/look-ups.ts';
import { SelectField } from './fields.tsx';

/** Where everything goes that names no project. */
export const DEFAULT_PROJECT = 'default';

interface Props {
  /** An id; empty is the default one. */
  value: string;
  onChange: (project: string) => void;
  failure: Failure | undefined;
  hint: string;
}

export const ProjectField = ({ value, onChange, failure, hint }: Props) => {
  const projects = useAllProjects();
  const rows = projects.data?.data ?? [];
  if (rows.length < 2) return null;
  const chosen = value || (rows.find((one) => one.slug === DEFAULT_PROJECT)?.id ?? '');
  return (
    <SelectField label="Project" value={chosen} failure={failure} pointer="/project" onChange={(event) => onChange(event.target.value)} hint={hint}>
      {rows.map((one) => (
        <option key={one.id} value={one.id}>
          {one.name}
        </option>
      ))}
    </SelectField>
  );
};
