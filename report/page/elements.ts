/** A child of an element. A string is always text, never markup. */
type Child = Node | string | false | undefined;

/** Creates an element: `element("td", { className: "number" }, "12")`. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Partial<HTMLElementTagNameMap[Name]> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...present(children));
  return created;
}

function present(children: readonly Child[]): (Node | string)[] {
  return children.filter((child) => child !== false && child !== undefined);
}

const shown = new WeakMap<Element, string>();

/** Replaces the children of an element if the value has changed; otherwise keeps focus and selection intact. */
export function showIn(box: Element, value: unknown, make: () => readonly Child[]): void {
  const json = JSON.stringify(value);
  if (shown.get(box) === json) return;
  shown.set(box, json);
  box.replaceChildren(...present(make()));
}

/** Returns the element of the page with an id. */
export function byId<Type extends HTMLElement = HTMLElement>(id: string): Type {
  return document.getElementById(id) as Type;
}

/** Shows a status message; an empty text hides it. */
export function showState(text: string): void {
  const box = byId("state");
  if (box.textContent !== text) box.textContent = text; // screen readers announce every change
}
