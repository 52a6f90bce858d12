// Fields of forms: label, hint and fault belong to the control, for eyes and for screen readers.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: ComponentChildren;
  fault?: string | false;
  placeholder?: string;
  type?: "text" | "number" | "search";
  options?: string[];
  required?: boolean;
  disabled?: boolean;
  lines?: number;
}

export function Field(props: FieldProps) {
  const id = useId();
  const about = [props.fault && `${id}-fault`, props.hint && `${id}-hint`].filter(Boolean).join(" ");
  const common = {
    id,
    value: props.value,
    placeholder: props.placeholder,
    required: props.required,
    disabled: props.disabled,
    "aria-invalid": props.fault ? true : undefined,
    "aria-describedby": about || undefined,
    onInput: (event: Event) => props.onInput((event.target as HTMLInputElement).value),
  };
  return (
    <div class={`field${props.fault ? " faulty" : ""}`}>
      <label for={id}>{props.label}</label>
      {props.lines ? (
        <textarea {...common} rows={props.lines} spellcheck={false} />
      ) : (
        <input
          {...common}
          type={props.type ?? "text"}
          list={props.options ? `${id}-options` : undefined}
          autocomplete="off"
          spellcheck={false}
        />
      )}
      {props.options && (
        <datalist id={`${id}-options`}>
          {props.options.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      )}
      {props.fault && (
        <p class="fault" id={`${id}-fault`}>
          {props.fault}
        </p>
      )}
      {props.hint && (
        <p class="hint" id={`${id}-hint`}>
          {props.hint}
        </p>
      )}
    </div>
  );
}

interface SelectProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: [string, string][];
  hint?: string;
  disabled?: boolean;
  quiet?: boolean;
}

export function Select(props: SelectProps) {
  const id = useId();
  return (
    <div class={`field${props.quiet ? " quiet" : ""}`}>
      <label for={id} class={props.quiet ? "hidden" : undefined}>
        {props.label}
      </label>
      <select
        id={id}
        value={props.value}
        disabled={props.disabled}
        onChange={(event) => props.onChange((event.target as HTMLSelectElement).value)}
      >
        {props.options.map(([value, text]) => (
          <option key={value} value={value} selected={value === props.value}>
            {text}
          </option>
        ))}
      </select>
      {props.hint && <p class="hint">{props.hint}</p>}
    </div>
  );
}

interface Choice<T extends string> {
  value: T;
  text: string;
  about: ComponentChildren;
  off?: string;
  below?: ComponentChildren;
}

export function Radios<T extends string>(props: {
  legend: string;
  value: T;
  onChange: (value: T) => void;
  choices: Choice<T>[];
  disabled?: boolean;
}) {
  const id = useId();
  return (
    <fieldset class="radios" disabled={props.disabled}>
      <legend>{props.legend}</legend>
      {props.choices.map((choice) => (
        <div class="radio" key={choice.value}>
          <input
            type="radio"
            id={`${id}-${choice.value}`}
            name={id}
            checked={props.value === choice.value}
            disabled={Boolean(choice.off)}
            aria-describedby={`${id}-${choice.value}-about`}
            onChange={() => props.onChange(choice.value)}
          />
          <div>
            <label for={`${id}-${choice.value}`}>{choice.text}</label>
            <p class="hint" id={`${id}-${choice.value}-about`}>
              {choice.off ?? choice.about}
            </p>
            {props.value === choice.value && choice.below}
          </div>
        </div>
      ))}
    </fieldset>
  );
}

export function Check(props: { label: string; value: boolean; onChange: (on: boolean) => void; disabled?: boolean }) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={props.value}
        disabled={props.disabled}
        onChange={(event) => props.onChange((event.target as HTMLInputElement).checked)}
      />{" "}
      {props.label}
    </label>
  );
}
