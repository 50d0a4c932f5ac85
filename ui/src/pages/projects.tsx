// Projects: rooms for agents, keys and budgets, with what each has spent.
import { useState } from 'react';
import type { Agent, Project } from '@keystore/sdk';
import { AbuseRulesCard } from '../components/abuse-rules.tsx';
import { SetBudget } from '../components/budget-forms.tsx';
import { BudgetTable } from '../components/budget-table.tsx';
import { Ceilings } from '../components/ceilings.tsx';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { listOf, TextField } from '../components/fields.tsx';
import { Ago, Badge, Button, Card, Empty, Facts, Failed, Figure, Named, Page, Skeleton } from '../components/parts.tsx';
import { AgentBadge } from '../components/status.tsx';
import { Table, type Column } from '../components/table.tsx';
import { say } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, daysAgo, exactly, money, monthStart } from '../lib/format.ts';
import { useList, type List } from '../lib/list.ts';
import { useAllBudgets } from '../lib/look-ups.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { go, to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

export const Projects = () => {
  const list = useList('projects/list', () => ks.projects.list({ limit: 50 }), 30_000);
  const usage = useQuery('usage/projects-month', () => ks.usage.get({ by: 'project', since: monthStart() }), 15_000);
  const may = useMay('members');
  const [open, setOpen] = useState(false);
  const create = may && (
    <Button kind="main" onClick={() => setOpen(true)}>
      Create a project
    </Button>
  );
  const rowOf = (one: Project) => usage.data?.data.find((row) => row.projectId === one.id);
  const columns: Column<Project>[] = [
    { title: 'Project', lead: true, cell: (one) => <Named name={one.name} /> },
    { title: 'In URLs', cell: (one) => <span className="mono">{one.slug}</span> },
    { title: 'Labels', cell: (one) => (one.labels.length === 0 ? <span className="quiet">none</span> : <span className="row">{one.labels.map((label) => <Badge key={label} tone="plain">{label}</Badge>)}</span>) },
    { title: 'Calls this month', right: true, cell: (one) => usage.data && count(rowOf(one)?.calls ?? 0) },
    { title: 'Spent this month', right: true, cell: (one) => usage.data && money(rowOf(one)?.cost ?? '0') },
    { title: 'Made', cell: (one) => <Ago time={one.createdAt} /> },
  ];
  return (
    <Page title="Projects" about="A project holds agents, keys and budgets of its own; a management key can be bound to one." actions={create}>
      <Card flush>
        <Table
          label="Projects"
          {...list}
          columns={columns}
          id={(one) => one.id}
          href={(one) => to(['projects', one.id])}
          empty={
            <Empty title="No project" actions={create}>
              Make one for a team or an environment: its agents, keys and budgets stand apart from the others.
            </Empty>
          }
        />
      </Card>
      {open && <Edit onClose={() => setOpen(false)} />}
    </Page>
  );
};

/** A new project, or another name and other labels of one that is there. */
const Edit = ({ project, onClose }: { project?: Project; onClose: () => void }) => {
  const [name, setName] = useState(project?.name ?? '');
  const [slug, setSlug] = useState(project?.slug ?? '');
  const [labels, setLabels] = useState(project?.labels.join(', ') ?? '');
  return (
    <Dialog title={project ? 'Change the project' : 'Create a project'} onClose={onClose}>
      <Form
        submit={project ? 'Save' : 'Create it'}
        disabled={name.trim() === ''}
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          const body = { name: name.trim(), labels: listOf(labels), ...(slug.trim() && { slug: slug.trim() }) };
          const done = await (project ? ks.projects.update(project.id, body) : ks.projects.create(body, { idempotencyKey }));
          refresh('projects/', 'project/');
          onClose();
          if (!project) go(to(['projects', done.id]));
        }}
      >
        {(failure) => (
          <>
            <TextField label="Name" required autoFocus maxLength={100} placeholder="Production" value={name} failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} />
            <TextField label="In URLs and commands" placeholder="made from the name" value={slug} failure={failure} pointer="/slug" onChange={(event) => setSlug(event.target.value)} />
            <TextField label="Labels" placeholder="phi, prod" value={labels} failure={failure} pointer="/labels" onChange={(event) => setLabels(event.target.value)} hint="With commas. They narrow what may serve the calls of its agents." />
          </>
        )}
      </Form>
    </Dialog>
  );
};

export const ProjectPage = ({ id }: { id: string }) => {
  const query = useQuery(`project/${id}`, () => ks.projects.get(id));
  const budgets = useAllBudgets(15_000);
  const agents = useList(`agents/project/${id}`, () => ks.agents.list({ project: id, limit: 25 }), 15_000);
  const [mayChange, mayBudget, mayCreate, sees] = [useMay('members'), useMay('budgets'), useMay('agents'), useMay('see')];
  const [open, setOpen] = useState<'edit' | 'delete' | 'budget'>();
  const close = (): void => setOpen(undefined);
  const project = query.data;
  if (query.failure && !project) return <Failed failure={query.failure} again={query.again} />;
  // All of it at once: what comes one by one would push away what is being read.
  if (!project || (agents.loading && !agents.rows) || (budgets.loading && !budgets.data)) return <Skeleton height={320} />;
  const set = mayBudget && (
    <Button small onClick={() => setOpen('budget')}>
      Set a budget
    </Button>
  );
  return (
    <Page
      title={<Named name={project.name} />}
      about={<span className="mono">{project.id}</span>}
      actions={
        mayChange && (
          <>
            <Button onClick={() => setOpen('edit')}>Change</Button>
            <Button kind="danger" onClick={() => setOpen('delete')}>
              Delete
            </Button>
          </>
        )
      }
    >
      <Spending project={project} />
      {sees && (
        <Card title="Agents" flush actions={mayCreate && <a href={to(['agents', 'new'], { project: project.id })}>Create an agent in it</a>}>
          <Agents id={id} list={agents} />
        </Card>
      )}
      <Card title="Budgets" flush actions={set}>
        <BudgetTable
          rows={budgets.data?.data.filter((one) => one.projectId === id)}
          failure={budgets.failure}
          again={budgets.again}
          empty={
            <Empty title="No budget of this project" actions={set}>
              One caps what all its agents together may spend in a day, a week or a month.
            </Empty>
          }
        />
      </Card>
      <Ceilings project={id} />
      <div className="grid-2">
        <AbuseRulesCard place={{ at: 'project', id }} />
        <Card title="What is known of it">
          <Facts
            of={[
              ['In URLs', <span className="mono">{project.slug}</span>],
              ['Labels', project.labels.join(', ') || 'none'],
              ['Made', exactly(project.createdAt)],
              ['Changed', exactly(project.updatedAt)],
            ]}
          />
        </Card>
      </div>
      {open === 'edit' && <Edit project={project} onClose={close} />}
      {open === 'budget' && <SetBudget project={id} onClose={close} />}
      {open === 'delete' && <Delete project={project} onClose={close} />}
    </Page>
  );
};

const Spending = ({ project }: { project: Project }) => {
  const month = useQuery(`usage/project-month/${project.id}`, () => ks.usage.get({ project: project.id, since: monthStart() }), 15_000);
  const last = useQuery(`usage/project/${project.id}`, () => ks.usage.get({ project: project.id, since: daysAgo(29) }), 15_000);
  const [now, days] = [month.data?.total, last.data?.total];
  return (
    <div className="grid-4">
      <Figure label="Spent this month" value={now && money(now.cost)} note={now && `${money(now.held ?? '0')} held by running calls`} href={to(['requests'], { project: project.id, since: monthStart() })} />
      <Figure label="Spent in 30 days" value={days && money(days.cost)} href={to(['requests'], { project: project.id, since: daysAgo(29) })} />
      <Figure label="Calls in 30 days" value={days && count(days.calls)} note={days && `${count(days.errors)} with errors`} href={to(['requests'], { project: project.id })} />
      <Figure label="Refused in 30 days" value={days && count(days.refused)} href={to(['requests'], { project: project.id, refused: 'true' })} />
    </div>
  );
};

const Agents = ({ id, list }: { id: string; list: List<Agent> }) => {
  const usage = useQuery(`usage/project-agents/${id}`, () => ks.usage.get({ by: 'agent', project: id, since: monthStart() }), 15_000);
  return (
    <Table
      label="Agents of the project"
      {...list}
      id={(agent) => agent.id}
      href={(agent) => to(['agents', agent.id])}
      columns={[
        { title: 'Agent', lead: true, cell: (agent) => <Named name={agent.name} /> },
        { title: 'State', cell: (agent) => <AgentBadge status={agent.status} /> },
        { title: 'May use', cell: (agent) => agent.providers.map((grant) => grant.name).join(', ') || <span className="quiet">nothing</span> },
        { title: 'Spent this month', right: true, cell: (agent) => usage.data && money(usage.data.data.find((row) => row.agentId === agent.id)?.cost ?? '0') },
      ]}
      empty={<Empty title="No agent in this project">An agent belongs to one project, and uses the keys of it.</Empty>}
    />
  );
};

const Delete = ({ project, onClose }: { project: Project; onClose: () => void }) => {
  const [force, setForce] = useState(false);
  return (
    <Confirm
      title="Delete the project"
      submit="Delete it"
      typed={project.slug}
      onClose={onClose}
      onConfirm={async () => {
        const gone = await ks.projects.delete(project.id, { force });
        say(`The project is gone, with ${count(gone.agents)} agents, ${count(gone.tokens)} tokens, ${count(gone.credentials)} keys and ${count(gone.budgets)} budgets.`);
        refresh('projects/', 'agents/', 'credentials/', 'budgets/');
        go(to(['projects']));
      }}
    >
      <p>One that is not empty is refused, and the answer says what is in it.</p>
      <label className="check">
        <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
        Delete all that is in it, too
      </label>
    </Confirm>
  );
};
