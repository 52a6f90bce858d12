// A check of a new container's health: when it has started, and whether it still lives.
import { Field, Select } from "../parts/fields";
import { probeFaults, type ProbeForm } from "./deploy_form";

const KINDS: [ProbeForm["kind"], string][] = [
  ["", ""],
  ["http", "HTTP"],
  ["tcp", "TCP"],
  ["grpc", "gRPC"],
];

export function Probe(props: {
  label: string;
  none: string; // what holds without one
  value: ProbeForm;
  onChange: (value: ProbeForm) => void;
  touched: boolean;
}) {
  const { value, onChange } = props;
  const faults = props.touched ? probeFaults(value) : {};
  const set = (key: keyof ProbeForm) => (text: string) => onChange({ ...value, [key]: text });
  const number = (key: "port" | "delay" | "period" | "timeout" | "failures", label: string, placeholder: string) => (
    <Field type="number" label={label} value={value[key]} onInput={set(key)} fault={faults[key]} placeholder={placeholder} />
  );
  return (
    <fieldset class="probe">
      <legend>{props.label}</legend>
      <Select
        label="Type"
        value={value.kind}
        options={KINDS.map(([kind, text]) => [kind, kind === "" ? props.none : text])}
        onChange={(kind) => onChange({ ...value, kind: kind as ProbeForm["kind"] })}
      />
      {value.kind !== "" && (
        <div class="pair">
          {value.kind === "http" && <Field label="Path" value={value.path} onInput={set("path")} fault={faults.path} placeholder="/" />}
          {number("port", "Port", "the container's")}
          {number("delay", "Initial delay (s)", "0")}
          {number("period", "Period (s)", "10")}
          {number("timeout", "Timeout (s)", "1")}
          {number("failures", "Failure threshold", "3")}
        </div>
      )}
    </fieldset>
  );
}
