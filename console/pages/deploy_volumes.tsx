// The volumes of a new service: what each is, and where the container finds it.
import { mappedFolders } from "../api/run";
import { Button } from "../parts/basics";
import { Check, Field, Select } from "../parts/fields";
import { useLoad } from "../parts/load";
import { project } from "../parts/session";
import { emptyVolume, volumeFault, type VolumeKind, type VolumeRow } from "./deploy_form";

const KINDS: [VolumeKind, string][] = [
  ["secret", "Secret, as a file"],
  ["memory", "In-memory"],
  ["bucket", "Cloud Storage bucket"],
  ["nfs", "NFS"],
];

export function Volumes(props: { rows: VolumeRow[]; onChange: (rows: VolumeRow[]) => void; touched: boolean }) {
  const { rows, onChange, touched } = props;
  const folders = useLoad(`folders ${project.value}`, () => mappedFolders(project.value).catch(() => []), `projects/${project.value}`);
  const change = (at: number, part: Partial<VolumeRow>) => onChange(rows.map((row, one) => (one === at ? { ...row, ...part } : row)));
  return (
    <div class="volumes">
      {rows.length === 0 && (
        <p class="hint">No volume. A secret can be a file; what is written into memory is gone with the instance; a bucket or an NFS export is a folder of this machine.</p>
      )}
      {rows.map((row, at) => {
        const fault = touched && volumeFault(row);
        const known = (folders.data.value ?? []).filter((one) => one.name.includes(":") === (row.kind === "nfs"));
        const mapped = known.find((one) => one.name === row.source);
        return (
          <fieldset class="volume" key={at}>
            <legend>Volume {at + 1}</legend>
            <Select label="Volume type" value={row.kind} options={KINDS} onChange={(kind) => change(at, { kind: kind as VolumeKind })} />
            <Field
              label="Mount path"
              value={row.path}
              onInput={(path) => change(at, { path })}
              placeholder={row.kind === "secret" ? "/secrets/key" : row.kind === "memory" ? "/cache" : "/data"}
              fault={fault}
              required
            />
            {row.kind === "secret" && (
              <>
                <Field label="Secret" value={row.secret} onInput={(secret) => change(at, { secret })} required />
                <Field label="Version" value={row.version} onInput={(version) => change(at, { version })} placeholder="latest" />
              </>
            )}
            {row.kind === "memory" && (
              <Field label="Size limit" value={row.size} onInput={(size) => change(at, { size })} placeholder="64Mi" />
            )}
            {(row.kind === "bucket" || row.kind === "nfs") && (
              <>
                <Field
                  label={row.kind === "bucket" ? "Bucket" : "Export"}
                  value={row.source}
                  onInput={(source) => change(at, { source })}
                  placeholder={row.kind === "bucket" ? "my-bucket" : "10.0.0.7:/export"}
                  options={known.map((one) => one.name)}
                  hint={
                    mapped
                      ? `It is the folder ${mapped.dir} of this machine${mapped.readOnly ? ", which can only be read" : ""}.`
                      : known.length > 0
                        ? "Those that are mapped here are offered."
                        : `None is mapped here yet: homerun volumes map ${row.kind === "bucket" ? "BUCKET" : "SERVER:/PATH"} /FOLDER does that.`
                  }
                  required
                />
                <Check label="Read-only" value={row.readOnly} onChange={(readOnly) => change(at, { readOnly })} />
              </>
            )}
            <Button kind="quiet" label={`Remove volume ${at + 1}`} onClick={() => onChange(rows.filter((_, one) => one !== at))}>
              Remove
            </Button>
          </fieldset>
        );
      })}
      <Button onClick={() => onChange([...rows, emptyVolume()])}>Add volume</Button>
    </div>
  );
}
