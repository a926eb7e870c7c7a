/** Starts the page; whatever goes wrong is shown on it. */
import "./style.css";
import { App } from "./app";
import { installHooks } from "./hooks";
import { Messages } from "./ui";

const messages = new Messages();
let app: App | null = null;
let ready: Promise<void>;
try {
  app = new App(messages);
  ready = app.start().catch((error: unknown) => messages.error(error, "This scene cannot be shown", () => location.reload()));
} catch (error) {
  messages.error(error, "The viewer cannot start", null);
  ready = Promise.resolve();
}
installHooks(app, ready);
