// A list that is longer than a screen is cut into pages: never thousands of rows at once.
import { Button } from "./basics";
import { queryOf } from "./basics";
import { setQuery } from "./location";

export const PAGE_ROWS = 50;

export function pageOf<T>(rows: T[]): { shown: T[]; page: number; pages: number } {
  const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
  const page = Math.min(pages, Math.max(1, Number(queryOf("page")) || 1));
  return { shown: rows.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS), page, pages };
}

export function Pager(props: { page: number; pages: number; total: number }) {
  if (props.pages === 1) {
    return null;
  }
  const turn = (to: number) => setQuery("page", to === 1 ? "" : String(to));
  return (
    <nav class="pager" aria-label="Pages">
      <Button onClick={() => turn(props.page - 1)} disabled={props.page === 1}>
        Previous
      </Button>
      <span>
        {(props.page - 1) * PAGE_ROWS + 1}–{Math.min(props.total, props.page * PAGE_ROWS)} of {props.total}
      </span>
      <Button onClick={() => turn(props.page + 1)} disabled={props.page === props.pages}>
        Next
      </Button>
    </nav>
  );
}
