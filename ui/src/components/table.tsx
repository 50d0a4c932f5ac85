// The one table: rows that lead somewhere, cards where there is no room for columns, pages that are added
// at the end.
import type { ReactNode } from 'react';
import type { Failure } from '../lib/api.ts';
import { go } from '../lib/router.tsx';
import { Button, Empty, Failed, Skeleton } from './parts.tsx';

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ReactNode;
  readonly right?: boolean;
  /** Names the row; the link stands here. */
  readonly lead?: boolean;
}

interface TableProps<T> {
  label: string;
  rows: readonly T[] | undefined;
  columns: readonly Column<T>[];
  id: (row: T) => string;
  href?: (row: T) => string;
  failure?: Failure | undefined;
  again?: () => void;
  empty: ReactNode;
  more?: (() => void) | undefined;
  busy?: boolean;
}

export const Table = <T,>({ label, rows, columns, id, href, failure, again, empty, more, busy }: TableProps<T>) => {
  if (failure && !rows) {
    return (
      <div className="card-body">
        <Failed failure={failure} {...(again && { again })} />
      </div>
    );
  }
  const failed = failure && (
    <div className="card-body">
      <Failed failure={failure} {...(again && { again })} />
    </div>
  );
  if (rows?.length === 0) {
    return (
      <>
        {failed}
        {more ? (
          <Empty title="Nothing in the latest ones" actions={<Button small onClick={more} busy={busy ?? false}>Look further</Button>}>
            There are older ones that were not looked at yet.
          </Empty>
        ) : (
          empty
        )}
      </>
    );
  }
  return (
    <>
      {failed}
      <div className="table-wrap">
        <table className="table" role="table" aria-label={label} aria-busy={!rows}>
          <thead role="rowgroup">
            <tr role="row">
              {columns.map((column) => (
                <th key={column.title} role="columnheader" scope="col" className={column.right ? 'right' : undefined}>
                  {column.title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody role="rowgroup">
            {rows
              ? rows.map((row) => <Row key={id(row)} row={row} columns={columns} href={href?.(row)} />)
              : [0, 1, 2, 3, 4].map((row) => (
                  <tr key={row} role="row">
                    {columns.map((column) => (
                      <td key={column.title} role="cell">
                        <Skeleton width={column.lead ? '60%' : '40%'} />
                      </td>
                    ))}
                  </tr>
                ))}
          </tbody>
        </table>
      </div>
      {more && (
        <div className="card-body">
          <span className="row">
            <Button small onClick={more} busy={busy ?? false}>
              Show more
            </Button>
            {failure && <span className="wrong">{failure.words}</span>}
          </span>
        </div>
      )}
    </>
  );
};

const Row = <T,>({ row, columns, href }: { row: T; columns: readonly Column<T>[]; href: string | undefined }) => (
  <tr
    role="row"
    className={href ? 'leads' : undefined}
    onClick={(event) => {
      const onControl = (event.target as HTMLElement).closest('a, button, input, select, label');
      if (href && !onControl && !getSelection()?.toString()) go(href);
    }}
  >
    {columns.map((column) => (
      <td
        key={column.title}
        role="cell"
        data-label={column.title}
        className={[column.right && 'right', column.lead && 'lead-cell'].filter(Boolean).join(' ') || undefined}
      >
        {column.lead && href ? (
          <a className="lead" href={href}>
            {column.cell(row)}
          </a>
        ) : (
          <span className={column.lead ? 'lead' : undefined}>{column.cell(row)}</span>
        )}
      </td>
    ))}
  </tr>
);
