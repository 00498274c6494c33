/**
 * What the pages for browsers load. They are files of their own, so that the pages can forbid everything that stands in
 * themselves; what is here is sent as it stands.
 */
export const waitingScript = `"use strict";
{
  const { stream } = document.currentScript.dataset;
  const steps = [...document.querySelectorAll("li")];
  const title = document.querySelector("h1");
  const news = document.querySelector("p");
  const lookAgain = (ms) => setTimeout(() => location.reload(), ms);
  const show = (state) => {
    const at = steps.findIndex((step) => step.dataset.state === state);
    if (at < 0) return;
    for (const [place, step] of steps.entries()) {
      step.classList.toggle("done", place <= at);
      if (place === at + 1) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    }
    news.textContent = "Step " + (at + 1) + " of " + steps.length + ": " + steps[at].textContent;
  };
  const stop = () => {
    news.textContent = "The session is ending.";
    for (const step of steps) step.removeAttribute("aria-current");
  };
  const end = (text, { reason, message }) => {
    title.textContent = document.title = text;
    news.textContent = message + " (" + reason + ")";
    news.setAttribute("role", "alert");
    document.documentElement.dataset.state = "ended";
    for (const step of steps) step.removeAttribute("aria-current");
  };
  if (stream) {
    const source = new EventSource(stream);
    source.onmessage = ({ data }) => {
      const status = JSON.parse(data);
      if (status.state === "Failed") end("The session could not be started", status);
      else if (status.state === "Swept") end("The session has ended", status);
      else if (status.state === "Stopping") stop();
      else show(status.state);
      if (/Failed|Swept|Ready/.test(status.state)) source.close();
      if (status.state === "Ready") lookAgain(100);
    };
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) lookAgain(2000);
    };
  } else lookAgain(1000);
}
`;

export const waitingStyle = `:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
h1 { line-height: 1.2; }
main { max-width: 30rem; margin: 15vh auto 0; padding: 0 1rem; }
ol { list-style: none; padding: 0; }
li::before { content: "\\25CB"; display: inline-block; width: 1.5em; }
li.done::before { content: "\\25CF"; }
li[aria-current]::before { content: "\\25D0"; animation: turn 1s steps(4) infinite; transform-origin: .4em 55%; }
[data-state="ended"] li { display: none; }
p { white-space: pre-wrap; overflow-wrap: anywhere; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (prefers-reduced-motion: reduce) { li::before { animation: none !important; } }
`;
