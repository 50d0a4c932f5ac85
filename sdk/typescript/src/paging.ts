// Lists: the first page by `await`, every entry by `for await`.

/** One page of a list. */
export class Page<T> {
  /** The entries. */
  readonly data: readonly T[];
  /** Where the next page begins, to give as `after`; absent on the last page. */
  readonly next?: string;
  readonly #follow: (after: string) => Promise<Page<T>>;

  constructor(data: readonly T[], next: string | undefined, follow: (after: string) => Promise<Page<T>>) {
    this.data = data;
    if (next !== undefined) this.next = next;
    this.#follow = follow;
  }

  /** The next page, or `undefined` after the last. */
  async nextPage(): Promise<Page<T> | undefined> {
    return this.next === undefined ? undefined : this.#follow(this.next);
  }
}

/**
 * A list that is fetched as it is read. `await list` is its first page, `for await (const one of list)` is every entry to the
 * end, a page at a time. Nothing is sent before one of these asks.
 */
export class Paged<T> implements PromiseLike<Page<T>>, AsyncIterable<T> {
  readonly #fetch: (after?: string) => Promise<Page<T>>;
  readonly #feed: boolean;

  /** `feed`: it has no last page; one that leads no farther ends the iteration. */
  constructor(fetch: (after?: string) => Promise<Page<T>>, feed = false) {
    this.#fetch = fetch;
    this.#feed = feed;
  }

  /** The first page. */
  page(): Promise<Page<T>> {
    return this.#fetch();
  }

  /** Page after page. */
  async *pages(): AsyncGenerator<Page<T>, void, undefined> {
    let after: string | undefined;
    for (let page: Page<T> | undefined = await this.page(); page; page = await page.nextPage()) {
      if (this.#feed && page.next === after) return;
      yield page;
      after = page.next;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const page of this.pages()) yield* page.data;
  }

  then<A = Page<T>, B = never>(
    fulfilled?: ((page: Page<T>) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.page().then(fulfilled, rejected);
  }
}
