// The dialog before something is taken away: what then ends, and a red button.
import type { ComponentChildren } from "preact";
import { Button, ErrorNote, say } from "./basics";
import { Dialog } from "./dialog";
import { useAction } from "./load";
import { SameChange, type Ways } from "./same_change";

export function TakeAway(props: {
  title: string;
  word?: string; // on the button; "Delete" where none is given
  close: () => void;
  act: () => Promise<unknown>;
  said: string; // once it is done
  done: () => void;
  children: ComponentChildren; // what ends with it
  ways: Ways;
}) {
  const { busy, error, run } = useAction();
  const takeAway = () =>
    void run(async () => {
      await props.act();
      say(props.said);
      props.close();
      props.done();
    });
  return (
    <Dialog
      title={props.title}
      onClose={props.close}
      actions={
        <>
          <Button onClick={props.close}>Cancel</Button>
          <Button kind="danger" busy={busy.value} onClick={takeAway}>
            {props.word ?? "Delete"}
          </Button>
        </>
      }
    >
      {props.children}
      <ErrorNote error={error.value} />
      <SameChange ways={props.ways} />
    </Dialog>
  );
}
