import { render } from "preact";
import { App } from "./parts/app";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";

const root = document.getElementById("app");
if (root !== null) {
  render(<App />, root);
}
