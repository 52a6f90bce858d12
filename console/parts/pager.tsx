// A list that is longer than a screen is cut into pages: never thousands of rows at once.
import { useState } from "preact/hooks";
import { Button, queryOf } from "./basics";
import { setQuery } from "./location";

export const PAGE_ROWS = 50;

function cut<T>(rows: T[], wanted: number): { shown: T[]; page: number; pages: number } {
  const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
  const page = Math.min(pages, Math.max(1, wanted));
  return { shown: rows.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS), page, pages };
}

/** The list that a view is about: its URL names the page. */
export const pageOf = <T,>(rows: T[]) => cut(rows, Number(queryOf("page")) || 1);

/** A list that stands beside another one, whose page the URL names. */
export function usePages<T>(rows: T[]) {
  const [page, setPage] = useState(1);
  return { ...cut(rows, page), turn: setPage };
}

/** LABEL tells it from another one on the same page. */
export function Pager(props: { page: number; pages: number; total: number; turn?: (to: number) => void; label?: string }) {
  if (props.pages === 1) {
    return null;
  }
  const turn = props.turn ?? ((to: number) => setQuery("page", to === 1 ? "" : String(to)));
  return (
    <nav class="pager" aria-label={props.label ?? "Pages"}>
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
