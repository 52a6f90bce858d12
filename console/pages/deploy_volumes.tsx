// The volumes of a new service: what each is, and where the container finds it.
import { Button } from "../parts/basics";
import { Field, Select } from "../parts/fields";
import { volumeFault, type VolumeKind, type VolumeRow } from "./deploy_form";

const KINDS: [VolumeKind, string][] = [
  ["secret", "Secret, as a file"],
  ["memory", "In-memory"],
];

export function Volumes(props: { rows: VolumeRow[]; onChange: (rows: VolumeRow[]) => void; touched: boolean }) {
  const { rows, onChange, touched } = props;
  const change = (at: number, part: Partial<VolumeRow>) => onChange(rows.map((row, one) => (one === at ? { ...row, ...part } : row)));
  return (
    <div class="volumes">
      {rows.length === 0 && <p class="hint">No volume. A secret can be a file; what is written into memory is gone with the instance.</p>}
      {rows.map((row, at) => {
        const fault = touched && volumeFault(row);
        return (
          <fieldset class="volume" key={at}>
            <legend>Volume {at + 1}</legend>
            <Select label="Volume type" value={row.kind} options={KINDS} onChange={(kind) => change(at, { kind: kind as VolumeKind })} />
            <Field
              label="Mount path"
              value={row.path}
              onInput={(path) => change(at, { path })}
              placeholder={row.kind === "secret" ? "/secrets/key" : "/cache"}
              fault={fault}
              required
            />
            {row.kind === "secret" ? (
              <>
                <Field label="Secret" value={row.secret} onInput={(secret) => change(at, { secret })} required />
                <Field label="Version" value={row.version} onInput={(version) => change(at, { version })} placeholder="latest" />
              </>
            ) : (
              <Field label="Size limit" value={row.size} onInput={(size) => change(at, { size })} placeholder="64Mi" />
            )}
            <Button kind="quiet" label={`Remove volume ${at + 1}`} onClick={() => onChange(rows.filter((_, one) => one !== at))}>
              Remove
            </Button>
          </fieldset>
        );
      })}
      <Button onClick={() => onChange([...rows, { kind: "secret", path: "", secret: "", version: "", size: "" }])}>Add volume</Button>
    </div>
  );
}
