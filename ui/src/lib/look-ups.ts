// Lists that are looked up rather than shown: all of them, not a first page.
import type { Agent, Budget, Listing, Project } from '@keystore/sdk';
import { ks } from './api.ts';
import { useQuery, type Query } from './query.ts';

/** As many as the API gives at once. */
export const PAGE = 500;
const MOST = 5_000;

export interface All<T> {
  readonly data: readonly T[];
  /** Whether there are more than are looked at. */
  readonly cut: boolean;
}

/** What a list has, to its end or `most` of it. */
export const all = async <T>(list: AsyncIterable<T>, most = MOST): Promise<All<T>> => {
  const data: T[] = [];
  for await (const one of list) {
    if (data.length === most) return { data, cut: true };
    data.push(one);
  }
  return { data, cut: false };
};

export const useAllAgents = (every?: number): Query<All<Agent>> => useQuery('agents/all', () => all(ks.agents.list({ limit: PAGE })), every);
export const useAllProjects = (): Query<All<Project>> => useQuery('projects/all', () => all(ks.projects.list({ limit: PAGE })));
export const useAllBudgets = (every?: number): Query<All<Budget>> => useQuery('budgets/all', () => all(ks.budgets.list({ limit: PAGE })), every);
export const useAllListings = (): Query<All<Listing>> => useQuery('marketplace/all', () => all(ks.marketplace.list({ limit: PAGE })));
